"""Shared by the tests of upstreams: hubs in memory, a hub client over them, a collector of chunks."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import trio

from protocol.limits import KIB
from protocol.manifest import Snapshot
from swarm.cli.demo_repo import Kind, Repository
from swarm.sources.interface import Arrived, Source
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.http import open_client
from swarm.upstreams.huggingface import HuggingFace
from tests.hub.faults import FaultySite
from tests.hub.transport import HubTransport, url

CHUNK = 256 * KIB

REPO = "ns/model"

CANARY = "hf_canary"


def seeded(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


FILES: Mapping[str, bytes | Path] = {
    "README.md": b"# a model",
    "config.json": b'{"hidden_size": 8}',
    "empty.txt": b"",
    "weights/model.safetensors": seeded(9 * CHUNK + 1000),
    "weights/copy.safetensors": seeded(9 * CHUNK + 1000),
    "name with % and #.txt": b"odd",
}


def repository(name: str = REPO, *, kind: Kind = "model") -> Repository:
    return Repository(name, FILES, kind=kind)


class Hubs:
    """Hubs by name, and a client that knows them all in this order. token: shown to each that insists."""

    def __init__(self, token: str | None = None, **sites: FaultySite) -> None:
        self.transport = HubTransport(**sites)
        self.endpoints = tuple(Endpoint(url(name), token) for name in sites)
        self.notes: list[str] = []
        self.client = open_client(transport=self.transport)
        self.hub = HuggingFace(self.client, self.endpoints, notify=self.notes.append)

    async def __aenter__(self) -> HuggingFace:
        return self.hub

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()


class Collector:
    """A `Deliver` that keeps everything: chunk number -> (source, bytes), in the order of arrival."""

    def __init__(self) -> None:
        self.chunks: dict[int, bytes] = {}
        self.sources: list[str] = []
        self.times: list[float] = []

    async def __call__(self, source: Source, arrived: Arrived) -> None:
        ((number, data),) = arrived
        assert number not in self.chunks, "a chunk was delivered twice"
        assert source.kind == "upstream"
        self.chunks[number] = bytes(data)
        self.sources.append(source.name)
        self.times.append(trio.current_time())

    def check(self, snapshot: Snapshot) -> None:
        """Every byte of every file arrived and is right."""
        for blob in snapshot.layout.blobs:
            blob.check(b"".join(self.chunks[number] for number in snapshot.layout.chunks_of(blob)))
