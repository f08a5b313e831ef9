"""The one family of errors that reaches people, and the exit code of each.

Each class says whose fault it is; each message says what happened and what to do next. Code that can
do something about a failure raises its own narrower error and handles it; what cannot be handled
leaves as one of these. `swarm/cli` turns them into exit codes in one place (docs/operations.md).
"""

from __future__ import annotations

from typing import ClassVar


class SwarmError(Exception):
    """Something a person must hear of. `advice` is the next thing to do, or empty."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}\n  {self.advice}" if self.advice else self.message


class UsageError(SwarmError):
    """The command or the configuration asks for something that has no meaning."""

    exit_code = 2


class NotFound(SwarmError):
    """The hub has no such repository, revision or file, or has disabled it."""

    exit_code = 3


class NotAllowed(SwarmError):
    """The hub wants a token, another token, or an accepted licence."""

    exit_code = 4


class NoSource(SwarmError):
    """Neither a peer nor an upstream that has the bytes can be reached."""

    exit_code = 5


class WrongContent(SwarmError):
    """What arrived, from every source there is, does not match the publisher's digest."""

    exit_code = 6


class StoreError(SwarmError):
    """The store cannot take it: full, read-only, in use, or damaged."""

    exit_code = 7


class StoreInUse(StoreError):
    """Another process owns the store; it may be about to answer on the control socket."""


EXIT_INTERRUPTED = 130
"""Exit code when the user stopped the command; what was verified stays."""
