"""The node's keys on disk: one file, readable by its owner alone.

`$SWARM_HOME/identity` holds two lines of hex, the Ed25519 seed and the Noise private key. A file that
others may read is refused, as whoever copied it can pass for this node.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from protocol.signing import Identity
from swarm.errors import StoreError
from swarm.sites.files import hand_over

KEY_BYTES: Final = 32
OTHERS: Final = 0o077


def load(home: Path) -> Identity:
    """The identity of this home, made on first use. StoreError when it cannot be read or made."""
    path = home / "identity"
    try:
        if not path.exists():
            _create(path)
        if path.stat().st_mode & OTHERS:
            raise StoreError(
                f"{path} can be read by others.", f"Run `chmod 600 {path}`, if it is still yours alone."
            )
        seed, noise = (bytes.fromhex(line) for line in path.read_text(encoding="ascii").split())
        return Identity(seed, noise)
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {error.strerror}.", "Check SWARM_HOME.") from error
    except ValueError as error:
        raise StoreError(f"{path} is damaged.", "Remove it; the node then makes a new identity.") from error


def _create(path: Path) -> None:
    """Write new keys under another name and link them into place, so that two starters agree on one."""
    text = f"{secrets.token_hex(KEY_BYTES)}\n{secrets.token_hex(KEY_BYTES)}\n"
    temporary = path.with_name(f".identity.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    hand_over(temporary)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
