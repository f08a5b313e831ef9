"""A manifest from a peer: refused, or a snapshot that has no other encoding and stays in its folder."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from protocol import codec
from protocol.manifest import BadManifest, decode_snapshot
from tests.fuzz.samples import SNAPSHOT
from tests.protocol.evil import BAD_PATHS, CLASHES


def seeds() -> Iterator[bytes]:
    yield SNAPSHOT.encoded
    row = ["git-sha1", bytes(20), 3]
    for path in BAD_PATHS.values():
        if path.isprintable():
            yield codec.encode(["hf", "model", "org/m", "c", [[path[:99], *row], ["a/b", *row]]])
    for paths in CLASHES.values():
        yield codec.encode(["hf", "model", "org/m", "c", [[path, *row] for path in paths]])


def run(data: bytes) -> None:
    try:
        snapshot = decode_snapshot(data)
    except (BadManifest, codec.BadEncoding):
        return
    assert snapshot.encoded == data
    folded = {file.path.casefold() for file in snapshot.files}
    assert len(folded) == len(snapshot.files)
    for file in snapshot.files:
        assert posixpath.normpath(file.path) == file.path
        assert not {"", ".", ".."} & set(file.path.split("/"))
        assert "\\" not in file.path
        assert "\0" not in file.path
    layout = snapshot.layout
    for chunk in {0, layout.total // 2, layout.total - 1} & set(range(layout.total)):
        blob, index = layout.locate(chunk)
        assert layout.chunks_of(blob)[index] == chunk
