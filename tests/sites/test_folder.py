"""What a node keeps of its site: read back as it was, and what is damaged is said or left out."""

from __future__ import annotations

import pytest

from protocol.ids import to_text
from protocol.revocation import revoke
from swarm.errors import StoreError
from swarm.sites.folder import MIN_PREFIX, SiteFolder
from tests.sites.people import NOW, Person


def test_a_membership(founder: Person, other: Person) -> None:
    assert other.folder.grant() is None
    grant = founder.let_in(other)
    assert SiteFolder(other.home).grant() == grant
    (other.folder.path / "membership").write_text("swarmmember1_x")
    with pytest.raises(StoreError, match="holds no membership"):
        other.folder.grant()


def test_revocation_lists(founder: Person, other: Person) -> None:
    grant = founder.folder.grant()
    assert grant is not None
    root_key = grant.membership.root_key
    mine = revoke(founder.me, root_key, grant.membership, None, [other.me.node_id], NOW)
    roots = revoke(founder.folder.root.open(None), root_key, None, None, [], NOW)
    for one in (mine, roots):
        founder.folder.keep_revocation(one)
    assert set(founder.folder.revocations()) == {mine, roots}
    (founder.folder.path / "revoked" / mine.key.hex()).write_text("AAAA")
    (founder.folder.path / "revoked" / "other").write_text("?")
    assert founder.folder.revocations() == [roots]


def test_who_was_let_in(founder: Person, other: Person, third: Person) -> None:
    first, second = founder.let_in(other), founder.let_in(third)
    rows = {row.node: row for row in founder.folder.issued()}
    assert rows[to_text(other.me.node_id)].name == "of 0"
    assert rows[to_text(third.me.node_id)].expires == second.membership.own.expires
    founder.folder.record(first.membership, "")
    assert {row.name for row in founder.folder.issued()} == {"of 0", "of 1"}
    node = to_text(other.me.node_id)
    assert founder.folder.named("of 0") == founder.folder.named(node[:MIN_PREFIX]) == [other.me.node_id]
    assert founder.folder.named(node[: MIN_PREFIX - 1]) == []
    (founder.folder.path / "issued" / node).write_text("{}")
    (founder.folder.path / "issued" / "notes").write_text("{}")
    assert [row.name for row in founder.folder.issued()] == ["of 1"]


def test_leaving_takes_away_what_swarm_wrote_and_nothing_else(founder: Person, other: Person) -> None:
    founder.invite()
    grant = founder.let_in(other)
    founder.folder.keep_revocation(
        revoke(founder.me, founder.folder.root.public_key, founder.folder.grant().membership, None, [], NOW)  # type: ignore[union-attr]  # a founder has one
    )
    (founder.folder.path / ".membership.1.0a").write_text("begun")
    (founder.folder.path / "notes").write_text("mine")
    founder.folder.clear()
    assert sorted(path.name for path in founder.folder.path.rglob("*")) == ["notes", "root.key"]
    assert not founder.folder.joined
    founder.folder.clear()
    founder.folder.renew_grant(grant)
    assert founder.folder.grant() is None
    other.folder.renew_grant(grant)
    assert other.folder.grant() == grant


def test_the_stamp_changes_with_what_a_daemon_must_know(founder: Person, other: Person) -> None:
    stamps = {founder.folder.stamp()}
    founder.invite()
    founder.let_in(other)
    assert founder.folder.stamp() in stamps
    grant = founder.folder.grant()
    assert grant is not None
    founder.folder.keep_grant(grant)
    stamps.add(founder.folder.stamp())
    for nodes in ([], [other.me.node_id]):
        one = revoke(founder.me, grant.membership.root_key, grant.membership, None, nodes, NOW)
        founder.folder.keep_revocation(one)
        stamps.add(founder.folder.stamp())
    assert len(stamps) == 4
