"""The messages of control and bulk connections: their fields and what each means.

`docs/protocol.md` is the normative text. Everything about chunks names a topic (the key of a snapshot)
and chunk numbers of that snapshot; paths and URLs never occur. A message that breaks a limit or has a
field of the wrong form cannot be constructed: it raises BadMessage (rules: `protocol.fields`).

One module for each thing that is talked about; `wire` has the numbers and the encoding of all.
"""

from protocol.fields import BadMessage
from protocol.messages.bulk import Cancel, Data, Elsewhere, ManifestPart, NeedManifest, Refuse, Request
from protocol.messages.checked import Checked, Ranges
from protocol.messages.link import Bye, Peers, Ping, Pong
from protocol.messages.names import Found, Lookup
from protocol.messages.origin import Fetching, FetchingHeard, Lease, LeaseHeard, SeedHeard
from protocol.messages.site import Belongs, Granted, Redeem, Renew, Revoked
from protocol.messages.topics import (
    Absent,
    Claims,
    Company,
    Have,
    HaveMap,
    Join,
    Leave,
    Lost,
    NeedClaims,
    Seek,
)
from protocol.messages.wire import (
    BULK,
    CONTROL,
    NUMBERS,
    BulkMessage,
    ControlMessage,
    decode_bulk,
    decode_control,
    encode_message,
    payload_of,
)

__all__ = [
    "BULK",
    "CONTROL",
    "NUMBERS",
    "Absent",
    "BadMessage",
    "Belongs",
    "BulkMessage",
    "Bye",
    "Cancel",
    "Checked",
    "Claims",
    "Company",
    "ControlMessage",
    "Data",
    "Elsewhere",
    "Fetching",
    "FetchingHeard",
    "Found",
    "Granted",
    "Have",
    "HaveMap",
    "Join",
    "Lease",
    "LeaseHeard",
    "Leave",
    "Lookup",
    "Lost",
    "ManifestPart",
    "NeedClaims",
    "NeedManifest",
    "Peers",
    "Ping",
    "Pong",
    "Ranges",
    "Redeem",
    "Refuse",
    "Renew",
    "Request",
    "Revoked",
    "SeedHeard",
    "Seek",
    "decode_bulk",
    "decode_control",
    "encode_message",
    "payload_of",
]
