"""The signals that stop a command, and what they do while it waits in plain blocking calls."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any, Final

STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
"""Both stop a command in order; a second one, while it stops, ends it at once."""

Handler = Callable[[int, FrameType | None], Any] | signal.Handlers


@contextmanager
def handled(numbers: Sequence[signal.Signals], handler: Handler) -> Iterator[None]:
    """Have these signals handled so for a while. Main thread only."""
    usual = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in usual.items():
            signal.signal(number, before)


def interruptible() -> AbstractContextManager[None]:
    """Either signal is a KeyboardInterrupt, even where SIGINT was ignored, as in a script's background."""
    return handled(STOPPING, signal.default_int_handler)
