"""Where the bytes of a snapshot came from, file by file, and what went wrong on the way (`swarm why`)."""

from __future__ import annotations

from collections import Counter

from protocol.manifest import Snapshot
from swarm.node.api import FileOrigin, IncidentRow, SourceRow, WhyReport
from swarm.sources import Source
from swarm.store import Incident, Store


async def explain(store: Store, snapshot: Snapshot) -> WhyReport:
    """The account of one snapshot; files of which nothing is held are left out."""
    total: Counter[Source] = Counter()
    files: list[FileOrigin] = []
    counted = set()
    for blob, state in (await store.held(snapshot.layout.blobs)).items():
        if not state.complete and blob.chunk_count > 1:
            await store.resume(blob)
    known = await store.provenances(snapshot.layout.blobs)
    for file in snapshot.files:
        sources = known.get(file.blob)
        if not sources:
            continue
        files.append({"path": file.path, "bytes": file.blob.size, "sources": _rows(sources)})
        if file.blob not in counted:
            counted.add(file.blob)
            total.update(sources)
    paths = {file.blob: file.path for file in snapshot.files}
    incidents = await store.incidents(list(paths))
    return {
        "hub": snapshot.hub,
        "repo_type": snapshot.repo_type,
        "repo": snapshot.repo,
        "commit": snapshot.commit,
        "files": files,
        "sources": _rows(total),
        "incidents": [
            _incident(incident, paths.get(incident.blob) if incident.blob else None) for incident in incidents
        ],
    }


def _rows(sources: dict[Source, int]) -> list[SourceRow]:
    ranked = sorted(sources.items(), key=lambda item: (-item[1], item[0]))
    return [{"kind": source.kind, "name": source.name, "bytes": count} for source, count in ranked]


def _incident(incident: Incident, path: str | None) -> IncidentRow:
    return {
        "when": incident.when,
        "kind": incident.source.kind,
        "name": incident.source.name,
        "what": incident.what,
        "path": path,
    }
