"""The origin's lease: who claims it, who keeps it, who goes on when it is lost."""

from __future__ import annotations

import pytest
from blake3 import blake3

from protocol.ids import NodeId
from swarm.scheduler.lease import (
    LEASE_CLAIM_SECONDS,
    LEASE_REST_SECONDS,
    LEASE_TURN_SECONDS,
    NEGLECT_SECONDS,
    Lease,
    Situation,
)
from swarm.scheduler.rival import LEASE_LEFT_SECONDS, LEASE_SILENT_SECONDS, LEASE_STALL_SECONDS, STALL_RATE
from swarm.scheduler.states import NEXT, Notice, State
from tests.scheduler.simulator import TOPIC

SETTLED = 0.5
FIRST, SECOND, THIRD = sorted(
    (NodeId(bytes([number]) * 32) for number in range(3)), key=lambda node: blake3(TOPIC + node).digest()
)
"""Three nodes as they rank."""

IDLE = Situation(missing=False, need=False, served=False, fetching=False, usable=True)
NEED = Situation(missing=True, need=True, served=False, fetching=False, usable=True)
SERVED = Situation(missing=True, need=True, served=True, fetching=False, usable=True)
FETCHING = Situation(missing=True, need=True, served=True, fetching=True, usable=True)
LAST = Situation(missing=True, need=False, served=True, fetching=True, usable=True)
OFFLINE = Situation(missing=True, need=True, served=False, fetching=False, usable=False)


def state_of(lease: Lease) -> State:
    """Its state now, whatever a type checker concluded from an assertion before."""
    return lease.state


def lease_of(me: NodeId, *rivals: NodeId) -> Lease:
    lease = Lease(me, TOPIC, 0.0, settled_at=SETTLED, longest_chunk=0)
    for rival in rivals:
        lease.joined(rival, True)
    return lease


def holding(me: NodeId, *rivals: NodeId) -> Lease:
    """This node holds it, since time 5 at the latest."""
    lease = lease_of(me, *rivals)
    for now in (0.0, SETTLED, 4.0, 5.0):
        lease.step(NEED, now)
    assert state_of(lease) is State.HOLDING
    return lease


def following(me: NodeId, holder: NodeId, *rivals: NodeId) -> Lease:
    """`holder` took it at time 1."""
    lease = lease_of(me, holder, *rivals)
    lease.heard(holder, True, 1.0)
    lease.step(SERVED, 1.0)
    assert state_of(lease) is State.WAITING
    return lease


def test_every_state_can_be_left() -> None:
    assert {state for state, _ in NEXT} == set(State)
    assert {notice for _, notice in NEXT} == set(Notice)
    assert set(NEXT.values()) == set(State)


def test_a_node_alone_holds_it_once_settled() -> None:
    lease = lease_of(FIRST)
    assert not lease.step(NEED, 0.0)
    assert lease.next_wake(0.0) == SETTLED
    assert not lease.step(NEED, 0.49)
    assert lease.step(NEED, SETTLED)
    assert state_of(lease) is State.HOLDING


def test_peers_that_could_not_be_the_origin_do_not_count() -> None:
    lease = lease_of(SECOND)
    lease.joined(FIRST, False)
    lease.step(NEED, 0.0)
    lease.step(NEED, SETTLED)
    assert state_of(lease) is State.HOLDING


def test_the_first_in_rank_claims_and_then_holds() -> None:
    lease = lease_of(FIRST, SECOND, THIRD)
    lease.step(NEED, 0.0)
    assert lease.step(NEED, SETTLED)
    assert state_of(lease) is State.CLAIMING
    assert not lease.may_fetch
    assert lease.next_wake(SETTLED) == SETTLED + LEASE_CLAIM_SECONDS
    lease.step(NEED, SETTLED + LEASE_CLAIM_SECONDS)
    assert lease.may_fetch


