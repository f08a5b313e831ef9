"""To whom a holder's chunks are dealt out, and in which order, as those who want them come and go. Pure.

A place in the order is a part of the chunks. Whoever is new to a part does not see yet what the one before
had fetched of it in the last seconds, as that is still on its way through the LAN, and fetches it again.
Dealing anew gives all of them new parts, and costs a holder seconds of its uplink. So who comes gets the
place of one who is gone, and where nobody comes another has two places for the time being.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from protocol.ids import NodeId

UNEVEN: Final = 8
"""One place in so many may be somebody's second: who has two needs twice as long, until others help."""


def dealt(before: tuple[NodeId, ...], company: Set[NodeId]) -> tuple[NodeId, ...]:
    """The order from now on, in which all of the company have a place, some perhaps two.

    before: the order so far, as this gave it. company: who wants chunks.
    """
    twice = len(before) - len(company)
    if twice < 0 or UNEVEN * twice > len(before):
        return tuple(sorted(company))
    new = sorted(company - set(before))
    vacant = [place for place, node in enumerate(before) if node not in company]
    second = [place for place, node in enumerate(before) if node in company and node in before[:place]]
    alone = [node for node in before if node in company and before.count(node) == 1]
    again = (alone + new)[: max(0, len(vacant) - len(new))]
    order = list(before)
    for place, node in zip(vacant + second, new + again, strict=False):
        order[place] = node
    return tuple(order)
