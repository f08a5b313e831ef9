"""Real values for the seeds of the corpus: nodes with fixed keys, a snapshot, every message once."""

from __future__ import annotations

import hashlib

from blake3 import blake3

from protocol.ids import ChunkDigest, NodeId
from protocol.limits import KIB
from protocol.manifest import Blob, File, Snapshot
from protocol.messages import (
    Absent,
    BulkMessage,
    Cancel,
    Claims,
    ControlMessage,
    Data,
    Elsewhere,
    Fetching,
    Found,
    Have,
    HaveMap,
    Join,
    Lease,
    Leave,
    Lookup,
    Lost,
    ManifestPart,
    NeedClaims,
    NeedManifest,
    Peers,
    Ping,
    Pong,
    Refuse,
    Request,
)
from protocol.signing import attest
from tests.protocol.peers import ALICE, BOB

CARLA = NodeId(b"\x09" * 32)


def _file(path: str, size: int) -> File:
    name = path.encode()
    if size >= 256 * KIB:
        return File(path, Blob("sha256", hashlib.sha256(name).digest(), size))
    return File(path, Blob("git-sha1", hashlib.sha1(name, usedforsecurity=False).digest(), size))


SNAPSHOT = Snapshot(
    "hf",
    "model",
    "org/model",
    "0123456789abcdef0123456789abcdef01234567",
    (
        _file("config.json", 700),
        _file("empty", 0),
        _file("model-00001.safetensors", 20 * 256 * KIB + 5),
        _file("tokenizer/vocab.txt", 90_000),
    ),
)
TOPIC = SNAPSHOT.key


def digests(count: int) -> list[ChunkDigest]:
    return [ChunkDigest(blake3(bytes([number])).digest()) for number in range(count)]


CLAIMS: tuple[Claims, ...] = (
    attest(ALICE, TOPIC, 1, digests(1), whole=False),
    attest(ALICE, TOPIC, 1, digests(21), whole=True),
    attest(BOB, TOPIC, 4, digests(2), whole=True),
)
"""All that Alice and Bob have ever signed, as far as a forger knows."""

CONTROL: tuple[ControlMessage, ...] = (
    Ping(1),
    Pong((1 << 64) - 1),
    Peers(((CARLA, ("192.168.1.7:7677", "[fd00::7]:7677", "[fe80::7%eth0]:1")), (BOB.node_id, ()))),
    Join(TOPIC, True, False, True),
    Absent(TOPIC),
    Leave(TOPIC),
    HaveMap(TOPIC, 8, b"\x07\x00\x80"),
    Have(TOPIC, ((0, 1), (3, 9))),
    Lost(TOPIC, ((4, 2),)),
    *CLAIMS,
    NeedClaims(TOPIC, ((0, 22),)),
    Lease(TOPIC, True, 1_000_000),
    Fetching(TOPIC, ((5, 5),)),
    Lookup(7, "hf", "model", "org/model", "main"),
    Found(7, TOPIC, SNAPSHOT.commit),
    Found(8, None, ""),
)

BULK: tuple[BulkMessage, ...] = (
    Request(TOPIC, ((0, None), (2, digests(1)[0]))),
    Cancel(TOPIC, ((2, 1),)),
    Refuse(TOPIC, ((0, 1), (4, 2))),
    Elsewhere(TOPIC, ((0, 1), (4, 2))),
    NeedManifest(TOPIC),
    Data(TOPIC, ((0, 0, 3), (7, 256, 2)), b"abcde"),
    ManifestPart(TOPIC, 0, 4, b"abcd"),
    ManifestPart(TOPIC, 0, 0, b""),
)
