"""Small LANs of simulated nodes: everybody ends, nobody holds too many links, upstream is paid once."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from protocol.chunks import chunk_length
from protocol.limits import MIB
from swarm.exchange.peers import LEFT_FREE
from swarm.scheduler.neighbours import MAX_LINKS
from tests.scale.plot import svg
from tests.scale.report import Report, begun, ended, look, table
from tests.scale.swarm import LINKING_SECONDS, Scenario, Swarm, layout_of

SMALL = Scenario(nodes=24, size=96 * MIB, mbit=200.0, max_links=8)
"""More nodes than links: not everybody is linked with everybody."""


def run(scenario: Scenario) -> tuple[Swarm, Report]:
    swarm, report = Swarm(scenario), begun(scenario)
    swarm.run(60.0, lambda swarm: look(report, swarm))
    ended(report, swarm)
    return swarm, report


@pytest.mark.parametrize("coarser", [1, 4])
def test_the_chunks_of_a_file_are_all_of_it(coarser: int) -> None:
    size = 1000 * MIB + 1
    layout = layout_of(size, coarser)
    assert layout.length(0) == coarser * chunk_length(size)
    assert sum(map(layout.length, range(layout.total))) == size


def test_all_end_with_few_links_and_hardly_anything_leaves_the_seed_twice() -> None:
    swarm, report = run(SMALL)
    assert (report.finished, report.unfinished) == (24, 0)
    assert report.links_most <= 8
    assert all(len(node.links) >= 3 for node in swarm.nodes)
    assert report.source_sent < 1.25
    assert report.control_most < 0.01 * SMALL.size


def test_nobody_has_many_fewer_links_than_others() -> None:
    """Uplinks are shared link by link: who has few gets less than the rest."""
    swarm, report = run(Scenario(nodes=60, size=MIB))
    assert report.links_most == MAX_LINKS
    assert min(len(node.links) for node in swarm.nodes) >= MAX_LINKS - LEFT_FREE - 2


def test_the_same_seed_gives_the_same_run() -> None:
    once = run(SMALL)[1].as_json()
    assert run(SMALL)[1].as_json() == once
    assert run(replace(SMALL, seed=2))[1].last != once["last"]


def test_a_hub_is_paid_about_once_though_nobody_sees_all() -> None:
    swarm, report = run(replace(SMALL, origin="hub", known="few"))
    assert report.unfinished == 0
    assert report.upstream_paid < 1.1
    assert sum(node.upstream_bytes for node in swarm.nodes) <= swarm.upstream.paid


def test_beside_a_hub_nobody_pays_for_what_somebody_has() -> None:
    report = run(replace(SMALL, origin="both", spread=0.1))[1]
    assert report.unfinished == 0
    assert report.upstream_paid == 0.0


def test_when_the_one_that_has_it_is_gone_the_hub_is_paid_for_the_rest() -> None:
    swarm = Swarm(replace(SMALL, origin="both", spread=0.1))
    swarm.clock.after(LINKING_SECONDS + 2.0, lambda: swarm.kill(swarm.nodes[0]))
    swarm.run(60.0)
    assert not swarm.unfinished
    assert 0.1 < swarm.upstream.paid / SMALL.size < 0.75


def test_another_goes_on_when_the_origin_dies() -> None:
    swarm, report = run(replace(SMALL, origin="hub", upstream_mbit=100.0, kill_origin=(4.0,)))
    assert (report.finished, report.unfinished) == (23, 0)
    assert report.leases >= 2
    assert report.upstream_paid < 1.5
    assert sum(not node.alive for node in swarm.nodes) == 1


def test_nodes_that_come_and_go_hold_up_nobody() -> None:
    swarm, report = run(replace(SMALL, churn=4.0))
    assert report.unfinished == 0
    assert len(swarm.nodes) > 25


def test_a_run_is_told_as_a_table_and_a_picture() -> None:
    report = Report(**json.loads(json.dumps(run(SMALL)[1].as_json())))
    assert table([report]).splitlines()[2].startswith("| 24 | ")
    picture = ElementTree.fromstring(svg([report, report]))
    assert sum(child.tag.endswith("polyline") for child in picture) == 4
