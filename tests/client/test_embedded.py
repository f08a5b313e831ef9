"""A node of our own: the question runs beside it, and ends with it."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from swarm.client import embedded
from swarm.client.interface import Question, Session
from swarm.config.settings import Settings
from swarm.node.api import NodeApi
from swarm.transfer.requests import GetRequest, Progress, RepoName
from tests.node.fakes import MODEL, PROGRESS, RESULT, ROOTS, STATUS, WHY, FakeNode, never

REQUEST = GetRequest("hf", "ns/name")

Ours = Callable[[FakeNode, Question[None]], None]


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ours:
    """Puts a question to a node of our own; from a worker of the event loop that the node is to run in."""

    def ours(node: FakeNode, question: Question[None]) -> None:
        @asynccontextmanager
        async def run_here(settings: Settings) -> AsyncIterator[NodeApi]:
            yield node

        monkeypatch.setattr(embedded, "run_here", run_here)
        embedded.ask(Settings(home=tmp_path), question, trio.from_thread.run)

    return ours


async def test_every_question(ours: Ours) -> None:
    node = FakeNode()
    seen: list[Progress] = []

    def question(there: Session) -> None:
        assert there.embedded
        assert there.api.get(REQUEST, seen.append) == RESULT
        assert there.api.status() == STATUS
        assert there.api.peers() == STATUS["peers"]
        assert there.api.models() == [MODEL]
        assert there.api.why(RepoName("hf", "model", "ns/name")) == [WHY]
        assert there.api.remove(RepoName("hf", "model", "ns/name")) == {"snapshots": 1, "bytes": 7}
        there.api.add_roots(ROOTS)
        assert there.aside(lambda: 7) == 7

    await trio.to_thread.run_sync(ours, node, question)
    assert node.roots == ROOTS
    assert seen == [PROGRESS]


async def test_stopping_the_node_ends_the_call_under_way(ours: Ours) -> None:
    node = FakeNode(never)
    ended = False

    def question(there: Session) -> None:
        nonlocal ended
        try:
            there.api.get(REQUEST, print)
        finally:
            ended = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, ours, node, question)
        await node.called.wait()
        nursery.cancel_scope.cancel()
    assert node.cancelled.is_set()
    assert ended


async def test_stopping_the_node_waits_for_no_copy(ours: Ours) -> None:
    began, finish = trio.Event(), threading.Event()

    def copy() -> None:
        trio.from_thread.run_sync(began.set)
        finish.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, ours, FakeNode(), lambda there: there.aside(copy))
        await began.wait()
        nursery.cancel_scope.cancel()
    finish.set()
