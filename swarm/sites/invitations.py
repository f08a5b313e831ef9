"""Invitations on disk: a folder for each, named by its public key, with a file for every node it let in.

Uses are numbered and each is a file that can be created once, so that no race between a daemon and a
command, and no crash, lets in one node more than was allowed. A node that comes twice counts once. The
secret half is in the token only, which is not kept here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from protocol.ids import NodeId, to_text
from protocol.membership import DAY, Rights
from swarm.errors import StoreError
from swarm.sites import files

MAX_USES: Final = 10_000
"""Nodes one invitation may let in: more than a site has links for."""

KEPT_SECONDS: Final = 7 * DAY
"""How long an invitation is kept after its end, so that who comes late is told that it has ended."""

TERMS: Final = "terms"

KEY: Final = re.compile("[0-9a-f]{64}")
"""What the folder of an invitation is called; of what else lies there nothing is known."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """`uses` nodes may come in with these rights until `expires` (seconds since 1970).

    `key`: 32 bytes, the public half. `used`: nodes that have come. ValueError for what makes no sense.
    """

    key: bytes
    uses: int
    expires: int
    rights: Rights
    used: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.uses <= MAX_USES:
            raise ValueError(f"an invitation is for 1 to {MAX_USES} nodes")


class Invitations:
    """All invitations of this node, in one folder. Methods raise StoreError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, invitation: Invitation, now: float) -> None:
        """Have one more; those long over are cleared away."""
        self._clear(now)
        folder = self._of(invitation.key)
        files.make_folder(folder)
        terms = {
            "uses": invitation.uses,
            "expires": invitation.expires,
            "rights": int(invitation.rights),
        }
        files.write(folder / TERMS, json.dumps(terms) + "\n")

    def find(self, key: bytes) -> Invitation | None:
        """The invitation with this public key."""
        folder = self._of(key)
        try:
            match files.read_json(folder / TERMS):
                case None:
                    return None
                case {"uses": int(uses), "expires": int(expires), "rights": int(rights)}:
                    used = len(files.names(folder)) - 1
                    return Invitation(key, uses, expires, Rights(rights), used)
                case _:
                    raise ValueError("not the terms of an invitation")
        except ValueError as error:
            raise StoreError(f"{folder / TERMS} is damaged.", "Remove it and invite anew.") from error

    def all(self) -> list[Invitation]:
        """Every invitation that is kept."""
        named = (name for name in files.names(self.folder) if KEY.fullmatch(name))
        found = (self.find(bytes.fromhex(name)) for name in named)
        return [invitation for invitation in found if invitation is not None]

    def use(self, invitation: Invitation, node: NodeId) -> bool:
        """Count this node as one that came; False when as many as allowed have come already."""
        folder, name = self._of(invitation.key), to_text(node)
        taken = set(files.names(folder))
        for number in range(1, invitation.uses + 1):
            slot = folder / str(number)
            if slot.name not in taken and files.create_once(slot, name):
                return True
            if files.read(slot) == name:
                return True
        return False

    def _of(self, key: bytes) -> Path:
        return self.folder / key.hex()

    def _clear(self, now: float) -> None:
        for invitation in self.all():
            if invitation.expires + KEPT_SECONDS <= now:
                folder = self._of(invitation.key)
                with files.usable(folder):
                    for name in files.names(folder):
                        (folder / name).unlink(missing_ok=True)
                    folder.rmdir()