def test_each_one_behind_waits_a_turn_longer() -> None:
    lease = lease_of(THIRD, FIRST, SECOND)
    lease.step(NEED, 0.0)
    due = SETTLED + 2 * LEASE_TURN_SECONDS
    assert lease.next_wake(0.0) == due
    lease.step(NEED, due - 0.01)
    assert state_of(lease) is State.WAITING
    lease.step(NEED, due)
    assert state_of(lease) is State.CLAIMING


def test_of_two_claims_the_better_ranked_one_stands() -> None:
    better, worse = lease_of(FIRST, SECOND), lease_of(SECOND, FIRST)
    for lease, time in ((better, SETTLED), (worse, SETTLED + LEASE_TURN_SECONDS)):
        lease.step(NEED, 0.0)
        lease.step(NEED, time)
        assert state_of(lease) is State.CLAIMING
    better.heard(SECOND, True, 1.5)
    worse.heard(FIRST, True, 1.5)
    assert not better.step(NEED, 1.5)
    assert state_of(better) is State.HOLDING
    assert worse.step(NEED, 1.5)
    assert state_of(worse) is State.WAITING


def test_a_claim_that_gave_way_does_not_count_as_a_failure() -> None:
    lease = holding(FIRST, SECOND)
    lease.heard(SECOND, True, 6.0)
    lease.heard(SECOND, False, 6.1)
    assert lease.somebody_could(6.1, usable=False)


def test_without_need_there_is_no_claim_and_no_lease_is_kept() -> None:
    lease = lease_of(FIRST)
    lease.step(IDLE, 10.0)
    assert state_of(lease) is State.WAITING
    lease = holding(FIRST)
    assert not lease.step(LAST, 6.0)
    assert lease.step(IDLE, 7.0)
    assert not lease.held


def test_an_offline_node_never_takes_it() -> None:
    lease = lease_of(FIRST)
    for now in (0.0, 1.0, 100.0):
        assert not lease.step(OFFLINE, now)
    assert state_of(lease) is State.WAITING


def test_a_node_that_goes_offline_gives_it_up() -> None:
    lease = holding(FIRST, SECOND)
    assert lease.step(OFFLINE, 6.0)
    assert state_of(lease) is State.WAITING


def test_a_holder_that_sees_a_better_one_lets_finish_what_it_announced() -> None:
    lease = holding(SECOND, FIRST)
    lease.heard(FIRST, True, 6.0)
    assert not lease.step(FETCHING, 6.0)
    assert state_of(lease) is State.DRAINING
    assert not lease.may_fetch
    assert lease.step(SERVED, 6.5)
    assert state_of(lease) is State.WAITING


def test_it_goes_on_when_the_better_one_leaves_meanwhile() -> None:
    lease = holding(SECOND, FIRST)
    lease.heard(FIRST, True, 6.0)
    lease.step(FETCHING, 6.0)
    lease.left(FIRST, 6.1)
    assert not lease.step(FETCHING, 6.1 + LEASE_LEFT_SECONDS)
    assert state_of(lease) is State.HOLDING


def test_a_holder_is_not_moved_by_a_worse_one() -> None:
    lease = holding(FIRST, SECOND)
    lease.heard(SECOND, True, 6.0)
    assert not lease.step(FETCHING, 6.0)
    assert state_of(lease) is State.HOLDING


@pytest.mark.parametrize(("me", "turns"), [(FIRST, 0), (SECOND, 1)])
def test_when_the_holder_leaves_the_next_in_rank_goes_on_soon(me: NodeId, turns: int) -> None:
    other = SECOND if me == FIRST else FIRST
    lease = following(me, THIRD, other)
    lease.left(THIRD, 2.0)
    lease.step(NEED, 2.0)
    assert lease.next_wake(2.0) == 2.0 + LEASE_LEFT_SECONDS
    gone_at = 2.0 + LEASE_LEFT_SECONDS
    lease.step(NEED, gone_at)
    due = gone_at + turns * LEASE_TURN_SECONDS
    lease.step(NEED, due)
    assert state_of(lease) is State.CLAIMING
    lease.step(NEED, due + LEASE_CLAIM_SECONDS)
    assert state_of(lease) is State.HOLDING


