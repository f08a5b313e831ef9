"""Whom to be linked with: everybody while they are few, then the ring and the nearest."""

from __future__ import annotations

from collections.abc import Set
from itertools import pairwise

from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from protocol.ids import NodeId
from swarm.scheduler.neighbours import MAX_LINKS, WANTED_LINKS, Links, Neighbours


def node(number: int) -> NodeId:
    return NodeId(blake3(b"%d" % number).digest())


ALL = [node(number) for number in range(300)]
ME, *OTHERS = ALL


def choice(free: Set[NodeId], newcomer: NodeId, **others: Set[NodeId]) -> NodeId | None:
    known = free | {newcomer}
    links: dict[str, Set[NodeId]] = {"named": set(), "busy": set(), "wanted": Neighbours(ME).wanted(known)}
    return Neighbours(ME).spare(Links(free, **(links | others)), newcomer)


def test_few_nodes_are_all_wanted() -> None:
    few = OTHERS[:WANTED_LINKS]
    assert Neighbours(ME).wanted([ME, *few]) == set(few)


def test_of_many_the_next_ids_and_the_nearest_are() -> None:
    neighbours = Neighbours(ME)
    wanted = neighbours.wanted(OTHERS)
    assert len(wanted) == WANTED_LINKS
    ring = sorted(ALL)
    place = ring.index(ME)
    next_ones = {ring[place - 1], ring[(place + 1) % len(ring)]}
    assert next_ones <= wanted
    farthest = max(map(neighbours.rank, wanted - next_ones))
    assert all(neighbours.rank(other) > farthest for other in set(OTHERS) - wanted)


def by_looking_at_all(known: Set[NodeId]) -> set[NodeId]:
    """What ME wants of these, as the module's first lines say it."""
    ring = sorted(known | {ME})
    place = ring.index(ME)
    next_ones = {ring[place - 1], ring[(place + 1) % len(ring)]}
    rest = sorted(known - next_ones, key=Neighbours(ME).rank)
    return next_ones | set(rest[: WANTED_LINKS - len(next_ones)])


@given(st.lists(st.sets(st.sampled_from(OTHERS), min_size=1, max_size=120), min_size=1, max_size=6))
def test_what_was_known_before_makes_no_difference(ever: list[set[NodeId]]) -> None:
    neighbours = Neighbours(ME)
    for known in ever:
        neighbours.forget(known)
        assert neighbours.wanted(known) == by_looking_at_all(known)


def test_the_ring_is_wanted_however_few_links_there_may_be() -> None:
    ring = sorted(ALL)
    place = ring.index(ME)
    assert Neighbours(ME, 1).wanted(OTHERS) == {ring[place - 1], ring[(place + 1) % len(ring)]}


def test_what_was_forgotten_is_ranked_anew() -> None:
    neighbours = Neighbours(ME)
    neighbours.wanted(OTHERS)
    neighbours.forget(set(OTHERS[:3]))
    assert neighbours.wanted(OTHERS) == by_looking_at_all(set(OTHERS))


def test_a_pair_is_as_near_from_either_side() -> None:
    assert Neighbours(ME).rank(OTHERS[0]) == Neighbours(OTHERS[0]).rank(ME)


@given(st.integers(2, 200), st.integers(0, 10))
def test_what_all_want_holds_together_and_is_hardly_more_than_the_limit(count: int, offset: int) -> None:
    nodes = ALL[offset : offset + count]
    links: dict[NodeId, set[NodeId]] = {each: set() for each in nodes}
    for one in nodes:
        for two in Neighbours(one).wanted(nodes):
            links[one].add(two)
            links[two].add(one)
    reached, fresh = set(), {nodes[0]}
    while fresh:
        reached |= fresh
        fresh = set().union(*(links[each] for each in fresh)) - reached
    assert reached == set(nodes)
    over = sum(len(links[each]) > MAX_LINKS for each in nodes)
    assert over <= len(nodes) / 10


