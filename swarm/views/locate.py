"""Where the clients' caches are, from the environment as the clients themselves read it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

TRUE: Final = frozenset({"1", "ON", "YES", "TRUE"})
"""What huggingface_hub takes for yes, in any case."""


def hub_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """The cache of huggingface_hub: HF_HUB_CACHE, the older HUGGINGFACE_HUB_CACHE, or `hub` in HF_HOME.

    HF_HOME is by default `huggingface` in XDG_CACHE_HOME or ~/.cache. `~` and `$NAME` are expanded.
    """
    named = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE")
    return _expanded(named) if named else hub_home(environ) / "hub"


def hub_home(environ: Mapping[str, str] = os.environ) -> Path:
    """HF_HOME, which also holds the user's token."""
    base = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return _expanded(environ.get("HF_HOME") or os.path.join(base, "huggingface"))


def symlinks_wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """False when the user told huggingface_hub to do without symlinks."""
    return environ.get("HF_HUB_DISABLE_SYMLINKS", "").upper() not in TRUE


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(os.path.expanduser(path))).absolute()
