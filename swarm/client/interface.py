"""What a question to a node is, whoever answers it: plain calls that return once the node has answered.

A command is a few calls in a row, so that it needs no event loop of its own. Most often the node is a daemon
(`swarm.client.remote`), and then none is loaded; else it is ours (`swarm.client.embedded`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from swarm.errors import StoreInUse

if TYPE_CHECKING:
    from swarm.node.api import ModelRow, PeerRow, Removed, Report, Status, WhyReport
    from swarm.transfer.requests import GetRequest, GetResult, RepoName, Roots

T = TypeVar("T")


class BlockingNode(Protocol):
    """`NodeApi` for who waits: the same calls, with the same errors. Interrupting one cancels it."""

    def get(self, request: GetRequest, report: Report) -> GetResult: ...

    def status(self) -> Status: ...

    def peers(self) -> list[PeerRow]: ...

    def models(self) -> list[ModelRow]: ...

    def why(self, name: RepoName) -> list[WhyReport]: ...

    def remove(self, name: RepoName) -> Removed: ...

    def add_roots(self, roots: Roots) -> None: ...


class Session:
    """A node that can be asked; `embedded` when it is ours and ends with the question."""

    embedded: ClassVar[bool] = False

    def __init__(self, api: BlockingNode) -> None:
        self.api = api

    def aside(self, work: Callable[[], T]) -> T:
        """What `work()` returns, which asks no node and takes long: an interruption does not wait for it."""
        return work()


Question = Callable[[Session], T]
"""Put to one node after another until one has answered."""


class Host(Protocol):
    """Runs asynchronous code until it returns, or a signal ends it (KeyboardInterrupt)."""

    def __call__(self, main: Callable[[], Awaitable[T]], /) -> T: ...


class NotStarted(Exception):
    """No node of our own, as the store cannot be had: most likely another process took it a moment ago."""

    def __init__(self, error: StoreInUse) -> None:
        super().__init__(str(error))
        self.error = error
