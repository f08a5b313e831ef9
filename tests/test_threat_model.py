"""The table of attacks in docs/threat-model.md names tests and limits that exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/threat-model.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
CODE = "\n".join(
    path.read_text() for folder in ("protocol", "swarm") for path in (ROOT / folder).rglob("*.py")
)
SETTINGS = r"(?:HF|SWARM)_"
LIMITS = sorted(set(re.findall(rf"\b(?!{SETTINGS})[A-Z]+(?:_[A-Z]+)+\b", PAGE)))


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_that_is_named_exists(name: str) -> None:
    assert re.search(rf"^{name}: Final", CODE, re.MULTILINE)


@pytest.mark.parametrize(("name", "value"), sorted(set(re.findall(r"\b([A-Z_]+) \((\d+)\)", PAGE))))
def test_a_limit_has_the_value_the_page_says(name: str, value: str) -> None:
    (module,) = (
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in ("protocol", "swarm")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(rf"^{name}: Final", path.read_text(), re.MULTILINE)
    )
    assert getattr(import_module(module), name) == int(value)


def test_the_page_has_a_table() -> None:
    assert len(TESTS) > 30
    assert len(LIMITS) > 30
