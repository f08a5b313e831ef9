"""The small files of a home, after whatever befell them: what they say, nothing, or an error in words.

u8: which file | its content
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

from protocol.ids import to_text
from protocol.invitation import Grant
from swarm.errors import SwarmError
from swarm.node import identity
from swarm.sites.folder import SiteFolder
from swarm.store.ownership import Record
from swarm.views.hf import _lists
from tests.fuzz.samples import SNAPSHOT
from tests.fuzz.targets.revocation import LISTS
from tests.protocol.sites import JOINED, MEMBER

KEY = bytes(32)
PLACE = "boot namespace"
NODE = to_text(MEMBER.node_id)
LISTING = {file.path: {"size": file.blob.size, "blob_id": "00" * 20} for file in SNAPSHOT.files}

FILES: tuple[tuple[str, Callable[[Path], object]], ...] = (
    ("site/membership", lambda home: SiteFolder(home).grant()),
    ("site/root.key", lambda home: SiteFolder(home).root.open(None)),
    (f"site/revoked/{KEY.hex()}", lambda home: SiteFolder(home).revocations()),
    (f"site/issued/{NODE}", lambda home: SiteFolder(home).issued()),
    (f"site/invitations/{KEY.hex()}/terms", lambda home: SiteFolder(home).invitations.all()),
    ("identity", identity.load),
    ("local-token", identity.load_token),
    ("store/owner", lambda home: alive(Record.read(home / "store/owner"))),
    ("trees/listing", lambda home: _lists(home / "trees/listing", LISTING)),
)


def seeds() -> Iterator[bytes]:
    root = SiteFolder(home()).root
    root.path.unlink(missing_ok=True)
    root.make(None, KEY)
    issued = {"node": NODE, "name": "h1", "rights": 0, "issued": 1, "expires": 9}
    contents: list[str] = [
        str(Grant("lab", JOINED, ("10.0.0.1:7677",))),
        root.path.read_text(),
        base64.b64encode(LISTS[0].encode()).decode(),
        json.dumps(issued),
        json.dumps({"uses": 3, "expires": 9, "rights": 0}),
        f"{'01' * 32}\n{'02' * 32}\n",
        f"{'03' * 32}\n",
        json.dumps({"pid": 1, "host": "h", "place": PLACE, "started": "0", "token": "t"}),
        json.dumps({"format_version": 1, "files": LISTING}),
    ]
    for number, content in enumerate(contents):
        yield bytes([number]) + content.encode()


@cache
def home() -> Path:
    """A home with every file there is, for as long as the process lives."""
    made = Path(tempfile.mkdtemp(prefix="lanswarm-fuzz-"))
    for name, _ in FILES:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
    return made


def run(data: bytes) -> None:
    if not data:
        return
    name, read = FILES[data[0] % len(FILES)]
    path = home() / name
    path.write_bytes(data[1:])
    path.chmod(0o600)
    try:
        read(home())
    except SwarmError:
        return


def alive(record: Record | None) -> None:
    with patch("swarm.store.ownership._place", lambda: PLACE):
        if record is not None:
            record.alive()
