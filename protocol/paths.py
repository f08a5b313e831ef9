"""Which paths a snapshot may have: checked here, once, for everybody (docs/protocol.md, "Manifest")."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from protocol.limits import MAX_PATH, MAX_PATH_SEGMENT, MAX_PATH_SEGMENTS
from protocol.terms import BadManifest

RESERVED_NAMES: Final = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)
"""Device names of Windows, with or without an ending: a view may lie on a share that Windows reads."""

UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\]")
"""Control characters, and the backslash that is a separator elsewhere."""


def check_path(path: str, most: int = MAX_PATH_SEGMENTS) -> None:
    """BadManifest unless `path` stays inside its folder on every file system a view may lie on.

    It has at most `most` segments.
    """
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH:
        raise BadManifest(f"a path is longer than {MAX_PATH} bytes: {path[:40]!r}…")
    segments = path.split("/")
    if len(segments) > most:
        raise BadManifest(f"the path {path[:40]!r}… has more than {most} parts")
    for segment in segments:
        fault = _segment_fault(segment)
        if fault:
            raise BadManifest(f"the path {path!r} {fault}")


def _segment_fault(segment: str) -> str | None:
    if segment in ("", ".", ".."):
        return "is absolute or has an empty, '.' or '..' part"
    if UNSAFE.search(segment):
        return "has a control character or a backslash"
    try:
        length = len(segment.encode())
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if length > MAX_PATH_SEGMENT:
        return f"has a part longer than {MAX_PATH_SEGMENT} bytes"
    if segment.split(".")[0].rstrip(" ").lower() in RESERVED_NAMES:
        return "has a part that is a device name"
    return None


_ROOT: Final = 0
_FILE: Final = -1


def _folded(name: str) -> str:
    """The same for names that some file system takes for one: those equal but for case, or for how letters
    are composed: canonical caseless matching (Unicode 3.13, D145), but for its last step, which does nothing.
    """
    return unicodedata.normalize("NFD", name).casefold()


def _spelt(one: str, other: str) -> str:
    """Both, so that a reader sees the difference: escaped where they look the same."""
    same = one != other and unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    return f"{one!a} and {other!a}" if same else f"{one!r} and {other!r}"


def check_paths(paths: Iterable[str]) -> None:
    """`check_path` for each, and no two that clash: as a file and a folder, or as equal once `_folded`.

    Takes memory and time in proportion to the length of all paths together, however deep they are.
    """
    entries: dict[tuple[int, str], tuple[str, int]] = {}  # (folder, folded name) -> name, folder or _FILE
    for path in paths:
        check_path(path)
        *folders, name = path.split("/")
        place = _ROOT
        for folder in folders:
            spelt, place = entries.setdefault((place, _folded(folder)), (folder, len(entries) + 1))
            if place == _FILE:
                raise BadManifest(f"{spelt!r} is both a file and a folder on the way to {path!r}")
            if spelt != folder:
                raise BadManifest(f"the folders {_spelt(spelt, folder)} clash on the way to {path!r}")
        key = (place, _folded(name))
        if key in entries:
            other, kind = entries[key]
            raise BadManifest(
                f"the paths {_spelt(other, path)} clash"
                if kind == _FILE
                else f"{path!r} is both a file and a folder"
            )
        entries[key] = (path, _FILE)
