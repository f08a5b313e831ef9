"""A node's answers: carries out a `get`, and tells what it does, sees and holds (`NodeApi`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio

from protocol.ids import to_text
from protocol.manifest import Blob, File, Snapshot
from swarm import __version__
from swarm.config.settings import Settings
from swarm.errors import NotFound, SwarmError, UsageError
from swarm.exchange.exchange import Exchange
from swarm.node.access import Access
from swarm.node.api import ModelRow, PeerRow, Removed, SiteRow, Status, WhyReport
from swarm.node.naming import Named, Names
from swarm.node.transfers import Transfers
from swarm.node.why import explain
from swarm.sources import Source
from swarm.sources.rate import RateLimiter
from swarm.store import Store, Summary
from swarm.transfer.plan import select
from swarm.transfer.report import Reporter
from swarm.transfer.requests import (
    GetRequest,
    GetResult,
    GotFile,
    ListedFile,
    Progress,
    RepoName,
    Roots,
    SourceBytes,
)
from swarm.upstreams.endpoint import Endpoint, endpoints_for
from swarm.upstreams.http import Client
from swarm.upstreams.huggingface import HuggingFace
from swarm.upstreams.pool import UpstreamPool

SUPPORTED_HUBS: Final = ("hf",)


class Node:
    """A running node. Everything it starts lives in the nursery of `swarm.node.run`."""

    def __init__(
        self,
        settings: Settings,
        node_id: bytes,
        store: Store,
        transfers: Transfers,
        exchange: Exchange,
        http: Client,
        *,
        upstream_limit: RateLimiter | None,
        listening: Callable[[], list[str]],
        site: Callable[[], SiteRow | None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._node_id = node_id
        self._store = store
        self._transfers = transfers
        self._exchange = exchange
        self._http = http
        self._site = site
        self._upstream_limit = upstream_limit
        self._listening = listening
        self._began = trio.current_time()
        self._local = Source("local", str(store.root))

    # --- get --------------------------------------------------------------------------------------

    async def get(self, request: GetRequest, report: Callable[[Progress], None]) -> GetResult:
        """Have all files of the request in the store, committed. Raises SwarmError."""
        began = trio.current_time()
        if request.hub not in SUPPORTED_HUBS:
            raise UsageError(f"there is no hub {request.hub!r} yet", f"Hubs: {', '.join(SUPPORTED_HUBS)}.")
        report(Progress(phase="resolving"))

        def tell(note: str) -> None:
            report(Progress(phase="resolving", message=note))

        endpoints = endpoints_for(request.endpoints or self._settings.endpoints, request.token)
        believed = (
            self._settings.endpoints if request.guest else (*self._settings.endpoints, *request.endpoints)
        )
        access = Access(
            self._store,
            believed,
            endpoints,
            known_is_enough=self._settings.private_offline == "known",
        )
        hub_only = self._settings.manifests == "hub"
        names = Names(
            self._store,
            self._exchange.asking,
            access,
            tell,
            hub_only=hub_only,
            private=self._transfers.share_private,
        )
        hub = self._hub(request, endpoints, tell)
        try:
            named = await names.resolve(request, hub)
        finally:
            if names.closing:
                with trio.CancelScope(shield=True):
                    await self._transfers.review()
        files = select(named.snapshot, request.files, request.include, request.exclude)
        await access.check(named.snapshot, {file.blob for file in files}, hub_answers=named.fresh)
        sources = await self._fetch(named, files, hub, access, report)
        await self._store.mark_complete(named.snapshot.key, [file.path for file in files])
        return self._result(request, named, files, sources, trio.current_time() - began)

    def _hub(
        self, request: GetRequest, endpoints: Sequence[Endpoint], tell: Callable[[str], None]
    ) -> HuggingFace | None:
        """The hub as this request may ask it; None when it may not be asked at all."""
        if request.offline or self._settings.offline:
            return None
        return HuggingFace(self._http, endpoints, notify=tell)

    async def _fetch(
        self,
        named: Named,
        files: Sequence[File],
        hub: HuggingFace | None,
        access: Access,
        report: Callable[[Progress], None],
    ) -> tuple[SourceBytes, ...]:
        held = await self._store.held({file.blob: None for file in files})
        if all(state.complete for state in held.values()):
            size = sum(blob.size for blob in held)
            return (SourceBytes("local", self._local.name, size),) if size else ()
        upstream = None
        if hub:
            not_public = partial(self._not_public, access, named.snapshot)
            upstream = UpstreamPool(hub, named.snapshot, limiter=self._upstream_limit, not_public=not_public)
        async with self._transfers.use(named.snapshot, upstream) as transfer:
            reporter = Reporter(transfer, files, self._local, report)
            await reporter.during(transfer.want, files)
            return reporter.account()

    async def _not_public(
        self, access: Access, snapshot: Snapshot, endpoint: Endpoint, refused: SwarmError | None
    ) -> None:
        """An endpoint gives a file for a credential only, or not at all, however the snapshot was listed."""
        with trio.CancelScope(shield=True):
            if refused is None:
                await access.file_given(snapshot, endpoint.url)
            else:
                await access.file_refused(snapshot, endpoint, refused)
            await self._transfers.review()

    def _result(
        self,
        request: GetRequest,
        named: Named,
        files: Sequence[File],
        sources: tuple[SourceBytes, ...],
        seconds: float,
    ) -> GetResult:
        snapshot = named.snapshot
        return GetResult(
            hub=snapshot.hub,
            repo=snapshot.repo,
            repo_type=snapshot.repo_type,
            commit=snapshot.commit,
            ref=named.ref,
            files=tuple(self._got(file) for file in files),
            all_files=tuple(
                ListedFile(file.path, file.blob.algorithm, file.blob.digest.hex(), file.blob.size)
                for file in snapshot.files
            ),
            bytes=sum(file.blob.size for file in files),
            seconds=seconds,
            sources=sources,
            verified=named.verified,
        )

    def _got(self, file: File) -> GotFile:
        blob = file.blob
        return GotFile(file.path, blob.algorithm, blob.digest.hex(), blob.size, str(self._store.path(blob)))

    # --- what it does, sees and holds -------------------------------------------------------------

    async def status(self) -> Status:
        quota = self._settings.quota or 0
        return {
            "node": to_text(self._node_id),
            "version": __version__,
            "uptime": trio.current_time() - self._began,
            "listen": await trio.to_thread.run_sync(self._listening),
            "peers": await self.peers(),
            "snapshots": await self.models(),
            "store": {"bytes": await self._store.size(), "quota": quota},
            "site": self._site(),
        }

    async def peers(self) -> list[PeerRow]:
        return [
            {
                "node": to_text(peer.node_id),
                "address": str(peer.address or ""),
                "via": peer.via,
                "sent": peer.sent,
                "received": peer.received,
                "standing": peer.standing,
            }
            for peer in self._exchange.peers()
        ]

    async def models(self) -> list[ModelRow]:
        return [_row(summary) for summary in await self._store.snapshots()]

    async def why(self, name: RepoName) -> list[WhyReport]:
        """Where each byte of the repository's snapshots came from; NotFound when none is held."""
        return [await explain(self._store, snapshot) for snapshot in await self._held(name)]

    async def remove(self, name: RepoName) -> Removed:
        """Remove all snapshots of the repository; NotFound when none is held."""
        held = await self._held(name)
        for snapshot in held:
            if self._transfers.is_running(snapshot.key):
                raise SwarmError(
                    f"{name.repo} is being fetched just now.", "Stop that first, or wait for it."
                )
        freed = await self._store.remove(name.hub, name.repo_type, name.repo)
        for snapshot in held:
            self._transfers.forget(snapshot.key)
        return {"snapshots": len(held), "bytes": freed}

    async def add_roots(self, roots: Roots) -> None:
        """Note symlinks of views that lead into the store: what they lead to is not removed under them."""
        for link in roots.links:
            blob = Blob(link.algorithm, bytes.fromhex(link.digest), link.size)
            await self._store.add_root(blob, Path(link.path))

    async def _held(self, name: RepoName) -> list[Snapshot]:
        wanted = (name.hub, name.repo_type, name.repo)
        found = []
        for summary in await self._store.snapshots():
            stored = await self._store.snapshot(summary.key)
            named = name.revision in (None, summary.commit, *summary.revisions)
            if stored and named and (summary.hub, summary.repo_type, summary.repo) == wanted:
                found.append(stored.snapshot)
        if not found:
            raise NotFound(f"Nothing of {name.repo} is held here.", "`swarm models` lists what is.")
        return found


def _row(summary: Summary) -> ModelRow:
    return {
        "hub": summary.hub,
        "repo_type": summary.repo_type,
        "repo": summary.repo,
        "commit": summary.commit,
        "revisions": list(summary.revisions),
        "bytes": summary.bytes,
        "held": summary.held,
        "complete": summary.complete,
        "private": summary.private,
        "when": summary.seen_at,
    }
