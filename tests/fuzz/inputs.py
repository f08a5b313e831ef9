"""The targets there are and the corpus in the tree: real messages, as each target's `seeds` makes them.

    python -m tests.fuzz.inputs      writes corpus/TARGET/seed-NN anew

A file of another name is an input that once broke something, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

HERE: Final = Path(__file__).parent
CORPUS: Final = HERE / "corpus"

TARGETS: Final = tuple(sorted(path.stem for path in (HERE / "targets").glob("*.py")))


class Target(Protocol):
    """A module of tests/fuzz/targets."""

    def seeds(self) -> Iterator[bytes]:
        """Inputs to begin with, the same each time."""
        ...

    def run(self, data: bytes) -> None:
        """Take any bytes; raises only when something is wrong with the code under test."""
        ...


def load(name: str) -> Target:
    return cast(Target, import_module(f"tests.fuzz.targets.{name}"))


def seeds(name: str) -> dict[str, bytes]:
    """File name -> content of the seeds of a target."""
    return {f"seed-{number:02}": data for number, data in enumerate(load(name).seeds())}


def main() -> None:
    for name in TARGETS:
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("seed-*"):
            old.unlink()
        for label, data in seeds(name).items():
            (folder / label).write_bytes(data)


if __name__ == "__main__":
    main()
