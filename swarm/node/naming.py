"""From the name of a model to the snapshot it stands for.

The hub says what a name means. What it said is remembered, and used again when it cannot be reached;
a full commit never changes its meaning, so that one heard of before is not asked for again. When the
hub is out of reach and nothing is remembered, peers are asked: what they say is taken only if all that
know the snapshot say the same, and the result is marked as checked against a manifest, not the
publisher; an operator can rule that out (`manifests = "hub"`, docs/threat-model.md). A topic that is not
the key of its manifest is a member's word that the snapshot is private; that is remembered with it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from protocol.codec import BadEncoding
from protocol.ids import NodeId, SnapshotKey, private_topic, short
from protocol.manifest import BadManifest, Snapshot, decode_snapshot
from swarm.errors import NoSource, NotAllowed, NotFound
from swarm.exchange.asking import Asking
from swarm.node.access import CLOSED, Access
from swarm.sources import SourceFailed
from swarm.store import Store
from swarm.transfer.requests import GetRequest, Verified
from swarm.upstreams.huggingface import HuggingFace, Resolved

FULL_COMMIT: Final = re.compile(r"[0-9a-f]{40}")

DEFAULT_REVISION: Final = "main"
"""The default branch of every Hugging Face repository."""

LOOKUP_SECONDS: Final = 2.0
"""How long peers have to answer whether they know a name: a LAN answers in milliseconds."""

LOOKUP_TRIES: Final = 3
"""A node that has just started may not have met its peers yet."""

MANIFEST_SECONDS: Final = 60.0
"""How long one peer may take to send a manifest, at most 256 MiB."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a name stands for. `ref` is the branch or tag that was asked, None for a commit.

    `fresh`: the hub was asked just now.
    """

    snapshot: Snapshot
    ref: str | None
    verified: Verified
    fresh: bool = False


class Names:
    """Resolves names for one caller by the hub, by what the store remembers, and by peers, in that order.

    `hub_only`: what no hub ever said is not believed. `private`: members may say what a private model is.
    """

    def __init__(
        self,
        store: Store,
        asking: Asking,
        access: Access,
        tell: Callable[[str], None],
        *,
        hub_only: bool = False,
        private: bool = False,
    ) -> None:
        self._store = store
        self._asking = asking
        self._access = access
        self._tell = tell
        self._hub_only = hub_only
        self._private = private
        self.closing = False
        """Whether anything may be private by now that was not before; set before that is remembered."""

    async def resolve(self, request: GetRequest, hub: HuggingFace | None) -> Named:
        """The snapshot a request is for; `hub` None when it may not be asked. Raises SwarmError."""
        revision = request.revision or DEFAULT_REVISION
        if FULL_COMMIT.fullmatch(revision):
            known = await self._remembered(request, revision)
            if known and known.verified == "publisher" and await self._at_once(known):
                return known
        if hub is None:
            failure = NoSource(
                f"{request.repo} at {revision} is not known here and the hub may not be asked (offline)",
                "Run `swarm get` once without --offline, or next to a node that has it.",
            )
        else:
            try:
                return await self._learn(await hub.resolve(request.repo, request.repo_type, revision))
            except NoSource as error:
                failure = error
            except (NotAllowed, NotFound) as error:
                self.closing = isinstance(error, CLOSED)
                await self._access.refused(request, error)
                raise
        if known := await self._remembered(request, revision):
            self._tell(
                f"the hub cannot be asked; {revision} is taken to be {known.snapshot.commit[:12]} as before"
            )
            return known
        if self._hub_only:
            raise failure
        return await self._from_peers(request, revision, failure)

    async def _at_once(self, known: Named) -> bool:
        """Whether the caller may have it without the hub being asked about that first."""
        return await self._access.may(known.snapshot.key, known.snapshot.layout.blobs)

    async def _learn(self, resolved: Resolved) -> Named:
        """Remember what the hub said."""
        snapshot, ref = resolved.snapshot, resolved.ref
        if resolved.renamed_to:
            self._tell(f"{snapshot.repo} is called {resolved.renamed_to} by now")
        self.closing = not resolved.public
        await self._store.remember(
            snapshot,
            public=resolved.public,
            revisions=[ref] if ref else [],
            domain=self._access.domain(resolved.endpoint),
        )
        if not resolved.public:
            await self._access.given(snapshot, resolved.endpoint)
        return Named(snapshot, ref, "publisher", fresh=True)

    async def _remembered(self, request: GetRequest, revision: str) -> Named | None:
        repo = (request.hub, request.repo_type, request.repo)
        stored = await self._store.find(*repo, revision, self._access.domains)
        if stored is None or (self._hub_only and not stored.published):
            return None
        ref = None if FULL_COMMIT.fullmatch(revision) else revision
        return Named(stored.snapshot, ref, "publisher" if stored.published else "manifest")

    async def _from_peers(self, request: GetRequest, revision: str, failure: NoSource) -> Named:
        """What all peers that know the name agree on; raises `failure` when none does."""
        for _ in range(LOOKUP_TRIES):
            found = await self._asking.lookup(
                request.hub, request.repo_type, request.repo, revision, LOOKUP_SECONDS
            )
            if found:
                break
            await trio.sleep(LOOKUP_SECONDS / LOOKUP_TRIES)
        else:
            raise failure
        commit = Counter(commit for _, _, commit in found).most_common(1)[0][0]
        topics = {topic for _, topic, at in found if at == commit}
        topics -= {SnapshotKey(key) for key in topics if private_topic(key) in topics}
        if len(topics) > 1:
            raise NoSource(
                f"the hub cannot be reached, and peers disagree about {request.repo} at {commit[:12]}",
                "Go online once, so that the hub can say.",
            ) from failure
        topic = topics.pop()
        peers = [peer for peer, theirs, _ in found if theirs == topic]
        snapshot = await self._manifest(request, topic, commit, peers)
        public = snapshot is not None and snapshot.key == topic
        if snapshot is None or not (public or self._private):
            raise failure
        ref = None if FULL_COMMIT.fullmatch(revision) else revision
        self.closing = not public
        await self._store.remember(snapshot, public=public, published=False, revisions=[ref] if ref else [])
        names = ", ".join(short(peer) for peer in peers[:5])
        self._tell(f"the hub cannot be reached; what {request.repo} is was learnt from {names}")
        return Named(snapshot, ref, "manifest")

    async def _manifest(
        self, request: GetRequest, topic: SnapshotKey, commit: str, peers: list[NodeId]
    ) -> Snapshot | None:
        """The snapshot with this topic from the first peer that sends it as it should be."""
        asked = (request.hub, request.repo_type, request.repo, commit)
        for peer in peers:
            with trio.move_on_after(MANIFEST_SECONDS):
                try:
                    snapshot = decode_snapshot(await self._asking.manifest(peer, topic))
                except (SourceFailed, BadManifest, BadEncoding) as error:
                    self._tell(f"{short(peer)} sent no usable manifest: {error}")
                    continue
                named = (snapshot.hub, snapshot.repo_type, snapshot.repo, snapshot.commit)
                if topic in (snapshot.key, private_topic(snapshot.key)) and named == asked:
                    return snapshot
        return None
