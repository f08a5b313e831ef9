"""Mounts that only one command sees: a disk that is small, full or read-only, to root as well."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def in_own_mounts(setup: str, folder: Path) -> list[str]:
    """Words that run a command among mounts of its own, made by `setup` for `folder` ($0); or a skip."""
    namespaces = ["unshare", "--user", "--map-root-user", "--mount"]
    prefix = [*namespaces, "sh", "-c", f'{setup} && exec "$@"', str(folder)]
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare (util-linux)")
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"this kernel forbids a mount namespace: {tried.stderr.strip()}")
    return prefix


def read_only(folder: Path) -> list[str]:
    """A folder, which has to exist, that nobody can write."""
    return in_own_mounts('mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"', folder)


def of_size(folder: Path, size: str) -> list[str]:
    """A folder, which has to exist, that is a disk of its own, empty and as large as tmpfs's size= says."""
    return in_own_mounts(f'mount -t tmpfs -o size={size} tmpfs "$0"', folder)