def test_a_holder_whose_link_is_made_anew_keeps_it() -> None:
    lease = following(FIRST, THIRD, SECOND)
    lease.announced(THIRD, 0b1, 1.0)
    lease.left(THIRD, 2.0)
    assert lease.under_way(2.5) == 0b1
    lease.joined(THIRD, True)
    lease.heard(THIRD, True, 2.5)
    assert lease.origin(2.5 + LEASE_LEFT_SECONDS) == THIRD


def test_a_silent_holder_is_gone() -> None:
    lease = following(FIRST, THIRD, SECOND)
    assert lease.next_wake(1.0) == 1.0 + LEASE_SILENT_SECONDS
    assert lease.origin(0.99 + LEASE_SILENT_SECONDS) == THIRD
    assert lease.origin(1.0 + LEASE_SILENT_SECONDS) is None
    lease.step(NEED, 1.0 + LEASE_SILENT_SECONDS)
    assert state_of(lease) is State.CLAIMING


def say(lease: Lease, holder: NodeId, since: float, until: float) -> None:
    """The holder says so once a second."""
    while since <= until:
        lease.heard(holder, True, since)
        since += 1.0


def test_a_holder_that_only_talks_makes_no_progress() -> None:
    lease = following(FIRST, THIRD)
    lease.announced(THIRD, 0b11, 1.0)
    say(lease, THIRD, 2.0, 1.0 + LEASE_STALL_SECONDS)
    assert lease.origin(0.99 + LEASE_STALL_SECONDS) == THIRD
    assert lease.under_way(0.99 + LEASE_STALL_SECONDS) == 0b11
    assert lease.origin(1.0 + LEASE_STALL_SECONDS) is None
    assert lease.under_way(1.0 + LEASE_STALL_SECONDS) == 0


def test_a_holder_whose_announced_chunks_turn_up_keeps_it() -> None:
    lease = following(FIRST, THIRD)
    lease.announced(THIRD, 0b11, 1.0)
    say(lease, THIRD, 2.0, 10.0)
    lease.arrived(THIRD, 0b01, 10.0)
    lease.arrived(THIRD, 0b100, 16.0)
    say(lease, THIRD, 11.0, 10.0 + LEASE_STALL_SECONDS)
    assert lease.under_way(20.0) == 0b10
    assert lease.origin(9.99 + LEASE_STALL_SECONDS) == THIRD
    assert lease.origin(10.0 + LEASE_STALL_SECONDS) is None


def test_long_chunks_are_given_the_time_they_take() -> None:
    lease = Lease(FIRST, TOPIC, 0.0, settled_at=0.0, longest_chunk=64 * STALL_RATE)
    lease.joined(SECOND, True)
    say(lease, SECOND, 0.0, 64.0 + LEASE_STALL_SECONDS)
    assert lease.origin(63.0 + LEASE_STALL_SECONDS) == SECOND
    assert lease.origin(64.0 + LEASE_STALL_SECONDS) is None


def test_what_a_holder_announced_is_open_again_when_it_gives_up_or_leaves() -> None:
    lease = following(FIRST, SECOND)
    lease.announced(SECOND, 0b1, 1.0)
    assert lease.under_way(1.0) == 0b1
    lease.heard(SECOND, False, 1.5)
    assert lease.under_way(1.5) == 0
    lease.heard(SECOND, True, 2.0)
    lease.announced(SECOND, 0b1, 2.0)
    lease.left(SECOND, 2.0)
    assert lease.under_way(2.0 + LEASE_LEFT_SECONDS) == 0


def test_who_gave_up_is_not_waited_for() -> None:
    lease = following(SECOND, FIRST)
    lease.heard(FIRST, False, 10.0)
    lease.step(NEED, 10.0)
    assert state_of(lease) is State.CLAIMING


