"""The folder everything of a node lies in."""

from __future__ import annotations

from pathlib import Path

from swarm.errors import StoreError
from swarm.sites.files import hand_over


def make_home(home: Path) -> None:
    """Have it, for its owner alone when it is new. StoreError when it cannot be made."""
    try:
        if not home.exists():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            hand_over(home)
    except OSError as error:
        raise StoreError(
            f"{home} cannot be made: {error.strerror}.", "Set SWARM_HOME to a folder you may write."
        ) from error
