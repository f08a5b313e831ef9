"""A small store's worth of files for views: nested, empty, twice the same, large and small."""

from __future__ import annotations

from pathlib import Path

from protocol.manifest import File
from swarm.views.values import ViewFile
from tests.store.samples import Sample, named, sample

CONTENTS: dict[str, Sample] = {
    "config.json": named(b'{"model_type": "bert"}', "git-sha1"),
    "empty.txt": named(b"", "git-sha1"),
    "deep/er/same.txt": named(b"twice\n", "git-sha1"),
    "deep/same.txt": named(b"twice\n", "git-sha1"),
    "model.safetensors": sample(700_000),
}
LISTING = [File(path, content.blob) for path, content in CONTENTS.items()]


def stored_files(store: Path) -> list[ViewFile]:
    """CONTENTS as a store in this folder has them."""
    store.mkdir(exist_ok=True)
    files = []
    for path, content in CONTENTS.items():
        place = store / content.blob.digest.hex()
        if not place.exists():
            place.write_bytes(content.data)
            place.chmod(0o444)
        files.append(ViewFile(path, content.blob, place))
    return files
