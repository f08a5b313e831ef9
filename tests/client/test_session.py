"""Finding a node: a daemon, one of our own, or whoever takes over while we ask."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from swarm.client import session
from swarm.client.session import Session, ask
from swarm.config.settings import Settings
from swarm.errors import NoSource, StoreError, StoreInUse, SwarmError
from swarm.node import control, socketfile
from swarm.node.api import NodeApi, Report, Status
from swarm.transfer.requests import GetRequest, GetResult
from tests.node.fakes import RESULT, STATUS, FakeNode, never

Embed = Callable[[Settings], AbstractAsyncContextManager[NodeApi]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def embeds(*behaviours: FakeNode | SwarmError) -> tuple[Embed, list[Settings]]:
    """A way to embed a node that does these things one start after the other; and who was started."""
    started: list[Settings] = []

    @asynccontextmanager
    async def embed(settings: Settings) -> AsyncIterator[NodeApi]:
        behaviour = behaviours[min(len(started), len(behaviours) - 1)]
        started.append(settings)
        if isinstance(behaviour, SwarmError):
            raise behaviour
        yield behaviour

    return embed, started


async def status(there: Session) -> tuple[Status, bool]:
    return await there.api.status(), there.embedded


async def get(there: Session) -> GetResult:
    return await there.api.get(GetRequest("hf", "ns/name"), lambda progress: None)


async def test_a_daemon_is_asked(settings: Settings) -> None:
    embed, started = embeds(FakeNode())
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, FakeNode(), settings.control_socket)
        assert await ask(settings, status, embed=embed) == (STATUS, False)
        nursery.cancel_scope.cancel()
    assert started == []


async def test_without_one_the_node_is_ours(settings: Settings) -> None:
    embed, started = embeds(FakeNode())
    assert await ask(settings, status, embed=embed) == (STATUS, True)
    assert started == [settings]


async def test_a_leftover_socket_is_no_daemon(settings: Settings) -> None:
    socketfile.bind(settings.control_socket).close()
    embed, _ = embeds(FakeNode())
    assert await ask(settings, status, embed=embed) == (STATUS, True)


async def test_a_daemon_that_stops_meanwhile_is_replaced_by_a_node_of_our_own(settings: Settings) -> None:
    daemon, ours = FakeNode(never), FakeNode()
    embed, started = embeds(ours)
    answers: list[GetResult] = []

    async def asks() -> None:
        answers.append(await ask(settings, get, embed=embed))

    async with trio.open_nursery() as nursery, trio.open_nursery() as daemons:
        await daemons.start(control.serve, daemon, settings.control_socket)
        nursery.start_soon(asks)
        await daemon.called.wait()
        daemons.cancel_scope.cancel()
    assert answers == [RESULT]
    assert started == [settings]


async def test_a_node_that_is_just_starting_is_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed, _ = embeds(StoreInUse("in use"))
    waited = trio.Event()

    async def sleep(seconds: float) -> None:
        waited.set()
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(session, "sleep", sleep)
    async with trio.open_nursery() as nursery:

        async def starts_late() -> None:
            await waited.wait()
            await nursery.start(control.serve, FakeNode(), settings.control_socket)

        nursery.start_soon(starts_late)
        assert await ask(settings, status, embed=embed) == (STATUS, False)
        nursery.cancel_scope.cancel()


async def test_a_store_that_cannot_be_had_is_an_error(
    settings: Settings, autojump_clock: trio.testing.MockClock
) -> None:
    for error, seconds in (
        (StoreError("the disk is full"), 0.0),
        (StoreInUse("taken"), session.STARTING_SECONDS),
    ):
        embed, started = embeds(error)
        began = trio.current_time()
        with pytest.raises(type(error), match=error.message):
            await ask(settings, status, embed=embed)
        assert len(started) == 1
        assert trio.current_time() - began == pytest.approx(seconds)


async def test_a_store_that_fails_under_the_question_is_not_asked_again(settings: Settings) -> None:
    async def full(request: GetRequest, report: Report) -> GetResult:
        raise StoreError("full")

    embed, started = embeds(FakeNode(full))
    with pytest.raises(StoreError):
        await ask(settings, get, embed=embed)
    assert len(started) == 1


async def test_what_tasks_of_the_node_raise_is_told_plainly(settings: Settings) -> None:
    async def fails(request: GetRequest, report: Report) -> GetResult:
        raise ExceptionGroup("tasks", [NoSource("nobody")])

    embed, _ = embeds(FakeNode(fails))
    with pytest.raises(NoSource, match="nobody"):
        await ask(settings, get, embed=embed)


async def test_nodes_that_keep_stopping_are_given_up_on(settings: Settings) -> None:
    embed, started = embeds(FakeNode())
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(socketfile.bind(settings.control_socket)))

    async def crashes(stream: trio.SocketStream) -> None:
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, crashes, [listener])
        with pytest.raises(SwarmError, match="again and again"):
            await ask(settings, status, embed=embed)
        nursery.cancel_scope.cancel()
    assert started == []