def test_an_unwanted_idle_link_is_given_up_first_the_farthest() -> None:
    neighbours = Neighbours(ME)
    linked, newcomer = set(OTHERS[:40]), OTHERS[50]
    wanted = neighbours.wanted(OTHERS[:40])
    unwanted = sorted(linked - wanted, key=neighbours.rank)
    assert choice(linked, newcomer, wanted=wanted) == unwanted[-1]
    assert choice(linked, newcomer, wanted=wanted, busy={unwanted[-1]}) == unwanted[-2]
    assert choice(linked, newcomer, wanted=wanted, named={unwanted[-1]}) == unwanted[-2]


def test_who_is_not_wanted_either_must_be_nearer() -> None:
    neighbours = Neighbours(ME)
    linked = set(OTHERS[:40])
    wanted = neighbours.wanted(linked)
    farthest = max(linked - wanted, key=neighbours.rank)
    for newcomer in OTHERS[40:]:
        nearer = neighbours.rank(newcomer) < neighbours.rank(farthest)
        assert choice(linked, newcomer, wanted=wanted) == (farthest if nearer else None)
        assert choice(linked, newcomer, wanted=wanted, sought={newcomer}) == farthest
        assert choice(linked, newcomer, wanted=wanted | {newcomer}) == farthest


def test_the_next_in_rank_are_beyond_those_wanted() -> None:
    neighbours = Neighbours(ME)
    wanted, more = neighbours.wanted(OTHERS), neighbours.wanted(OTHERS, 5)
    rest = sorted(set(OTHERS) - wanted, key=neighbours.rank)
    assert more - wanted == set(rest[:5])
    assert neighbours.wanted(OTHERS[: WANTED_LINKS + 5], 5) == set(OTHERS[: WANTED_LINKS + 5])


def test_who_is_not_wanted_displaces_nobody_who_is_or_is_busy() -> None:
    neighbours = Neighbours(ME)
    linked = set(OTHERS[:40])
    far = max(set(OTHERS) - neighbours.wanted(OTHERS), key=neighbours.rank)
    wanted = neighbours.wanted(OTHERS[:40])
    assert choice(linked, far, wanted=wanted, busy=linked) is None
    assert choice(set(wanted), far, wanted=wanted) is None


def test_a_nearer_one_displaces_an_idle_farther_one() -> None:
    neighbours = Neighbours(ME)
    by_rank = sorted(OTHERS, key=neighbours.rank)
    ring = neighbours.wanted(OTHERS) - set(by_rank[:WANTED_LINKS])
    nearest, linked = by_rank[0], set(by_rank[1:30])
    wanted = linked | {nearest}
    victim = choice(linked, nearest, wanted=wanted)
    assert victim is not None
    assert neighbours.rank(victim) > neighbours.rank(nearest)
    in_ring = nearest in ring or choice(linked, nearest, wanted=wanted, busy=linked) is not None
    assert in_ring == (nearest in _next_to_me(linked | {nearest}))


def test_who_is_next_on_the_ring_or_named_displaces_even_a_busy_one() -> None:
    linked = set(OTHERS[:MAX_LINKS])
    ring = sorted([ME, *OTHERS])
    successor = ring[(ring.index(ME) + 1) % len(ring)]
    linked.discard(successor)
    assert choice(linked, successor, wanted=linked | {successor}, busy=linked) in linked
    someone = next(other for other in OTHERS if other not in linked | _next_to_me(linked | {other}))
    assert choice(linked, someone, wanted=linked | {someone}, busy=linked) is None
    assert choice(linked, someone, wanted=linked | {someone}, busy=linked, named={someone}) in linked


def test_who_is_kept_is_given_up_for_nobody() -> None:
    linked = set(OTHERS[:MAX_LINKS])
    ring = sorted([ME, *OTHERS])
    successor = ring[(ring.index(ME) + 1) % len(ring)]
    linked.discard(successor)
    far = max(linked - _next_to_me(linked | {successor}), key=Neighbours(ME).rank)
    kept = linked - {far}
    for others in ({}, {"named": {successor}}, {"wanted": {successor}}, {"sought": {successor}}):
        assert choice(linked, successor, kept=kept, **others) == far
        assert choice(linked, successor, kept=linked, **others) is None


def _next_to_me(others: Set[NodeId]) -> set[NodeId]:
    ring = sorted({ME, *others})
    return {two if one == ME else one for one, two in pairwise([*ring, ring[0]]) if ME in (one, two)}
