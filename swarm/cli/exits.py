"""How a command ends: the one place where failures become exit codes and words on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from swarm.cli.messages import tr
from swarm.errors import EXIT_INTERRUPTED, SwarmError

EXIT_UNEXPECTED: Final = SwarmError.exit_code

EXIT_BROKEN_PIPE: Final = 141
"""Whoever read our output went away: 128 + SIGPIPE, what a shell says of any program that this ends."""


def wants_debug(words: Sequence[str]) -> bool:
    """Whether an unexpected failure is to show its traceback."""
    return "--debug" in words or os.environ.get("SWARM_DEBUG", "") not in ("", "0")


def guarded(command: Callable[[], int], *, debug: bool) -> int:
    """The exit code of `command`, whatever happens in it; what went wrong is said on stderr."""
    try:
        code = command()
        sys.stdout.flush()
        return code
    except SwarmError as error:
        _complain(error, debug=debug)
        return error.exit_code
    except KeyboardInterrupt:
        _say(tr("Interrupted; what was verified stays."))
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return EXIT_BROKEN_PIPE
    except Exception as error:  # noqa: BLE001  # the outermost boundary: nothing may leave as a traceback
        return _unexpected(error, debug=debug)


def _unexpected(error: Exception, *, debug: bool) -> int:
    """A fault of this program."""
    _traceback(error, debug=debug)
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    _say(tr("swarm failed unexpectedly: {reason}.", reason=reason))
    if not debug:
        _say("  " + tr("Run it again with --debug to see where, and please report it."))
    return EXIT_UNEXPECTED


def _complain(error: SwarmError, *, debug: bool) -> None:
    if type(error).exit_code == EXIT_UNEXPECTED:
        _traceback(error, debug=debug)
    message = error.message.rstrip()
    _say(message if message.endswith((".", "!", "?", "。")) else message + ".")
    if error.advice:
        _say("  " + error.advice)


def _traceback(error: Exception, *, debug: bool) -> None:
    if debug:
        import traceback

        _say("".join(traceback.format_exception(error)).rstrip())


def _say(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody reads it, or stderr is closed
        print(text, file=sys.stderr, flush=True)


def _forget_stdout() -> None:
    """Keep the interpreter from failing once more when it flushes at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
