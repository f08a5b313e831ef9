"""Asking a node of our own, which runs in this process for as long as the question lasts.

The node runs under trio in the main thread, where signals arrive; the question runs in a worker, and each
of its calls goes to the event loop and waits for what comes of it. When the node is cancelled so is the call,
which ends the question; what the question does aside of the node is left to itself then.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import ClassVar, TypeVar

import trio

from swarm.client.interface import Host, NotStarted, Question, Session
from swarm.config.settings import Settings
from swarm.errors import StoreInUse, SwarmError
from swarm.node import wire
from swarm.node.api import ModelRow, NodeApi, PeerRow, Removed, Report, Status, WhyReport
from swarm.node.run import run_node
from swarm.transfer.requests import GetRequest, GetResult, RepoName, Roots

T = TypeVar("T")


def ask(settings: Settings, question: Question[T], host: Host) -> T:
    """The answer of a node that `host` runs meanwhile. Raises SwarmError, or NotStarted."""
    return host(partial(_answer, settings, question))


async def _answer(settings: Settings, question: Question[T]) -> T:
    started = False
    try:
        async with run_here(settings) as api:
            started = True
            return await trio.to_thread.run_sync(question, OwnSession(api))
    except (SwarmError, BaseExceptionGroup) as error:
        cause = wire.find_cause(error)
        if cause is None:
            raise
        if isinstance(cause, StoreInUse) and not started:
            raise NotStarted(cause) from None
        raise cause from None


def run_here(settings: Settings) -> AbstractAsyncContextManager[NodeApi]:
    """A node in this process; StoreInUse when another one owns the store."""
    return run_node(settings, embedded=True)


class OwnSession(Session):
    """Our own node, for a question that runs in a worker."""

    embedded: ClassVar[bool] = True

    def __init__(self, api: NodeApi) -> None:
        super().__init__(FromThread(api))

    def aside(self, work: Callable[[], T]) -> T:
        return trio.from_thread.run(partial(trio.to_thread.run_sync, work, abandon_on_cancel=True))


class FromThread:
    """A node of the event loop, asked from a worker of it."""

    def __init__(self, api: NodeApi) -> None:
        self._api = api

    def get(self, request: GetRequest, report: Report) -> GetResult:
        return trio.from_thread.run(self._api.get, request, report)

    def status(self) -> Status:
        return trio.from_thread.run(self._api.status)

    def peers(self) -> list[PeerRow]:
        return trio.from_thread.run(self._api.peers)

    def models(self) -> list[ModelRow]:
        return trio.from_thread.run(self._api.models)

    def why(self, name: RepoName) -> list[WhyReport]:
        return trio.from_thread.run(self._api.why, name)

    def remove(self, name: RepoName) -> Removed:
        return trio.from_thread.run(self._api.remove, name)

    def add_roots(self, roots: Roots) -> None:
        trio.from_thread.run(self._api.add_roots, roots)
