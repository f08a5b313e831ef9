"""The corpus is what the script makes, and no target breaks on it: with or without a fuzzer installed."""

from __future__ import annotations

import random
import subprocess

import pytest

from tests.fuzz.drive import judge
from tests.fuzz.inputs import CORPUS, TARGETS, load, seeds

MOST_BYTES = 10 * 1024
"""Of one target's corpus."""

MUTATIONS = 60
"""For each file; a fuzzer does millions, guided by what they reach."""


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_is_what_the_seeds_are(name: str) -> None:
    """Otherwise: python -m tests.fuzz.inputs"""
    files = {path.name: path.read_bytes() for path in (CORPUS / name).iterdir()}
    assert {label: data for label, data in files.items() if label.startswith("seed-")} == seeds(name)
    assert sum(map(len, files.values())) <= MOST_BYTES


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks_on_the_corpus_nor_near_it(name: str) -> None:
    target, dice = load(name), random.Random(0)
    for path in sorted((CORPUS / name).iterdir()):
        data = path.read_bytes()
        target.run(data)
        for _ in range(MUTATIONS):
            target.run(mutated(data, dice))


def mutated(data: bytes, dice: random.Random) -> bytes:
    """The same with a bit flipped, the end cut off, or a part of it elsewhere or twice."""
    changed = bytearray(data)
    at, to = dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)
    match dice.randrange(4):
        case 0 if at < len(data):
            changed[at] ^= 1 << dice.randrange(8)
        case 1:
            del changed[at:]
        case 2:
            changed[at:at] = data[min(at, to) : max(at, to)]
        case _:
            changed[min(at, to) : max(at, to)] = b""
    return bytes(changed)


@pytest.mark.parametrize(
    ("status", "said", "well"),
    [
        (0, "stat::number_of_executed_units: 12345", True),
        (77, "stat::number_of_executed_units: 12345\nUncaught Python exception", False),
        (0, "", False),
        (1, "No module named 'atheris'", False),
    ],
)
def test_a_run_that_did_not_end_well_is_told(
    status: int, said: str, well: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge("codec", subprocess.CompletedProcess([], status, stderr=said)) is well
    assert ("12345" if well else said) in capsys.readouterr().out
