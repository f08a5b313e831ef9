"""A running node as other processes of this machine see it: the control socket.

`serve` offers a `NodeApi` on `$SWARM_HOME/control.sock` as lines of JSON
(`swarm.node.wire` has the grammar); a client that hangs up cancels its call.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from swarm.errors import StoreError, SwarmError, UsageError
from swarm.node import callers, socketfile, wire
from swarm.node.api import NodeApi, Report
from swarm.node.callers import Guest
from swarm.transfer.requests import GetRequest, Progress, RepoName, Roots

__all__ = ["NodeApi", "serve"]

logger = logging.getLogger(__name__)

EVENT_SECONDS: Final = 0.1
"""Progress is sent this often at most: faster than an eye, slower than a chunk."""

ALIVE_SECONDS: Final = 5.0
"""A call that has nothing to tell says so this often: a client can tell a slow node from a dead one."""

CALL_SECONDS: Final = 10.0
"""A client has this long to say what it wants: it is a program on this machine."""

SEND_SECONDS: Final = 60.0
"""A client that takes nothing for this long is stopped or stuck, and is let go."""

READ_BYTES: Final = 65536
"""Bytes read at once."""

SAME_VERSION: Final = "If lanswarm was upgraded while the daemon ran, restart the daemon."

OWN_NODE: Final = "Set SWARM_HOME to a folder of your own."


Handler = Callable[[NodeApi, dict[str, Any], Report], Awaitable[object]]


async def _get(api: NodeApi, call: dict[str, Any], report: Report) -> object:
    return wire.plain(await api.get(wire.build(GetRequest, call), report))


async def _status(api: NodeApi, call: dict[str, Any], report: Report) -> object:
    return await api.status()


async def _peers(api: NodeApi, call: dict[str, Any], report: Report) -> object:
    return await api.peers()


async def _models(api: NodeApi, call: dict[str, Any], report: Report) -> object:
    return await api.models()


async def _why(api: NodeApi, call: dict[str, Any], report: Report) -> object:
    return await api.why(wire.build(RepoName, call))


async def _remove(api: NodeApi, call: dict[str, Any], report: Report) -> object:
    return await api.remove(wire.build(RepoName, call))


async def _add_roots(api: NodeApi, call: dict[str, Any], report: Report) -> object:
    await api.add_roots(wire.build(Roots, call))
    return None


CALLS: Final[dict[str, Handler]] = {
    "get": _get,
    "status": _status,
    "peers": _peers,
    "models": _models,
    "why": _why,
    "remove": _remove,
    "add_roots": _add_roots,
}


async def serve(
    api: NodeApi, path: Path, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer calls on the socket `path` until cancelled, and take it away then.

    Call it only while owning the store: whatever lies at `path` is a leftover and is replaced. StoreError
    when no socket can be made there.
    """
    try:
        listening = socketfile.bind(path)
    except OSError as error:
        raise StoreError(f"No control socket can be made at {path}: {error.strerror or error}.") from None
    try:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
        handler = partial(_connection, api, _group(path))
        task_status.started()
        await trio.serve_listeners(handler, [listener])
    finally:
        socketfile.clear(path)


def _group(path: Path) -> int:
    return path.stat().st_gid


async def _connection(api: NodeApi, group: int, stream: trio.SocketStream) -> None:
    """One client: refused, or heard."""
    async with stream:
        seen = await _as_seen_by_caller(api, stream, group)
        if seen is not None:
            await converse(seen, stream)
        else:
            call = _Call(stream)
            await call.first_line()  # closing with something unread would take the answer back
            await call.send(wire.error_answer(StoreError("This node is another user's.", OWN_NODE)))


async def _as_seen_by_caller(api: NodeApi, stream: trio.SocketStream, group: int) -> NodeApi | None:
    """What of the node the process at the other end may use; None when it may use nothing.

    Where the kernel does not tell who that is, the modes of socket and folder have decided who can connect,
    and nobody is taken for the owner.
    """
    caller = callers.caller_of(stream.socket)  # type: ignore[arg-type]  # trio's has `getsockopt`, too
    if caller is None:
        return Guest(api)
    if not await trio.to_thread.run_sync(callers.may_call, caller, group):
        return None
    return api if caller.is_owner else Guest(api)


async def converse(api: NodeApi, stream: trio.abc.Stream) -> None:
    """One call, from its first line to its last. It ends with the client, whatever became of it."""
    call = _Call(stream)
    async with stream:
        line = await call.first_line()
        if line is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call.until_hang_up, nursery.cancel_scope)
            nursery.start_soon(call.tell, nursery.cancel_scope)
            call.finish(await _answer(api, line, call.report))


async def _answer(api: NodeApi, line: bytes, report: Report) -> wire.Answer:
    """The last line: what came of the call. A call that fails tells its client and ends nothing else."""
    try:
        call = wire.decode(line)
        handler = CALLS.get(str(call.pop("call", "")))
        if handler is None:
            raise wire.BadLine("there is no such call")
        return {"result": await handler(api, call, report)}
    except wire.BadLine as error:
        return wire.error_answer(UsageError(f"The node does not understand this: {error}.", SAME_VERSION))
    except Exception as error:
        cause = wire.find_cause(error)
        if cause is None:
            logger.exception("a call failed")
            cause = SwarmError(f"The node failed: {type(error).__name__}: {error}.", "Its log tells more.")
        return wire.error_answer(cause)


class _Call:
    """What is said on one connection: progress no faster than it is read, then the answer."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._lines = wire.Lines(wire.MAX_CALL)
        self._pending: Progress | None = None
        self._answer: wire.Answer | None = None
        self._news = trio.Event()
        self._finished = trio.Event()

    async def first_line(self) -> bytes | None:
        """The call; None when none comes."""
        with trio.move_on_after(CALL_SECONDS), suppress(trio.BrokenResourceError, wire.BadLine):
            while data := await self._stream.receive_some(READ_BYTES):
                if lines := self._lines.feed(bytes(data)):
                    return lines[0]
        return None

    def report(self, progress: Progress) -> None:
        """Have this told, together with what was not told yet."""
        self._pending = self._pending.then(progress) if self._pending else progress
        self._news.set()

    def finish(self, answer: wire.Answer) -> None:
        """Have this told last."""
        self._answer = answer
        self._finished.set()
        self._news.set()

    async def until_hang_up(self, scope: trio.CancelScope) -> None:
        """Cancel the call when the client goes; it has nothing more to say."""
        with suppress(trio.BrokenResourceError):
            while await self._stream.receive_some(READ_BYTES):
                continue
        scope.cancel()

    async def tell(self, scope: trio.CancelScope) -> None:
        """Send what there is to send, and the answer; then, or when the client is gone, the call is over."""
        while await self._tell_news():
            with trio.move_on_after(EVENT_SECONDS):
                await self._finished.wait()
        scope.cancel()

    async def _tell_news(self) -> bool:
        """Wait for news and send them; whether there can be more."""
        with trio.move_on_after(ALIVE_SECONDS):
            await self._news.wait()
        self._news = trio.Event()
        answer, progress = self._answer, self._pending
        self._pending = None
        if progress is not None and not await self.send({"event": wire.plain(progress)}):
            return False
        if answer is not None:
            await self.send(answer)
            return False
        return progress is not None or await self.send({"alive": True})

    async def send(self, answer: wire.Answer) -> bool:
        """Whether the client took it."""
        with trio.move_on_after(SEND_SECONDS), suppress(trio.BrokenResourceError):
            await self._stream.send_all(wire.encode(answer))
            return True
        return False
