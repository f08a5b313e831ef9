"""Handing something over: no wait if somebody waits for it, else until somebody takes it."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from swarm.exchange.handing import hand


async def test_who_waits_gets_it_before_anything_else_runs() -> None:
    send, receive = trio.open_memory_channel[int](0)
    done: list[str] = []

    async def take() -> None:
        assert await receive.receive() == 7
        done.append("taken")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        await hand(send, 7)
        done.append("handed")
    assert done == ["handed", "taken"]


async def test_it_waits_for_somebody_to_take_it() -> None:
    send, receive = trio.open_memory_channel[int](0)
    with trio.move_on_after(0.01) as patience:
        await hand(send, 7)
    assert patience.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hand, send, 8)
        assert await receive.receive() == 8
