"""The control socket's server: what is said on one connection, over streams in memory and a real socket."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from swarm.errors import NoSource, StoreError
from swarm.node import callers, control, wire
from swarm.node.api import Report
from swarm.node.callers import Caller
from swarm.transfer.requests import GetRequest, GetResult, Progress
from tests.node.fakes import MODEL, PROGRESS, RESULT, STATUS, WHY, FakeNode, never

GET = {"call": "get", "hub": "hf", "repo": "ns/name"}


@asynccontextmanager
async def called(node: FakeNode, call: object) -> AsyncIterator[trio.abc.Stream]:
    """A client's end of a connection on which `call` was sent."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(control.converse, node, theirs)
        line = call if isinstance(call, bytes) else wire.encode(call)  # type: ignore[arg-type] # tests send rubbish
        await ours.send_all(line)
        yield ours
        await ours.aclose()


async def lines(stream: trio.abc.Stream) -> list[dict[str, Any]]:
    """All that is said until the end."""
    cutter, said = wire.Lines(wire.MAX_ANSWER), []
    while data := await stream.receive_some():
        said += [wire.decode(line) for line in cutter.feed(bytes(data))]
    return said


async def conversation(node: FakeNode, call: object) -> list[dict[str, Any]]:
    async with called(node, call) as stream:
        return await lines(stream)


async def test_a_get_tells_its_progress_and_its_result(autojump_clock: trio.testing.MockClock) -> None:
    node = FakeNode()
    event, answer = await conversation(node, GET | {"files": ["a.bin"]})
    assert wire.build(Progress, event["event"]) == PROGRESS
    assert wire.build(GetResult, answer["result"]) == RESULT
    assert node.requests == [GetRequest("hf", "ns/name", files=("a.bin",))]


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ({"call": "status"}, STATUS),
        ({"call": "peers"}, STATUS["peers"]),
        ({"call": "why", "hub": "hf", "repo_type": "model", "repo": "ns/name"}, [WHY]),
        ({"call": "remove", "hub": "hf", "repo_type": "model", "repo": "x"}, {"snapshots": 1, "bytes": 7}),
    ],
)
async def test_questions(call: object, result: object, autojump_clock: trio.testing.MockClock) -> None:
    assert await conversation(FakeNode(), call) == [{"result": result}]


@pytest.mark.parametrize(
    "call",
    [b"rubbish\n", b"{}\n", {"call": "boom"}, {"call": ["get"]}, {"call": "get"}, GET | {"repo_type": "x"}],
)
async def test_what_is_not_understood(call: object, autojump_clock: trio.testing.MockClock) -> None:
    (answer,) = await conversation(FakeNode(), call)
    assert answer["error"]["exit_code"] == 2
    assert "restart the daemon" in answer["error"]["advice"]


async def test_failures_keep_their_words(autojump_clock: trio.testing.MockClock) -> None:
    async def fails(request: GetRequest, report: Report) -> GetResult:
        raise ExceptionGroup("tasks", [NoSource("nobody has it", "plug it in")])

    (answer,) = await conversation(FakeNode(fails), GET)
    assert answer == {"error": {"exit_code": 5, "message": "nobody has it", "advice": "plug it in"}}


async def test_a_fault_of_ours_is_logged_and_ends_one_call_only(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(request: GetRequest, report: Report) -> GetResult:
        raise ZeroDivisionError("oops")

    with caplog.at_level(logging.ERROR):
        (answer,) = await conversation(FakeNode(fails), GET)
    assert answer["error"]["exit_code"] == 1
    assert "oops" in answer["error"]["message"]
    assert "ZeroDivisionError" in caplog.text


async def test_hanging_up_cancels_the_call(autojump_clock: trio.testing.MockClock) -> None:
    node = FakeNode(never)
    async with called(node, GET) as stream:
        await trio.testing.wait_all_tasks_blocked()
        await stream.aclose()
    assert node.cancelled.is_set()


async def test_a_call_with_nothing_to_tell_says_that_it_lives(autojump_clock: trio.testing.MockClock) -> None:
    async def slow(request: GetRequest, report: Report) -> GetResult:
        await trio.sleep(2.5 * control.ALIVE_SECONDS)
        return RESULT

    *before, answer = await conversation(FakeNode(slow), GET)
    assert before == [{"alive": True}] * 2
    assert "result" in answer


async def test_reports_faster_than_they_are_sent_become_one(autojump_clock: trio.testing.MockClock) -> None:
    async def chatty(request: GetRequest, report: Report) -> GetResult:
        for count in range(1, 6):
            report(Progress("fetching", bytes=count, total=5, message=f"note {count}"))
            await trio.sleep(control.EVENT_SECONDS / 4)
        return RESULT

    *events, _ = await conversation(FakeNode(chatty), GET)
    told = [wire.build(Progress, event["event"]) for event in events]
    assert [progress.bytes for progress in told][-1] == 5
    assert len(told) < 5
    notes = "\n".join(progress.message for progress in told)
    assert notes.splitlines() == [f"note {count}" for count in range(1, 6)]


async def test_a_client_that_says_nothing_is_let_go(autojump_clock: trio.testing.MockClock) -> None:
    assert await conversation(FakeNode(), b"") == []
    assert trio.current_time() == pytest.approx(control.CALL_SECONDS)


async def test_a_call_without_end_is_not_kept(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_CALL", 100)
    assert await conversation(FakeNode(), b"x" * 101) == []


async def test_over_a_real_socket(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, FakeNode(), path)
        for _ in range(2):
            async with await trio.open_unix_socket(path) as stream:
                await stream.send_all(wire.encode({"call": "status"}))
                assert await lines(stream) == [{"result": STATUS}]
        nursery.cancel_scope.cancel()
    assert not path.exists()


async def test_another_users_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "control.sock"
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, FakeNode(), path)
        monkeypatch.setattr(callers, "may_call", lambda caller, group: False)
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(wire.encode({"call": "status"}))
            (answer,) = await lines(stream)
        nursery.cancel_scope.cancel()
    assert answer["error"]["exit_code"] == StoreError.exit_code


@pytest.mark.parametrize(("uid", "count"), [(os.geteuid(), 2), (54321, 1)])
async def test_a_member_of_the_group_is_told_of_no_private_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, count: int
) -> None:
    node, path = FakeNode(), tmp_path / "control.sock"
    node.models_held = [MODEL, {**MODEL, "repo": "ns/secret", "private": True}]
    async with trio.open_nursery() as nursery:
        await nursery.start(control.serve, node, path)
        monkeypatch.setattr(callers, "caller_of", lambda connection: Caller(uid, os.getegid()))
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(wire.encode({"call": "models"}))
            (answer,) = await lines(stream)
        nursery.cancel_scope.cancel()
    assert len(answer["result"]) == count


async def test_a_place_that_takes_no_socket(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="No control socket"):
        await control.serve(FakeNode(), tmp_path / "file" / "control.sock")
