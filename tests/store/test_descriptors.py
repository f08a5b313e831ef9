"""Open files: kept while they may be used again, closed when nobody uses them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from swarm.store.descriptors import Descriptors, Opened


@pytest.fixture
def opener(tmp_path: Path) -> Callable[[], Opened]:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    return lambda: Opened(os.open(path, os.O_RDONLY))


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_a_descriptor_is_opened_once(opener: Callable[[], Opened]) -> None:
    cache = Descriptors()
    with cache.use("a", opener) as first, cache.use("a", opener) as second:
        assert first == second
    with cache.use("a", opener) as third:
        assert third == first
    cache.close()
    assert not is_open(first.fd)


def test_the_least_recently_used_goes_first(opener: Callable[[], Opened]) -> None:
    cache = Descriptors(limit=2)
    for key in "abab":
        with cache.use(key, opener):
            pass
    with cache.use("a", opener), cache.use("c", opener):
        pass
    assert "b" not in cache
    assert "a" in cache
    assert len(cache) == 2
    cache.close()


def test_one_in_use_is_closed_only_when_its_user_is_done(opener: Callable[[], Opened]) -> None:
    cache = Descriptors(limit=1)
    with cache.use("a", opener) as opened:
        with cache.use("b", opener):
            assert "a" not in cache
            assert is_open(opened.fd)
        cache.drop("b")
    assert not is_open(opened.fd)
    assert len(cache) == 0


def test_a_file_that_cannot_be_opened_leaves_nothing_behind() -> None:
    cache = Descriptors()

    def fail() -> Opened:
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError), cache.use("a", fail):
        pass
    assert len(cache) == 0