def test_a_broken_upstream_leaves_it_to_others_for_a_while() -> None:
    lease = holding(FIRST)
    lease.broke(6.0)
    assert state_of(lease) is State.RESTING
    assert not lease.somebody_could(6.0, usable=True)
    assert lease.next_wake(6.0) == 6.0 + LEASE_REST_SECONDS
    lease.step(NEED, 5.9 + LEASE_REST_SECONDS)
    assert state_of(lease) is State.RESTING
    lease.step(NEED, 6.0 + LEASE_REST_SECONDS)
    assert state_of(lease) is State.HOLDING
    assert not lease.somebody_could(20.0, usable=True)
    lease.works()
    assert lease.somebody_could(20.0, usable=True)


def test_an_upstream_that_is_said_to_work_again_ends_the_rest() -> None:
    lease = holding(FIRST)
    lease.broke(6.0)
    lease.works()
    lease.step(NEED, 6.5)
    assert state_of(lease) is State.HOLDING


def test_who_could_fetch() -> None:
    lease = lease_of(FIRST, SECOND)
    assert lease.somebody_could(0.0, usable=False)
    lease.heard(SECOND, True, 1.0)
    lease.heard(SECOND, False, 2.0)
    assert not lease.somebody_could(2.0, usable=False)
    lease.joined(SECOND, False)
    lease.joined(SECOND, True)
    assert lease.somebody_could(3.0, usable=False)


def test_a_holder_that_got_something_before_it_gave_up_may_do_so_again() -> None:
    lease = following(FIRST, SECOND)
    lease.announced(SECOND, 0b1, 1.0)
    lease.arrived(SECOND, 0b1, 1.5)
    lease.heard(SECOND, False, 2.0)
    assert lease.somebody_could(2.0, usable=False)


def test_a_node_whose_files_the_origin_leaves_out_goes_on_an_errand() -> None:
    lease = following(FIRST, SECOND)
    for now in (2.0, 3.0, 4.0):
        lease.heard(SECOND, True, now)
        assert not lease.step(NEED, now)
    assert lease.next_wake(4.0) == 2.0 + NEGLECT_SECONDS
    lease.heard(SECOND, True, 2.0 + NEGLECT_SECONDS)
    assert not lease.step(NEED, 2.0 + NEGLECT_SECONDS)
    assert state_of(lease) is State.ERRAND
    assert lease.may_fetch
    assert not lease.held
    lease.step(IDLE, 8.0)
    assert state_of(lease) is State.WAITING


def test_there_is_no_errand_while_something_is_on_its_way() -> None:
    lease = following(FIRST, SECOND)
    for now in range(2, 30):
        lease.heard(SECOND, True, float(now))
        lease.announced(SECOND, 1 << now, float(now))
        lease.arrived(SECOND, 1 << now, float(now))
        lease.step(SERVED if now % 4 == 0 else NEED, float(now))
        assert state_of(lease) is State.WAITING


def test_an_errand_ends_when_there_is_no_origin_or_the_upstream_breaks() -> None:
    for broken in (False, True):
        lease = following(FIRST, SECOND)
        for now in (2.0, 4.0, 6.0, 7.0):
            lease.heard(SECOND, True, now)
            lease.step(NEED, now)
        assert state_of(lease) is State.ERRAND
        if broken:
            lease.broke(8.0)
            assert state_of(lease) is State.RESTING
        else:
            lease.left(SECOND, 7.0)
            lease.step(NEED, 7.0 + LEASE_LEFT_SECONDS)
            assert state_of(lease) is State.HOLDING


def test_what_is_announced_on_an_errand_is_under_way_for_as_long_as_it_may_take() -> None:
    lease = following(FIRST, SECOND)
    lease.joined(THIRD, True)
    lease.announced(THIRD, 0b1, 2.0)
    assert lease.under_way(1.99 + LEASE_STALL_SECONDS) == 0b1
    assert lease.under_way(2.0 + LEASE_STALL_SECONDS) == 0
    lease.announced(THIRD, 0b1, 30.0)
    lease.heard(THIRD, False, 30.5)
    assert lease.under_way(30.5) == 0
