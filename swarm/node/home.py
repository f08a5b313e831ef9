"""The folder everything of a node lies in: made for its owner alone, refused where others can tamper with it.

Who can write in a folder can put files of theirs in the place of those that are there, whatever their modes:
settings, invitations into the site, a control socket. Others may be let in to read and to use that socket, as
those who share a daemon are. What they cannot reach, as the home is closed to them, is not looked at.

A group may write if it is the owner's alone: where each user has one, a umask of 002 is usual, and `mkdir`
makes folders that only look open.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from swarm.errors import StoreError
from swarm.sites.files import hand_over

WRITE: Final = 0o022
"""What nobody but the owner may do with the home and what matters in it, in the bits of a mode."""

ENTER: Final = 0o011
"""What others need of the home to reach what lies in it; one bit to the left it is their right to write."""

GROUP_WRITE: Final = 0o020
"""The part of WRITE that is the group's."""

Alone = Callable[[os.stat_result], bool]
"""Whether the group of a file has no member but its owner."""


def owner_alone(found: os.stat_result) -> bool:
    """Whether the group is the owner's private one: the owner's own, of the same name, without others."""
    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    own = owner.pw_gid == group.gr_gid and owner.pw_name == group.gr_name
    return own and set(group.gr_mem) <= {owner.pw_name}


def make_home(home: Path, alone: Alone = owner_alone) -> None:
    """Have it, for its owner alone when it is new. StoreError when it cannot be, or others can change it."""
    try:
        if not home.exists():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            hand_over(home)
        mode = home.stat().st_mode
        reach = (mode & ENTER) << 1
        open_home = _writers(home, alone)
        open_within = next((path for path in _guarded(home) if _writers(path, alone) & reach), None)
    except OSError as error:
        raise StoreError(
            f"{home} cannot be used: {error.strerror}.", "Set SWARM_HOME to a folder you may write."
        ) from error
    if open_home:
        raise _tampering(home, f"Run `chmod go-w {home}`, or set SWARM_HOME to a new folder in it.")
    if open_within is not None:
        raise _tampering(open_within, f"Run `chmod go-w {open_within}`, if what it says is still yours.")


def _tampering(path: Path, advice: str) -> StoreError:
    return StoreError(f"{path} can be changed by others, in the place of its owner.", advice)


def _guarded(home: Path) -> Iterator[Path]:
    """What nobody else may change, beside secrets, which are refused where they are read, and the store,
    which sees to its folders itself."""
    yield home / "config.toml"
    yield home / "site"
    yield from (home / "site").rglob("*")


def _writers(path: Path, alone: Alone) -> int:
    """The bits of WRITE that what a path leads to has for others; 0 when there is nothing, or no more."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    bits = found.st_mode & WRITE
    return bits & ~GROUP_WRITE if bits & GROUP_WRITE and alone(found) else bits
