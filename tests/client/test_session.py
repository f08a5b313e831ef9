"""Finding a node: a daemon, one of our own, or whoever takes over while we ask.

Questions are put from a thread, as nodes run in the test's event loop, whoever they belong to.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from swarm.client import embedded, session
from swarm.client.interface import Question, Session
from swarm.config.settings import Settings
from swarm.errors import NoSource, StoreError, StoreInUse, SwarmError
from swarm.node import control, socketfile
from swarm.node.api import NodeApi, Report, Status
from swarm.transfer.requests import GetRequest, GetResult
from tests.node.fakes import RESULT, STATUS, FakeNode, never

T = TypeVar("T")

Embeds = Callable[..., list[Settings]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def embeds(monkeypatch: pytest.MonkeyPatch) -> Embeds:
    """`embeds(a, b)`: our own nodes do these things, one start after the other; returns who was started."""

    def embeds(*behaviours: FakeNode | SwarmError) -> list[Settings]:
        started: list[Settings] = []

        @asynccontextmanager
        async def run_here(settings: Settings) -> AsyncIterator[NodeApi]:
            behaviour = behaviours[min(len(started), len(behaviours) - 1)]
            started.append(settings)
            if isinstance(behaviour, SwarmError):
                raise behaviour
            yield behaviour

        monkeypatch.setattr(embedded, "run_here", run_here)
        return started

    return embeds


async def ask(settings: Settings, question: Question[T]) -> T:
    return await trio.to_thread.run_sync(session.ask, settings, question, trio.from_thread.run)


def status(there: Session) -> tuple[Status, bool]:
    return there.api.status(), there.embedded


def get(there: Session) -> GetResult:
    return there.api.get(GetRequest("hf", "ns/name"), lambda progress: None)


async def test_a_daemon_is_asked(settings: Settings, embeds: Embeds) -> None:
    started = embeds(FakeNode())
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, FakeNode(), settings.control_socket)
        assert await ask(settings, status) == (STATUS, False)
        nursery.cancel_scope.cancel()
    assert started == []


async def test_without_one_the_node_is_ours(settings: Settings, embeds: Embeds) -> None:
    started = embeds(FakeNode())
    assert await ask(settings, status) == (STATUS, True)
    assert started == [settings]


async def test_a_leftover_socket_is_no_daemon(settings: Settings, embeds: Embeds) -> None:
    socketfile.bind(settings.control_socket).close()
    embeds(FakeNode())
    assert await ask(settings, status) == (STATUS, True)


async def test_a_daemon_that_stops_meanwhile_is_replaced_by_a_node_of_our_own(
    settings: Settings, embeds: Embeds
) -> None:
    daemon, ours = FakeNode(never), FakeNode()
    started = embeds(ours)
    answers: list[GetResult] = []

    async def asks() -> None:
        answers.append(await ask(settings, get))

    async with trio.open_nursery() as nursery, trio.open_nursery() as daemons:
        await daemons.start(control.serve, daemon, settings.control_socket)
        nursery.start_soon(asks)
        await daemon.called.wait()
        daemons.cancel_scope.cancel()
    assert answers == [RESULT]
    assert started == [settings]


async def test_a_node_that_is_just_starting_is_waited_for(
    settings: Settings, embeds: Embeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeds(StoreInUse("in use"))
    async with trio.open_nursery() as nursery:

        def it_starts_meanwhile(seconds: float) -> None:
            trio.from_thread.run(nursery.start, control.serve, FakeNode(), settings.control_socket)

        monkeypatch.setattr(session, "sleep", it_starts_meanwhile)
        assert await ask(settings, status) == (STATUS, False)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(StoreError("the disk is full"), 0.0), (StoreInUse("taken"), session.STARTING_SECONDS)],
)
async def test_a_store_that_cannot_be_had_is_an_error(
    settings: Settings, embeds: Embeds, monkeypatch: pytest.MonkeyPatch, error: StoreError, seconds: float
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(session, "sleep", slept.append)
    started = embeds(error)
    with pytest.raises(type(error), match=error.message):
        await ask(settings, status)
    assert len(started) == 1
    assert sum(slept) == pytest.approx(seconds)


async def test_a_store_that_fails_under_the_question_is_not_asked_again(
    settings: Settings, embeds: Embeds
) -> None:
    async def full(request: GetRequest, report: Report) -> GetResult:
        raise StoreError("full")

    started = embeds(FakeNode(full))
    with pytest.raises(StoreError):
        await ask(settings, get)
    assert len(started) == 1


async def test_what_tasks_of_the_node_raise_is_told_plainly(settings: Settings, embeds: Embeds) -> None:
    async def fails(request: GetRequest, report: Report) -> GetResult:
        raise ExceptionGroup("tasks", [NoSource("nobody")])

    embeds(FakeNode(fails))
    with pytest.raises(NoSource, match="nobody"):
        await ask(settings, get)


async def test_nodes_that_keep_stopping_are_given_up_on(settings: Settings, embeds: Embeds) -> None:
    started = embeds(FakeNode())
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(socketfile.bind(settings.control_socket)))

    async def crashes(stream: trio.SocketStream) -> None:
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, crashes, [listener])
        with pytest.raises(SwarmError, match="again and again"):
            await ask(settings, status)
        nursery.cancel_scope.cancel()
    assert started == []
