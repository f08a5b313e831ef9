"""Which mirrors are kept out, and which let back in."""

from __future__ import annotations

from swarm.sources import Source
from swarm.transfer.mirrors import Mirrors

A, B = Source("upstream", "https://a"), Source("upstream", "https://b")
PEER = Source("peer", "one")
USED = {A, B, PEER}


def test_who_sent_all_of_it_is_at_fault() -> None:
    mirrors = Mirrors()
    assert mirrors.suspect([A], USED) == [A]
    assert mirrors.second_chance() is None
    assert mirrors.clear([A], []) == []


def test_of_several_one_at_a_time_is_tried_again() -> None:
    mirrors = Mirrors()
    assert mirrors.suspect([B, A], USED) == [A, B]
    assert mirrors.second_chance() == A
    assert mirrors.suspect([A], USED) == [A]
    assert mirrors.second_chance() == B
    assert mirrors.clear([A, B], [A]) == [B]
    assert mirrors.suspect([B, PEER], USED) == [B]


def test_a_mirror_is_not_to_blame_for_what_peers_had_a_part_in() -> None:
    mirrors = Mirrors()
    assert mirrors.suspect([A, PEER], USED) == [A]
    assert mirrors.second_chance() == A
    assert mirrors.clear([A, PEER], [PEER]) == [A]


def test_peers_are_not_kept_out_here() -> None:
    mirrors = Mirrors()
    assert mirrors.suspect([PEER], USED) == []
    assert mirrors.second_chance() is None


def test_what_lay_on_disk_since_an_earlier_run_is_held_against_nobody() -> None:
    mirrors = Mirrors()
    assert mirrors.suspect([A], {B}) == []
    assert mirrors.suspect([A, B], {B}) == [B]
    assert mirrors.second_chance() == B
