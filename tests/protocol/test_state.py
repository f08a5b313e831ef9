"""The table of states, read as a whole."""

from __future__ import annotations

import pytest

from protocol.state import ENDED, HANDSHAKE, TRANSITIONS, State, Step, after

LIVING = [State.AWAIT_KEY, State.AWAIT_REPLY, State.AWAIT_PROOF, State.OPEN]


def test_every_state_is_in_the_table_and_of_one_sort() -> None:
    assert set(TRANSITIONS) == set(State) == HANDSHAKE | ENDED | {State.OPEN}


@pytest.mark.parametrize("state", LIVING, ids=lambda state: state.name)
def test_a_state_that_has_not_ended_knows_every_step(state: State) -> None:
    assert set(TRANSITIONS[state]) == set(Step)


@pytest.mark.parametrize("state", LIVING, ids=lambda state: state.name)
def test_only_an_open_connection_ends_well(state: State) -> None:
    assert after(state, Step.FAULT) is after(state, Step.CUT) is State.FAILED
    assert after(state, Step.END) is (State.CLOSED if state is State.OPEN else State.FAILED)


def test_both_ways_to_open() -> None:
    assert after(State.AWAIT_REPLY, Step.FRAME) is State.OPEN
    assert after(after(State.AWAIT_KEY, Step.FRAME), Step.FRAME) is State.OPEN
    assert after(State.OPEN, Step.FRAME) is State.OPEN


@pytest.mark.parametrize("state", [State.CLOSED, State.FAILED], ids=lambda state: state.name)
@pytest.mark.parametrize("step", Step)
def test_nothing_follows_the_end(state: State, step: Step) -> None:
    with pytest.raises(RuntimeError, match="ended"):
        after(state, step)
