"""One question to the node of this home, for the commands that only ask and print."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from swarm.cli.options import settings
from swarm.cli.stopping import handled, interruptible
from swarm.client.interface import Question
from swarm.client.session import ask

T = TypeVar("T")


def answer(options: argparse.Namespace, question: Question[T]) -> T:
    """What the node answers. Raises SwarmError, and KeyboardInterrupt when a signal came first."""
    chosen = settings(options)
    with interruptible():
        return ask(chosen, question, partial(_run, chosen.log_level))


def _run(log_level: str, main: Callable[[], Awaitable[T]]) -> T:
    """What a node of our own runs in: trio takes signals in its own way."""
    from swarm.cli import running

    with handled([signal.SIGTERM], signal.SIG_DFL):
        return running.run_interrupted(log_level, main)
