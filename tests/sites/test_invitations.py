"""Invitations on disk: as many nodes as were invited, whoever counts and however often they crash."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Thread

import pytest

from protocol.ids import NodeId
from protocol.membership import Rights
from swarm.errors import StoreError
from swarm.sites.invitations import KEPT_SECONDS, MAX_USES, Invitation, Invitations

KEY = b"\x0a" * 32
NOW = 1_800_000_000


def node(number: int) -> NodeId:
    return NodeId(number.to_bytes(32, "big"))


def invitation(uses: int = 2, key: bytes = KEY) -> Invitation:
    return Invitation(key, uses, NOW + 3600, Rights.ISSUER)


@pytest.fixture
def all_of_them(tmp_path: Path) -> Invitations:
    return Invitations(tmp_path / "invitations")


def test_an_invitation_is_found_by_its_key(all_of_them: Invitations) -> None:
    assert all_of_them.find(KEY) is None
    assert all_of_them.all() == []
    all_of_them.add(invitation(), NOW)
    assert all_of_them.find(KEY) == invitation()
    assert all_of_them.all() == [invitation()]


def test_each_node_counts_once(all_of_them: Invitations) -> None:
    all_of_them.add(invitation(2), NOW)
    assert [all_of_them.use(invitation(2), node(number)) for number in (1, 2, 1, 2, 3, 1)] == [
        True,
        True,
        True,
        True,
        False,
        True,
    ]
    found = all_of_them.find(KEY)
    assert found is not None
    assert found.used == 2


def test_a_race_lets_nobody_more_in(all_of_them: Invitations) -> None:
    terms = invitation(3)
    all_of_them.add(terms, NOW)
    together = Barrier(12)
    let_in: list[bool] = []

    def come(number: int) -> None:
        together.wait()
        let_in.append(all_of_them.use(terms, node(number)))

    threads = [Thread(target=come, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(let_in) == 3


def test_old_invitations_are_cleared_away(all_of_them: Invitations) -> None:
    all_of_them.add(invitation(), NOW)
    all_of_them.use(invitation(), node(1))
    other = invitation(key=b"\x0b" * 32)
    all_of_them.add(other, NOW + 3600 + KEPT_SECONDS - 1)
    assert len(all_of_them.all()) == 2
    all_of_them.add(invitation(key=b"\x0c" * 32), NOW + 3600 + KEPT_SECONDS)
    assert all_of_them.find(KEY) is None


@pytest.mark.parametrize("uses", [0, -1, MAX_USES + 1])
def test_an_invitation_for_nobody_or_everybody(uses: int) -> None:
    with pytest.raises(ValueError, match="1 to"):
        invitation(uses)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"uses": 0, "expires": 1, "rights": 0}', "\0"])
def test_damaged_terms(all_of_them: Invitations, tmp_path: Path, text: str) -> None:
    all_of_them.add(invitation(), NOW)
    (tmp_path / "invitations" / KEY.hex() / "terms").write_text(text)
    with pytest.raises(StoreError, match="damaged"):
        all_of_them.find(KEY)
