"""Real values for the seeds of the corpus: nodes with fixed keys, a snapshot, every message once."""

from __future__ import annotations

import hashlib

from blake3 import blake3

from protocol.ids import ChunkDigest
from protocol.limits import KIB
from protocol.manifest import Blob, File, Snapshot
from protocol.messages import BulkMessage, Claims, ControlMessage, ManifestPart
from protocol.signing import attest
from tests.protocol.golden import GOLDEN
from tests.protocol.peers import ALICE, BOB


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
    *(message for message, _ in GOLDEN if isinstance(message, ControlMessage)),
    *CLAIMS,
)
BULK: tuple[BulkMessage, ...] = (
    *(message for message, _ in GOLDEN if isinstance(message, BulkMessage)),
    ManifestPart(TOPIC, 0, 0, b""),
)
"""Every message there is (tests/protocol/golden.py), and what a forger would begin with."""
