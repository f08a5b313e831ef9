"""The record by which a node is found on its LAN: a DNS-SD service and what its TXT record holds.

An announcement is a hint about where a node might listen, never a proof of who listens there: the id
only says which handshake would be worth a try. Keys are those of RFC 6763, section 6: compared without
regard to case, unknown ones ignored, so that later versions can add some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from protocol.ids import ID_LENGTH, NodeId, from_text, to_text
from protocol.limits import PROTOCOL_VERSION

SERVICE_TYPE: Final = "_lanswarm._tcp.local."

ID_KEY: Final = b"id"
VERSION_KEY: Final = b"v"
MAX_VERSION: Final = 999
"""Three digits: whatever is longer is no version of this protocol."""


class BadAnnouncement(ValueError):
    """A record of our service type that no node of this protocol writes."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A node says: I am `node_id`, listening on TCP `port`, speaking `version`. Raises BadAnnouncement."""

    node_id: NodeId
    port: int
    version: int = PROTOCOL_VERSION

    def __post_init__(self) -> None:
        if len(self.node_id) != ID_LENGTH:
            raise BadAnnouncement(f"an id of {len(self.node_id)} bytes")
        if not 1 <= self.port <= 0xFFFF:
            raise BadAnnouncement(f"no port is number {self.port}")
        if not 1 <= self.version <= MAX_VERSION:
            raise BadAnnouncement(f"no version is number {self.version}")

    @property
    def instance(self) -> str:
        """The full instance name: the id, 52 of the 63 bytes a DNS label may have, and the service type."""
        return f"{to_text(self.node_id)}.{SERVICE_TYPE}"

    def to_txt(self) -> dict[bytes, bytes]:
        return {VERSION_KEY: b"%d" % self.version, ID_KEY: to_text(self.node_id).encode("ascii")}


def from_txt(txt: Mapping[bytes, bytes | None], port: int) -> Announcement:
    """The announcement in a TXT record and the port of its SRV record; BadAnnouncement when there is none.

    The version may be one we do not speak: whoever dials decides.
    """
    values = {key.lower(): value for key, value in reversed(list(txt.items()))}
    version, identifier = values.get(VERSION_KEY), values.get(ID_KEY)
    if version is None or identifier is None:
        raise BadAnnouncement("a record without version or id")
    if not version.isdigit() or version.startswith(b"0") or len(version) > len(str(MAX_VERSION)):
        raise BadAnnouncement("a version that is no number")
    try:
        node_id = NodeId(from_text(identifier.decode("ascii")))
    except ValueError as error:
        raise BadAnnouncement("an id that is no id") from error
    return Announcement(node_id, port, int(version))
