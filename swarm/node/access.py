"""Who may have a private or gated model from this node: whoever shows a token that its hub accepts for it.

The hub is asked with the caller's own token; that it gave the repository is remembered for PERMIT_SECONDS,
by a hash of the token, and then asked again. While it cannot be asked, such a model is given to nobody else,
unless the operator chose that a token stays good once it was (`private_offline = "known"`). None of this is
about who owns the daemon: on a machine that several people use, the token decides and not the account.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Final

from blake3 import blake3

from protocol.ids import SnapshotKey
from protocol.manifest import Blob, Snapshot
from swarm.errors import NotAllowed, SwarmError
from swarm.store import Store
from swarm.transfer.requests import GetRequest
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.trouble import Gated, NoSuchRepo

PERMIT_SECONDS: Final = 3600.0
"""How long a token that the hub accepted for a repository is good for it without asking again: a `get` of a
known commit then needs no listing, and somebody who lost access keeps it for an hour at most."""

OPERATOR: Final = ""
"""The domain (`swarm.store.access`) of what the node's owner chose as endpoints: the hub, if nothing else. An
address below one of them is none, as a hub gives out files there that anybody put on it; nor is the hub where
the owner chose another, as names need not mean the same at both."""

HASH_CONTEXT: Final = "lanswarm 2026-11 credential that a private repository was given for"
"""So that the hashes in the store are of use for nothing else (BLAKE3, derive_key)."""


CLOSED: Final = (Gated, NoSuchRepo)
"""Refusals by which a hub says that a repository is not, or no longer, there for everybody."""


class Access:
    """What one caller may have. `endpoints`: those that are asked for it, with its credentials; `believed`:
    the URLs of those whose word counts for all. `known_is_enough`: see `may`."""

    def __init__(
        self, store: Store, believed: Collection[str], endpoints: Sequence[Endpoint], *, known_is_enough: bool
    ) -> None:
        self._store = store
        self._believed = {Endpoint(url).url for url in believed}
        self._endpoints = tuple(endpoints)
        self._known_is_enough = known_is_enough
        self._whos = _whos(endpoints)

    @property
    def domains(self) -> set[str]:
        """Whose word counts for this caller."""
        return {OPERATOR} | {self.domain(endpoint.url) for endpoint in self._endpoints}

    def domain(self, url: str) -> str:
        """Whose word that of the endpoint with this URL is."""
        return OPERATOR if url in self._believed else url

    async def given(self, snapshot: Snapshot, url: str) -> None:
        """An endpoint just gave this to the caller, and would not without a credential."""
        for endpoint in self._endpoints:
            if endpoint.url == url and endpoint.authorization:
                await self._store.permit(_hash(endpoint.authorization), self.domain(url), snapshot)

    async def file_given(self, snapshot: Snapshot, url: str) -> None:
        """The same of a file of it, while the snapshot may have been listed to everybody."""
        stored = await self._store.snapshot(snapshot.key)
        listed = stored is not None and stored.published
        await self._store.remember(snapshot, public=False, published=listed, domain=self.domain(url))
        await self.given(snapshot, url)

    async def file_refused(self, snapshot: Snapshot, endpoint: Endpoint, why: SwarmError) -> None:
        """An endpoint just refused a file of this to the caller. That it has no such repository is believed
        of the endpoint named first: another may only lag behind. A file that is missing says nothing."""
        if not isinstance(why, NotAllowed | NoSuchRepo):
            return
        closed = isinstance(why, Gated) or (isinstance(why, NoSuchRepo) and endpoint == self._endpoints[0])
        await self._refused((snapshot.hub, snapshot.repo_type, snapshot.repo), [endpoint], closed=closed)

    async def refused(self, request: GetRequest, why: SwarmError) -> None:
        """All endpoints just refused this to the caller."""
        repo = (request.hub, request.repo_type, request.repo)
        await self._refused(repo, self._endpoints, closed=isinstance(why, CLOSED))

    async def _refused(
        self, repo: tuple[str, str, str], endpoints: Sequence[Endpoint], *, closed: bool
    ) -> None:
        """`closed`: because it is not public, whatever it was. Then none of it is public any more, if the
        operator's own endpoints say so."""
        domains = {self.domain(endpoint.url) for endpoint in endpoints}
        await self._store.revoke(_whos(endpoints), domains, *repo)
        if closed and domains == {OPERATOR}:
            await self._store.withdraw(*repo)

    async def may(self, key: SnapshotKey, blobs: Collection[Blob], *, hub_answers: bool = True) -> bool:
        """Whether this is public, or the caller's token was good for it: lately or, if that is enough while
        the hub does not answer, at any time."""
        age = math.inf if self._known_is_enough and not hub_answers else PERMIT_SECONDS
        return not await self._store.withheld(key, blobs, self._whos, age)

    async def check(self, snapshot: Snapshot, blobs: Collection[Blob], *, hub_answers: bool) -> None:
        """NotAllowed unless the caller may have these blobs of the snapshot."""
        if await self.may(snapshot.key, blobs, hub_answers=hub_answers):
            return
        if hub_answers:
            raise NotAllowed(
                f"Some files of {snapshot.repo} are here from a private repository.",
                "Name the endpoint they came from, with a token that may read it there.",
            )
        raise NotAllowed(
            f"{snapshot.repo} takes a token that its hub accepts, and the hub cannot be asked now.",
            'Try again when it can be, or have the operator set private_offline = "known".',
        )


def _whos(endpoints: Sequence[Endpoint]) -> set[bytes]:
    """The credentials for these, as the store knows them."""
    return {_hash(endpoint.authorization) for endpoint in endpoints if endpoint.authorization}


def _hash(credential: str) -> bytes:
    return blake3(credential.encode(), derive_key_context=HASH_CONTEXT).digest()
