"""Numbers in headers, which anyone on the way may have written."""

from __future__ import annotations

from typing import Final

MAX_DIGITS: Final = 15
"""Of a number in a header: a petabyte in bytes, and what a float holds exactly."""


def number(text: str) -> int | None:
    """The number these ASCII digits spell; None for anything else, and for what no length or time is."""
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        return int(text)
    return None
