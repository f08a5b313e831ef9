"""The root key on disk: plain or under a passphrase, and never half believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.armor import unwrap, wrap
from swarm.errors import NotAllowed, StoreError, UsageError
from swarm.sites import rootkey
from swarm.sites.rootkey import RootFile

SEED = b"\x07" * 32


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RootFile:
    """A file that is not there yet; guesses at its passphrase are cheap here."""
    monkeypatch.setattr(rootkey, "SCRYPT_LOG2_N", 4)
    return RootFile(tmp_path / "site" / "root.key")


def test_a_plain_key(root: RootFile) -> None:
    assert not root.exists
    made = root.make(None)
    assert root.exists
    assert not root.encrypted
    assert root.public_key == made.public_key == root.open(None).public_key
    assert root.open("needless").public_key == made.public_key


def test_a_key_under_a_passphrase(root: RootFile) -> None:
    made = root.make("öffne dich", SEED)
    assert root.encrypted
    assert root.public_key == made.public_key
    assert root.open("öffne dich").public_key == made.public_key
    assert root.seed("öffne dich") == SEED
    assert SEED.hex() not in root.path.read_bytes().hex()
    with pytest.raises(NotAllowed, match="not the passphrase"):
        root.open("offne dich")
    with pytest.raises(UsageError, match="needs its passphrase"):
        root.open(None)


def test_the_real_cost_of_a_guess(tmp_path: Path) -> None:
    root = RootFile(tmp_path / "root.key")
    made = root.make("x")
    assert root.open("x").public_key == made.public_key


def test_a_key_is_never_overwritten(root: RootFile) -> None:
    made = root.make(None)
    with pytest.raises(StoreError, match="already"):
        root.make(None)
    assert root.public_key == made.public_key


def test_a_key_that_others_can_read_is_refused(root: RootFile) -> None:
    root.make(None)
    root.path.chmod(0o644)
    with pytest.raises(StoreError, match="read by others"):
        root.open(None)


def test_no_key(root: RootFile) -> None:
    with pytest.raises(StoreError, match="no root key"):
        root.open(None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "swarmroot1_AAAA",
        wrap("swarmroot1", []),
        wrap("swarmroot1", [bytes(32)]),
        wrap("swarmroot1", [bytes(32), SEED]),
        wrap("swarmroot1", [bytes(31), SEED]),
        wrap("swarmroot1", [bytes(32), b"short"]),
        wrap("swarmroot1", [bytes(32), 99, bytes(16), bytes(12), bytes(48)]),
        wrap("swarmroot1", [bytes(32), 4, bytes(16), bytes(11), bytes(48)]),
        wrap("swarmmember1", [bytes(32), SEED]),
    ],
)
def test_a_damaged_file(root: RootFile, text: str) -> None:
    root.path.parent.mkdir()
    root.path.write_text(text)
    root.path.chmod(0o600)
    with pytest.raises(StoreError):
        root.open("x")


def test_another_public_key_on_an_encrypted_file(root: RootFile) -> None:
    """The public key is bound to what is encrypted: nobody swaps it unseen."""
    root.make("x")
    other = RootFile(root.path.with_name("other"))
    other.make("x")
    assert root.public_key != other.public_key
    words = [file.path.read_text().strip() for file in (root, other)]
    mine, theirs = (unwrap("swarmroot1", word) for word in words)
    assert isinstance(mine, list)
    assert isinstance(theirs, list)
    root.path.write_text(wrap("swarmroot1", [theirs[0], *mine[1:]]))
    with pytest.raises(NotAllowed):
        root.open("x")
