"""A disk that is full or read-only: a small tmpfs in a namespace of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.disk_child import CASES

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.fixture(scope="module")
def namespaces(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where a user may not mount a tmpfs of their own."""
    folder = tmp_path_factory.mktemp("probe")
    try:
        tried = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True)
    except FileNotFoundError:
        pytest.skip("unshare (util-linux) is not installed")
    if tried.returncode:
        pytest.skip(f"no mount namespaces here: {tried.stderr.decode().strip()}")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("namespaces")
def test_a_disk_that_does_not_take_it(tmp_path: Path, case: str) -> None:
    command = [*NAMESPACE, sys.executable, "-m", "tests.store.disk_child", str(tmp_path), case]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
