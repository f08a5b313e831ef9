"""The life of a connection, as a table.

    responder:  AWAIT_KEY -> AWAIT_PROOF -> OPEN -> CLOSED
    initiator:  AWAIT_REPLY -----------> OPEN -> CLOSED        and from everywhere: FAILED

A state says what the next frame from the peer must be; `TRANSITIONS` says where each thing that can
happen leads. What is not in the table cannot happen to a correct caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final


class State(Enum):
    """What we wait for, or how it ended."""

    AWAIT_KEY = "the first handshake message"
    AWAIT_REPLY = "the second handshake message"
    AWAIT_PROOF = "the third handshake message"
    OPEN = "messages"
    CLOSED = "nothing: the peer has ended the connection"
    FAILED = "nothing: the peer broke the protocol"


class Step(Enum):
    """What can happen: a good frame came; the peer ended between frames, or within one; a bad frame came."""

    FRAME = "frame"
    END = "end"
    CUT = "cut"
    FAULT = "fault"


_FATAL: Final = {Step.END: State.FAILED, Step.CUT: State.FAILED, Step.FAULT: State.FAILED}

TRANSITIONS: Final[Mapping[State, Mapping[Step, State]]] = MappingProxyType(
    {
        State.AWAIT_KEY: {Step.FRAME: State.AWAIT_PROOF, **_FATAL},
        State.AWAIT_REPLY: {Step.FRAME: State.OPEN, **_FATAL},
        State.AWAIT_PROOF: {Step.FRAME: State.OPEN, **_FATAL},
        State.OPEN: {Step.FRAME: State.OPEN, **_FATAL, Step.END: State.CLOSED},
        State.CLOSED: {},
        State.FAILED: {},
    }
)

HANDSHAKE: Final = frozenset([State.AWAIT_KEY, State.AWAIT_REPLY, State.AWAIT_PROOF])
ENDED: Final = frozenset([State.CLOSED, State.FAILED])


def after(state: State, step: Step) -> State:
    """The state that follows; RuntimeError when the caller goes on with a connection that has ended."""
    following = TRANSITIONS[state].get(step)
    if following is None:
        raise RuntimeError(f"{step.name} in state {state.name}: the connection has ended")
    return following
