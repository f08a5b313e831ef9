"""Handing something to the task that waits for it.

A channel's own `send` yields a turn of the event loop even if nobody has to wait, which is for the common
case; with a chunk in each hand that adds up.
"""

from __future__ import annotations

from typing import TypeVar

import trio

T = TypeVar("T")


async def hand(channel: trio.MemorySendChannel[T], value: T) -> None:
    """Send this, and wait only if there is no room and nobody to take it."""
    try:
        channel.send_nowait(value)
    except trio.WouldBlock:
        await channel.send(value)
