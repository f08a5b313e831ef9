"""`$SWARM_HOME/site`: everything a node knows of its site, as files that daemon and commands share.

membership         the word of a Grant: the site's name, the chain of certificates, addresses of issuers
root.key           the root key, where the site was created (`rootkey`); root-….key: that of a site left since
revoked/KEY        the revocation list of the signer with this public key
issued/NODE        what this node granted last to another: name, rights, issued, expires
invitations/KEY/   the invitations of this node (`invitations`)
"""

from __future__ import annotations

import base64
import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from protocol.armor import BadArmor
from protocol.ids import NodeId, from_text, to_text
from protocol.invitation import Grant, parse_grant
from protocol.membership import Membership
from protocol.revocation import Revocation, decode_revocation
from swarm.errors import StoreError
from swarm.sites import files
from swarm.sites.invitations import Invitations
from swarm.sites.rootkey import RootFile

MIN_PREFIX: Final = 6
"""Characters of an id that may stand for it: what the log shows has ten."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Issued:
    """What was granted to a node last: `node` as text, times in seconds since 1970."""

    node: str
    name: str
    rights: int
    issued: int
    expires: int


class SiteFolder:
    """See the module. Methods block for a few system calls, and raise StoreError."""

    def __init__(self, home: Path) -> None:
        self.path = home / "site"
        self.root = RootFile(self.path / "root.key")
        self.invitations = Invitations(self.path / "invitations")
        self._membership = self.path / "membership"
        self._revoked = self.path / "revoked"
        self._issued = self.path / "issued"

    def grant(self) -> Grant | None:
        """This node's membership; None when it belongs to no site."""
        text = files.read(self._membership)
        if text is None:
            return None
        try:
            return parse_grant(text)
        except BadArmor as error:
            raise StoreError(
                f"{self._membership} holds no membership: {error}.", "Join the site again."
            ) from error

    def keep_grant(self, grant: Grant) -> None:
        files.make_folder(self.path)
        files.write(self._membership, f"{grant}\n")

    def renew_grant(self, grant: Grant) -> None:
        """The same, unless the membership is gone: who has left meanwhile is not brought back."""
        if self.joined:
            self.keep_grant(grant)

    @property
    def joined(self) -> bool:
        """Is there a membership, in whatever state?"""
        return self._membership.exists()

    def clear(self) -> None:
        """Remove all but root keys and what is not of swarm: first the membership, which a daemon goes by."""
        with files.usable(self.path):
            for path in (self._membership, *self.path.glob(f".{self._membership.name}.*")):
                path.unlink(missing_ok=True)
            for folder in (self._revoked, self._issued, self.invitations.folder):
                if folder.exists():
                    shutil.rmtree(folder)

    def revocations(self) -> list[Revocation]:
        """The lists that are kept. One that is damaged is left out: members send it again."""
        found = []
        for name in files.names(self._revoked):
            try:
                data = base64.b64decode(files.read(self._revoked / name) or "", validate=True)
                found.append(decode_revocation(data))
            except ValueError as error:
                log.warning("%s is left out: %s", self._revoked / name, error)
        return found

    def keep_revocation(self, revocation: Revocation) -> None:
        files.make_folder(self._revoked)
        text = base64.b64encode(revocation.encode()).decode("ascii")
        files.write(self._revoked / revocation.key.hex(), text)

    def issued(self) -> list[Issued]:
        """What was granted here, by node."""
        found = (self._read_issued(name) for name in files.names(self._issued))
        return [one for one in found if one is not None]

    def record(self, membership: Membership, name: str) -> None:
        """Remember what was granted; a name that is empty leaves the one that is known."""
        files.make_folder(self._issued)
        node = to_text(membership.node_id)
        known = self._read_issued(node)
        own = membership.own
        name = name or (known.name if known else "")
        row = Issued(node, name, own.rights, own.issued, own.expires)
        files.write(self._issued / node, json.dumps(asdict(row)) + "\n")

    def _read_issued(self, name: str) -> Issued | None:
        try:
            match files.read_json(self._issued / name):
                case None:
                    return None
                case {"name": str(known), "rights": int(rights), "issued": int(issued), "expires": int(end)}:
                    return Issued(to_text(from_text(name)), known, rights, issued, end)
        except ValueError:
            pass
        log.warning("%s is damaged and left out", self._issued / name)
        return None

    def named(self, text: str) -> list[NodeId]:
        """Nodes let in here whose id begins with this text, or that have it as their name."""
        by_id = len(text) >= MIN_PREFIX
        rows = [row for row in self.issued() if row.name == text or (by_id and row.node.startswith(text))]
        return [NodeId(from_text(row.node)) for row in rows]

    def stamp(self) -> tuple[object, ...]:
        """Changes whenever the membership, the root key or a list does."""
        watched = [self._membership, self.root.path, *(self._revoked / n for n in files.names(self._revoked))]
        return tuple(_stamp(path) for path in watched)


def _stamp(path: Path) -> tuple[str, int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return path.name, found.st_ino, found.st_size, found.st_mtime_ns
