"""Finding a node to ask: the one that runs on this home, or one of our own for as long as the question lasts.

Processes come and go: a daemon is stopped while it fetches for us, or another `swarm get` that had
become the node ends before ours. So a question is a function of the node, and is put again to whoever
owns the store next; the store keeps what was verified, so nothing is fetched twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, TypeVar

import trio
from trio import sleep

from swarm.client.remote import NodeGone, NoNode, RemoteNode
from swarm.config.settings import Settings
from swarm.errors import StoreInUse, SwarmError
from swarm.node import wire
from swarm.node.api import NodeApi

T = TypeVar("T")

MAX_TRIES: Final = 8
"""Nodes that may stop under one question: more is not people stopping daemons, but a node that crashes."""

STARTING_SECONDS: Final = 5.0
"""From taking the store to listening on the control socket: a scan of partial files may come between."""

RETRY_SECONDS: Final = 0.1
"""Between looking for a control socket of a node that is starting."""


@dataclass(frozen=True, slots=True)
class Session:
    """A node that can be asked; `embedded` when it is ours and ends with the question."""

    api: NodeApi
    embedded: bool


Embed = Callable[[Settings], AbstractAsyncContextManager[NodeApi]]
"""Runs a node on this home in this process; StoreInUse when another process owns the store."""


async def ask(
    settings: Settings, question: Callable[[Session], Awaitable[T]], *, embed: Embed | None = None
) -> T:
    """The answer of the node of this home; `question` may be put more than once. Raises SwarmError."""
    remote = RemoteNode(settings.control_socket)
    for _ in range(MAX_TRIES):
        try:
            await remote.probe()
            return await question(Session(remote, embedded=False))
        except NodeGone:
            continue
        except NoNode:
            pass
        try:
            return await _embedded(settings, question, embed or run_here)
        except _NotStarted as failure:
            await _until_served(remote, failure.error)
    raise SwarmError("The node stopped again and again while it worked on this.", "Its log tells why.")


class _NotStarted(Exception):
    """The store cannot be had: most likely another process took it a moment ago."""

    def __init__(self, error: StoreInUse) -> None:
        self.error = error


async def _embedded(settings: Settings, question: Callable[[Session], Awaitable[T]], embed: Embed) -> T:
    started = False
    try:
        async with embed(settings) as api:
            started = True
            return await question(Session(api, embedded=True))
    except (SwarmError, BaseExceptionGroup) as error:
        cause = wire.find_cause(error)
        if cause is None:
            raise
        if isinstance(cause, StoreInUse) and not started:
            raise _NotStarted(cause) from None
        raise cause from None


async def _until_served(remote: RemoteNode, error: StoreInUse) -> None:
    """Wait until whoever owns the store answers; raise `error` when nobody does."""
    with trio.move_on_after(STARTING_SECONDS):
        while True:
            try:
                return await remote.probe()
            except NoNode:
                await sleep(RETRY_SECONDS)
    raise error


def run_here(settings: Settings) -> AbstractAsyncContextManager[NodeApi]:
    """A node in this process; loaded only when it is needed, as it is most of the program."""
    from swarm.node.run import run_node

    return run_node(settings, embedded=True)
