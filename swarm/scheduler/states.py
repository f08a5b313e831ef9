"""A node's own part in the lease, as a table: (state, what is noticed) to next state.

When each of these is noticed is decided in `lease`.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class State(Enum):
    """This node's part in the lease."""

    WAITING = auto()
    """Somebody else holds it, or it is not our turn, or there is nothing to fetch."""
    CLAIMING = auto()
    """We said that we hold it and listen for a better claim."""
    HOLDING = auto()
    """We are the origin."""
    DRAINING = auto()
    """A better ranked node holds it too; what we announced is still under way."""
    ERRAND = auto()
    """Somebody else holds it and leaves out what we need: we fetch that."""
    RESTING = auto()
    """Our upstream broke."""


class Notice(Enum):
    """What a state changes upon."""

    ALONE = auto()
    TURN = auto()
    OPPOSED = auto()
    UNOPPOSED = auto()
    NEGLECTED = auto()
    NEEDLESS = auto()
    DRAINED = auto()
    BROKE = auto()
    RESTED = auto()


NEXT: Final[dict[tuple[State, Notice], State]] = {
    (State.WAITING, Notice.ALONE): State.HOLDING,
    (State.WAITING, Notice.TURN): State.CLAIMING,
    (State.WAITING, Notice.NEGLECTED): State.ERRAND,
    (State.CLAIMING, Notice.OPPOSED): State.WAITING,
    (State.CLAIMING, Notice.UNOPPOSED): State.HOLDING,
    (State.CLAIMING, Notice.NEEDLESS): State.WAITING,
    (State.CLAIMING, Notice.BROKE): State.RESTING,
    (State.HOLDING, Notice.OPPOSED): State.DRAINING,
    (State.HOLDING, Notice.NEEDLESS): State.WAITING,
    (State.HOLDING, Notice.BROKE): State.RESTING,
    (State.DRAINING, Notice.UNOPPOSED): State.HOLDING,
    (State.DRAINING, Notice.DRAINED): State.WAITING,
    (State.DRAINING, Notice.BROKE): State.RESTING,
    (State.ERRAND, Notice.NEEDLESS): State.WAITING,
    (State.ERRAND, Notice.UNOPPOSED): State.WAITING,
    (State.ERRAND, Notice.BROKE): State.RESTING,
    (State.RESTING, Notice.RESTED): State.WAITING,
}

HELD: Final = frozenset([State.CLAIMING, State.HOLDING, State.DRAINING])
"""States in which this node says that it holds the lease."""

FETCHING: Final = frozenset([State.HOLDING, State.ERRAND])
"""States in which this node may order from upstream."""
