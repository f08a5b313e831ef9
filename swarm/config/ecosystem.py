"""Variables other tools of the ecosystem understand, read as they read them.

Source: huggingface_hub's documented environment variables. They rank as environment: below the
`SWARM_` variable of the same key, above the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from swarm.config.values import TRUE

MAX_TOKEN_FILE: Final = 4096
"""Bytes read of a token file: a token is under a hundred; whatever is longer is something else."""


READ_BY_OTHERS: Final = 0o044
"""In the bits of a file's mode: its group, or everybody, may read it."""


def variables(environ: Mapping[str, str]) -> dict[str, tuple[str, str | None]]:
    """For keys of ours the (name of the variable, value) that stands in for it; None when not given."""
    return {
        "endpoint": ("HF_ENDPOINT", environ.get("HF_ENDPOINT") or None),
        "offline": _offline(environ),
        "token": _token(environ),
    }


def _offline(environ: Mapping[str, str]) -> tuple[str, str | None]:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if environ.get(name, "").lower() in TRUE:
            return name, "1"
    return "HF_HUB_OFFLINE", None


def _token(environ: Mapping[str, str]) -> tuple[str, str | None]:
    """HF_TOKEN, its old name, then the file `hf auth login` writes."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if environ.get(name, "").strip():
            return name, environ[name]
    path = token_path(environ)
    if environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").lower() in TRUE:
        return str(path), None
    try:
        with path.open(encoding="utf-8") as file:
            return str(path), file.read(MAX_TOKEN_FILE).strip() or None
    except (OSError, UnicodeDecodeError):
        return str(path), None


def exposed_token(environ: Mapping[str, str]) -> Path | None:
    """The file that a token is taken from, if others can read it: another tool's, so told of, not refused."""
    name, token = _token(environ)
    path = token_path(environ)
    try:
        exposed = bool(token) and name == str(path) and bool(path.stat().st_mode & READ_BY_OTHERS)
    except OSError:
        return None
    return path if exposed else None


def token_path(environ: Mapping[str, str]) -> Path:
    """HF_TOKEN_PATH, else `token` in HF_HOME, else in the cache folder of XDG."""
    if named := environ.get("HF_TOKEN_PATH"):
        return Path(named).expanduser()
    if home := environ.get("HF_HOME"):
        return Path(home).expanduser() / "token"
    cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "huggingface" / "token"
