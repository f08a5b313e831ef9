"""Every message there is, with its bytes as docs/protocol.md has them: what must never change.

The fuzz targets start from these, too (`tests/fuzz/samples.py`).
"""

from __future__ import annotations

from typing import Final

from protocol.fields import U64
from protocol.ids import ChunkDigest, NodeId
from protocol.messages import (
    Absent,
    Belongs,
    BulkMessage,
    Bye,
    Cancel,
    Claims,
    Company,
    ControlMessage,
    Data,
    Elsewhere,
    Fetching,
    FetchingHeard,
    Found,
    Granted,
    Have,
    HaveMap,
    Join,
    Lease,
    LeaseHeard,
    Leave,
    Lookup,
    Lost,
    ManifestPart,
    NeedClaims,
    NeedManifest,
    Peers,
    Ping,
    Pong,
    Redeem,
    Refuse,
    Renew,
    Request,
    Revoked,
    SeedHeard,
    Seek,
)
from tests.protocol.peers import TOPIC

T: Final = "c420" + "05" * 32
DIGEST: Final = ChunkDigest(b"\xdd" * 32)
D: Final = "c420" + "dd" * 32
NODE: Final = NodeId(b"\xee" * 32)
N: Final = "c420" + "ee" * 32

GOLDEN: Final[list[tuple[ControlMessage | BulkMessage, str]]] = [
    (Ping(7), "920107"),
    (Pong(U64), "9202cfffffffffffffffff"),
    (Peers(((NODE, ("10.0.0.1:7677",)),)), "92039192" + N + "91ad" + b"10.0.0.1:7677".hex()),
    (Join(TOPIC, True, False, True), "9504" + T + "c3c2c3"),
    (Absent(TOPIC), "9205" + T),
    (Leave(TOPIC), "9206" + T),
    (HaveMap(TOPIC, 256, b"\x81"), "9407" + T + "cd0100c40181"),
    (Have(TOPIC, ((0, 2), (5, 1))), "9308" + T + "92920002920501"),
    (Lost(TOPIC, ((9, 1),)), "9309" + T + "91920901"),
    (
        Claims(TOPIC, 3, (DIGEST,), True, b"\xaa" * 32, b"\xbb" * 64),
        "970a" + T + "0391" + D + "c3c420" + "aa" * 32 + "c440" + "bb" * 64,
    ),
    (NeedClaims(TOPIC, ((1, 1),)), "930b" + T + "91920101"),
    (Lease(TOPIC, True, 1000), "940c" + T + "c3cd03e8"),
    (Fetching(TOPIC, ((1, 1),)), "930d" + T + "91920101"),
    (Bye("x"), "9215a178"),
    (Seek(TOPIC, NodeId(TOPIC), ("a:1",), 3), "9519" + T + T + "91a3613a3103"),
    (LeaseHeard(TOPIC, NodeId(TOPIC), True, 1000, 5), "9617" + T + T + "c3cd03e805"),
    (FetchingHeard(TOPIC, NodeId(TOPIC), ((1, 1),)), "9418" + T + T + "91920101"),
    (SeedHeard(TOPIC, NodeId(TOPIC), ((1, 1),), 5), "951a" + T + T + "9192010105"),
    (Company(TOPIC, (NodeId(TOPIC),)), "9316" + T + "91" + T),
    (Lookup(1, "hf", "model", "a/b", "main"), "960e01a26866a56d6f64656ca3612f62a46d61696e"),
    (Found(1, TOPIC, "c0"), "940f01" + T + "a26330"),
    (Found(1, None, ""), "940f01c0a0"),
    (Redeem(b"\xaa" * 32, b"\xbb" * 64, "n1"), "9410c420" + "aa" * 32 + "c440" + "bb" * 64 + "a26e31"),
    (Renew(), "9111"),
    (Granted(b"\x01", ""), "9312c40101a0"),
    (Granted(b"", "expired"), "9312c400a7" + b"expired".hex()),
    (Belongs(b"\x01"), "9213c40101"),
    (Revoked(b"\x01"), "9214c40101"),
    (Request(TOPIC, ((4, DIGEST), (5, None))), "9320" + T + "929204" + D + "9205c0"),
    (Cancel(TOPIC, ((1, 1),)), "9321" + T + "91920101"),
    (Refuse(TOPIC, ((1, 1),)), "9322" + T + "91920101"),
    (NeedManifest(TOPIC), "9223" + T),
    (Data(TOPIC, ((4, 0, 2), (5, 8, 1)), b"abc"), "9324" + T + "9293040002" + "93050801"),
    (ManifestPart(TOPIC, 2, 5, b"cde"), "9425" + T + "0205"),
    (Elsewhere(TOPIC, ((1, 1),)), "9326" + T + "91920101"),
]
