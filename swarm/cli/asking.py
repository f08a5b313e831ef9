"""One question to the node of this home, for the commands that only ask and print."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from swarm.cli.options import settings

if TYPE_CHECKING:
    from swarm.client.session import Session

T = TypeVar("T")


def answer(options: argparse.Namespace, question: Callable[[Session], Awaitable[T]]) -> T:
    """What the node answers. Raises SwarmError, and KeyboardInterrupt when a signal came first."""
    chosen = settings(options)
    from swarm.cli import running
    from swarm.client.session import ask

    try:
        return running.run(chosen.log_level, partial(ask, chosen, question))
    except running.Stopped:
        raise KeyboardInterrupt from None
