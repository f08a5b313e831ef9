"""Where the files of a `get` go: into the cache of the hub's own clients, or into the folder of `--to`.

Done here and not by the node, with the rights of the user who asked. The store has the content already,
so that this makes links where the disk allows it and copies where it does not.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.errors import UsageError
from swarm.transfer.requests import Root

if TYPE_CHECKING:
    from swarm.transfer.requests import GetResult, GotFile, ListedFile
    from swarm.views.values import ViewReport


class Place:
    """`to` None means the cache. UsageError when it cannot be a folder, before anything is fetched."""

    def __init__(self, to: Path | None) -> None:
        self.to = to
        if self.to is not None:
            there = next(folder for folder in (self.to, *self.to.parents) if folder.exists())
            if not there.is_dir():
                raise UsageError(f"{there} is not a folder.", "Give --to a folder, or one that can be made.")

    def build(self, result: GetResult) -> ViewReport:
        """Lay the files out. Raises StoreError."""
        from protocol.blobs import Blob, File
        from swarm.views import hf, locate, plain
        from swarm.views.values import ViewFile

        def blob(file: GotFile | ListedFile) -> Blob:
            return Blob(file.algorithm, bytes.fromhex(file.digest), file.size)

        files = [ViewFile(file.path, blob(file), Path(file.stored)) for file in result.files]
        if self.to is not None:
            return plain.build(self.to, files)
        return hf.build(
            locate.hub_cache(),
            hf.SnapshotId(result.repo_type, result.repo, result.commit),
            files,
            result.ref,
            [File(file.path, blob(file)) for file in result.all_files],
            symlinks=locate.symlinks_wanted(),
        )


def load_views() -> None:
    """Load what `Place.build` needs, which takes about as long as all that a command loads before."""
    import_module("swarm.views.hf")
    import_module("swarm.views.plain")


def roots(report: ViewReport) -> tuple[Root, ...]:
    """What the store has to be told of: links into it, which break when what they lead to is removed."""
    return tuple(
        Root(str(path), blob.algorithm, blob.digest.hex(), blob.size) for blob, path in report.symlinks
    )
