"""Where the clients look for their cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.views.locate import hub_cache, hub_home, symlinks_wanted


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("DISK", "/disk")


@pytest.mark.parametrize(
    ("environ", "cache"),
    [
        ({}, "/home/ann/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/xdg", "HF_HOME": "~/hf"}, "/home/ann/hf/hub"),
        ({"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"),
        ({"HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "$DISK/hub"}, "/disk/hub"),
        ({"HF_HUB_CACHE": ""}, "/home/ann/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_the_client_looks(environ: dict[str, str], cache: str) -> None:
    assert hub_cache(environ) == Path(cache)


def test_the_home_of_the_client() -> None:
    assert hub_home({"HF_HOME": "$DISK/hf", "HF_HUB_CACHE": "/elsewhere"}) == Path("/disk/hf")


@pytest.mark.parametrize(("value", "wanted"), [("1", False), ("yes", False), ("0", True), ("", True)])
def test_symlinks_can_be_declined(value: str, wanted: bool) -> None:
    assert symlinks_wanted({"HF_HUB_DISABLE_SYMLINKS": value}) is wanted
