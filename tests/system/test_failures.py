"""What breaks while a model is on its way: nodes, cables, the upstream."""

from __future__ import annotations

import signal

import pytest

from tests.lan.fixtures import MakeLan
from tests.system.forged import HOSTS, among_forgers, most
from tests.system.site import MB, Get, Member, Site, bytes_from, wait_until

CABLES = pytest.mark.parametrize("silently", [False, True], ids=["loudly", "silently"])
"""Whether the machine that is cut off sees that its carrier is lost."""


def test_the_origin_is_killed(make_lan: MakeLan) -> None:
    """What it had and nobody else is paid twice: a moment's worth of the upstream, which is slow here."""
    site = Site(make_lan(hosts=6, wan_mbit=20), [20 * MB, 4 * MB])
    site.start()
    site.meet()
    gets = {member: member.get() for member in site.members}
    site.until_sent(0.4)
    origin = site.origin()
    assert origin.daemon.kill() == -signal.SIGKILL
    gets.pop(origin).kill()
    for get in gets.values():
        site.check(get.result())
    assert site.sent_in_all() <= 1.10 * site.size


@CABLES
def test_the_upstream_is_cut_off_when_one_node_has_it_all(make_lan: MakeLan, silently: bool) -> None:
    site = Site(make_lan(hosts=5, wan_mbit=80), [16 * MB])
    for member in site.members[1:]:
        member.host.shape(24)
    site.start()
    site.meet()
    first = site[0].get()
    site.until_sent(0.1)
    others = {member: member.get() for member in site.members[1:3]}
    done = first.result()
    wait_until("the others have begun", lambda: all(member.received() for member in others))
    site.lan.wan.cut(silently=silently)
    assert all(get.running for get in others.values())
    site.check(done)
    late = [member.get() for member in site.members[3:]]
    for get in others.values():
        site.check(get.result())
    for get in late:
        result = site.check(get.result(), verified="manifest")
        assert bytes_from(result, "upstream") == 0


@CABLES
def test_a_receiver_is_cut_off_for_a_while(make_lan: MakeLan, silently: bool) -> None:
    """The others go on meanwhile, and it goes on when the cable is back."""
    site = Site(make_lan(hosts=4, wan_mbit=40), [16 * MB])
    site.start()
    site.meet()
    gets = {member: member.get() for member in site.members}
    site.until_sent(0.4)
    origin = site.origin()
    receiver = next(member for member in site.members if member is not origin)
    cut_off(site, gets, receiver, silently=silently)


def test_the_origin_is_cut_off_silently(make_lan: MakeLan) -> None:
    """Nothing tells that it is gone but that nothing comes any more."""
    site = Site(make_lan(hosts=4, wan_mbit=40), [16 * MB])
    site.start()
    site.meet()
    gets = {member: member.get() for member in site.members}
    site.until_sent(0.4)
    cut_off(site, gets, site.origin(), silently=True)


def cut_off(site: Site, gets: dict[Member, Get], victim: Member, *, silently: bool) -> None:
    """Cut a member off until the others are done; it then goes on where it was."""
    victim.host.cut(silently=silently)
    waiting = gets.pop(victim)
    for get in gets.values():
        site.check(get.result())
    assert waiting.running
    victim.host.mend()
    site.check(waiting.result())


def test_a_liar_is_named_and_worked_round(make_lan: MakeLan) -> None:
    site = Site(make_lan(hosts=4, wan_mbit=100), [8 * MB])
    liar, *others = site.members
    liar.begin(("-m", "tests.system.liar"))
    liar.ready()
    site.check(liar.get().result())
    site.start(others)
    site.meet()
    for get in [member.get() for member in others]:
        site.check(get.result())
    for member in others:
        assert member.logged(f"WARNING .*{liar.id} sent wrong bytes"), member.log
        (why,) = member.ask("why", "org/model")
        named = {(row["kind"], row["name"]) for row in why["incidents"] if "sent wrong bytes" in row["what"]}
        assert named == {("peer", liar.id)}
        assert all(row["name"] != liar.id for row in why["sources"])
    assert site.sent_in_all() <= 2.02 * site.size


def test_forgers_cost_the_upstream_a_few_chunks(make_lan: MakeLan) -> None:
    assert among_forgers(Site(make_lan(hosts=HOSTS, wan_mbit=100), [32 * MB])) <= most(32 * MB)
