"""Events in turn, ticks at the time last named."""

from __future__ import annotations

from typing import cast

import trio
import trio.testing
from trio.testing import MockClock

from swarm.scheduler import events as ev
from swarm.scheduler.scheduler import Scheduler
from swarm.transfer.stepper import Stepper


class Scripted:
    """A scheduler that answers each event with what `says` holds for it, and notes when it came."""

    def __init__(self, says: dict[ev.Event, list[ev.Command]]) -> None:
        self._says = says
        self.seen: list[tuple[ev.Event, float]] = []

    def step(self, event: ev.Event, now: float) -> list[ev.Command]:
        self.seen.append((event, now))
        return self._says.get(event, [])


async def test_what_a_command_leads_to_waits_until_all_commands_before_are_carried_out(
    autojump_clock: MockClock,
) -> None:
    first, second = ev.Wanted(1), ev.Wanted(2)
    scheduler = Scripted({first: [ev.SayFetching(1), ev.SayFetching(2)], second: [ev.SayFetching(3)]})
    done: list[ev.Command] = []

    def carry_out(command: ev.Command) -> None:
        if not done:
            stepper.step(second)
        done.append(command)

    stepper = Stepper(cast(Scheduler, scheduler), carry_out)
    stepper.step(first)
    assert done == [ev.SayFetching(1), ev.SayFetching(2), ev.SayFetching(3)]


async def test_a_tick_comes_once_at_the_time_last_named(autojump_clock: MockClock) -> None:
    early, late = ev.Wanted(1), ev.Wanted(2)
    scheduler = Scripted({early: [ev.WakeAt(5.0)], late: [ev.WakeAt(9.0)], ev.Wanted(3): [ev.WakeAt(2.0)]})
    stepper = Stepper(cast(Scheduler, scheduler), lambda command: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stepper.ring)
        await trio.testing.wait_all_tasks_blocked()
        stepper.step(early)
        stepper.step(late)
        await trio.sleep(20)
        assert scheduler.seen[2:] == [(ev.Tick(), 9.0)]
        stepper.step(early)
        stepper.step(ev.Wanted(3))
        await trio.sleep(1)
        assert scheduler.seen[-1] == (ev.Tick(), 20.0)
        nursery.cancel_scope.cancel()
