"""Where the bytes of a snapshot came from."""

from __future__ import annotations

from pathlib import Path

from protocol.limits import KIB
from swarm.node.why import explain
from swarm.scheduler.events import UPSTREAM
from swarm.sources import Source
from swarm.store import Incident, WholeBlob, open_store
from swarm.workers import InlineWorkers
from tests.exchange.nodes import Content
from tests.transfer.parts import HUB, Kitchen, Order, vouch

CONTENT = Content(256 * KIB + 10, 50, 7)


async def test_by_file_and_in_all_with_what_went_wrong(tmp_path: Path) -> None:
    async with open_store(tmp_path, InlineWorkers()) as store:
        kit = Kitchen(CONTENT, store)
        vouch(kit.book, CONTENT, 0, 1)
        order = Order()
        await kit.take(order, 0)
        await kit.take(Order(UPSTREAM), 1)
        blob = CONTENT.snapshot.files[1].blob
        await store.put_whole([(WholeBlob(blob, CONTENT.files[1]), HUB)])
        await store.note(Incident(5.0, HUB, "sent wrong bytes", blob, 0))
        await store.note(Incident(6.0, HUB, "elsewhere", Content(9, seed=3).snapshot.files[0].blob, 0))

        report = await explain(store, CONTENT.snapshot)

    peer = Source("peer", order.giver.hex())
    assert (report["repo"], report["commit"]) == ("org/model", CONTENT.snapshot.commit)
    assert [file["path"] for file in report["files"]] == ["f000", "f001"]
    assert report["files"][0]["sources"] == [
        {"kind": "peer", "name": peer.name, "bytes": 256 * KIB},
        {"kind": "upstream", "name": HUB.name, "bytes": 10},
    ]
    assert report["sources"] == [
        {"kind": "peer", "name": peer.name, "bytes": 256 * KIB},
        {"kind": "upstream", "name": HUB.name, "bytes": 60},
    ]
    assert report["incidents"] == [
        {"when": 5.0, "kind": "upstream", "name": HUB.name, "what": "sent wrong bytes", "path": "f001"}
    ]


async def test_a_file_begun_by_an_earlier_process(tmp_path: Path) -> None:
    async with open_store(tmp_path, InlineWorkers()) as store:
        kit = Kitchen(CONTENT, store)
        vouch(kit.book, CONTENT, 0, 1)
        await kit.take(Order(), 0)
    async with open_store(tmp_path, InlineWorkers()) as store:
        (begun,) = (await explain(store, CONTENT.snapshot))["files"]
    assert (begun["path"], [row["bytes"] for row in begun["sources"]]) == ("f000", [256 * KIB])
