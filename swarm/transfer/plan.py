"""Which files of a snapshot a `get` is for, and what that comes down to in chunks. Pure.

Patterns mean what they mean to `huggingface_hub` (`filter_repo_objects`): shell patterns over the whole
path, a pattern that ends in "/" stands for everything below that folder; a file must match one of
`include`, if there are any, and none of `exclude`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from protocol import bits as bitset
from protocol.manifest import Blob, File, Layout, Snapshot
from swarm.errors import NotFound


def select(
    snapshot: Snapshot, names: Sequence[str], include: Sequence[str], exclude: Sequence[str]
) -> tuple[File, ...]:
    """The files wanted, in the snapshot's order. NotFound when a named file or every pattern misses."""
    if names:
        known = {file.path: file for file in snapshot.files}
        for name in names:
            if name not in known:
                raise NotFound(
                    f"{snapshot.repo} has no file {name!r} at {snapshot.commit[:12]}",
                    "Names are paths within the repository; `swarm get REPO` without a file fetches all.",
                )
        return tuple(known[name] for name in sorted(set(names), key=str.encode))
    wanted = tuple(file for file in snapshot.files if _matches(file.path, include, exclude))
    if snapshot.files and not wanted:
        raise NotFound(
            f"no file of {snapshot.repo} matches what --include and --exclude leave",
            "Patterns are matched against the whole path, as in '*.safetensors' or 'onnx/*'.",
        )
    return wanted


def _matches(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    if include and not any(fnmatchcase(path, _whole(pattern)) for pattern in include):
        return False
    return not any(fnmatchcase(path, _whole(pattern)) for pattern in exclude)


def _whole(pattern: str) -> str:
    return f"{pattern}*" if pattern.endswith("/") else pattern


def chunk_bits(layout: Layout, blobs: Iterable[Blob]) -> int:
    """The chunks of these blobs as a set of bits."""
    bits = 0
    for blob in blobs:
        chunks = layout.chunks_of(blob)
        bits |= bitset.span(chunks.start, len(chunks))
    return bits
