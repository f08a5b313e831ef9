"""One model for the whole LAN: the upstream sends each byte once, whoever comes when."""

from __future__ import annotations

from tests.lan.fixtures import MakeLan
from tests.system.site import MB, Site, bytes_from


def test_eight_nodes_at_once(make_lan: MakeLan) -> None:
    site = Site(make_lan(hosts=8, wan_mbit=60), [9 * MB, 3 * MB])
    site.start()
    site.meet()
    gets = [member.get() for member in site.members]
    results = [site.check(get.result()) for get in gets]
    assert site.sent_in_all() <= 1.02 * site.size
    assert sum(bytes_from(result, "upstream") for result in results) <= 1.02 * site.size


def test_eight_nodes_that_have_just_started(make_lan: MakeLan) -> None:
    """Of the size of a real small model: discovery and the choice of an origin race with eight gets."""
    site = Site(make_lan(hosts=8, mbit=400, wan_mbit=200), [80 * MB, 10 * MB])
    site.start()
    gets = [member.get() for member in site.members]
    for get in gets:
        site.check(get.result())
    assert site.sent_in_all() <= 1.02 * site.size


def test_a_late_joiner_takes_nothing_from_upstream(make_lan: MakeLan) -> None:
    site = Site(make_lan(hosts=3, wan_mbit=100), [8 * MB])
    site.start()
    site.meet()
    gets = [member.get() for member in site.members[:2]]
    for get in gets:
        site.check(get.result())
    result = site.check(site[2].get().result())
    assert bytes_from(result, "upstream") == 0
    assert site.sent_in_all() <= 1.02 * site.size


def test_four_gets_without_a_daemon(make_lan: MakeLan) -> None:
    """Each is a node for as long as it runs, and they find one another. The first to be done leaves the
    LAN, perhaps with the last few chunks."""
    site = Site(make_lan(hosts=4, wan_mbit=80), [24 * MB])
    gets = [member.get() for member in site.members]
    results = [site.check(get.result()) for get in gets]
    assert site.sent_in_all() <= 1.05 * site.size
    assert sum(bytes_from(result, "peer") for result in results) >= 2.9 * site.size
