"""Finding a node to ask: the one that runs on this home, or one of our own for as long as the question lasts.

Processes come and go: a daemon is stopped while it fetches for us, or another `swarm get` that had
become the node ends before ours. So a question is a function of the node, and is put again to whoever
owns the store next; the store keeps what was verified, so nothing is fetched twice.
"""

from __future__ import annotations

from time import sleep
from typing import Final, TypeVar

from swarm.client.interface import Host, NotStarted, Question, Session
from swarm.client.remote import NodeGone, NoNode, RemoteNode
from swarm.config.settings import Settings
from swarm.errors import StoreInUse, SwarmError

T = TypeVar("T")

MAX_TRIES: Final = 8
"""Nodes that may stop under one question: more is not people stopping daemons, but a node that crashes."""

STARTING_SECONDS: Final = 5.0
"""From taking the store to listening on the control socket: a scan of partial files may come between."""

RETRY_SECONDS: Final = 0.1
"""Between looking for a control socket of a node that is starting."""


def ask(settings: Settings, question: Question[T], host: Host) -> T:
    """The answer of the node of this home; `question` may be put more than once. Raises SwarmError.

    `host` runs a node of our own.
    """
    remote = RemoteNode(settings.control_socket)
    for _ in range(MAX_TRIES):
        try:
            return question(Session(remote))
        except NodeGone:
            continue
        except NoNode:
            pass
        from swarm.client import embedded  # most of the program: loaded when no daemon runs

        try:
            return embedded.ask(settings, question, host)
        except NotStarted as failure:
            _until_served(remote, failure.error)
    raise SwarmError("The node stopped again and again while it worked on this.", "Its log tells why.")


def _until_served(remote: RemoteNode, error: StoreInUse) -> None:
    """Wait until whoever owns the store answers; raise `error` when nobody does."""
    for _ in range(round(STARTING_SECONDS / RETRY_SECONDS)):
        try:
            return remote.probe()
        except NoNode:
            sleep(RETRY_SECONDS)
    raise error
