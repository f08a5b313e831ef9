"""The transfers of a node: one a snapshot, shared by every `get` that wants it, open to peers.

This is also the node's catalog: what other nodes may ask for is a transfer that runs, or one opened
from the store to be read from. The store knows what is public. Snapshots that take a token to download are
for members of this node's site at most, if its operator shares them there, under a topic that only those
meet under who know the snapshot to be private (`protocol.ids.private_topic`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakSet

import trio

from protocol.ids import SnapshotKey, private_topic
from protocol.manifest import Snapshot
from protocol.signing import Identity
from protocol.standing import Audience, Standing
from swarm.exchange.exchange import Exchange
from swarm.store import Store
from swarm.transfer.orders import Upstream
from swarm.transfer.served import ServedTransfer
from swarm.transfer.transfer import Transfer
from swarm.workers import Workers

MAX_OPEN: Final = 16
"""Snapshots kept open to be read from: some MB of digests each; more are opened again when asked for."""

WIDTH: Final[dict[Audience, int]] = {"nobody": 0, "members": 1, "everyone": 2}
"""Whoever is in one audience is in those above it."""


@dataclass(slots=True)
class _Running:
    """A transfer with `users` that want something of it. `ended`: it is over and has left its topic."""

    transfer: Transfer
    served: ServedTransfer
    users: int = 0
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)


class Transfers:
    """Runs transfers and serves snapshots; also the `Catalog` of the exchange. `share_private`: private
    models are shared with members of this node's site."""

    def __init__(
        self,
        store: Store,
        identity: Identity,
        workers: Workers,
        settle_left: Callable[[], float],
        *,
        share_private: bool = False,
    ) -> None:
        self.share_private = share_private
        self._store = store
        self._identity = identity
        self._workers = workers
        self._settle_left = settle_left
        self._running: dict[SnapshotKey, _Running] = {}
        self._ending: dict[SnapshotKey, _Running] = {}
        self._opened: OrderedDict[SnapshotKey, ServedTransfer] = OrderedDict()
        self._in_use: WeakSet[ServedTransfer] = WeakSet()
        self._starting: dict[SnapshotKey, trio.Lock] = {}

    def start(self, nursery: trio.Nursery, exchange: Exchange) -> None:
        """Transfers run in this nursery and talk over this exchange."""
        self._nursery = nursery
        self._exchange = exchange

    # --- for `get` --------------------------------------------------------------------------------

    @asynccontextmanager
    async def use(self, snapshot: Snapshot, upstream: Upstream | None) -> AsyncIterator[Transfer]:
        """The running transfer of a snapshot that the store knows, for as long as somebody uses it."""
        running = await self._running_for(snapshot, upstream)
        try:
            yield running.transfer
        finally:
            running.users -= 1
            if not running.users:
                self._end(snapshot.key, running)

    async def _running_for(self, snapshot: Snapshot, upstream: Upstream | None) -> _Running:
        key = snapshot.key
        async with self._starting.setdefault(key, trio.Lock()):
            running = self._running.get(key)
            if running is None:
                running = await self._start(snapshot, upstream)
            elif upstream is not None:
                running.transfer.offer_upstream(upstream)
            running.users += 1
            return running

    async def _start(self, snapshot: Snapshot, upstream: Upstream | None) -> _Running:
        """A new transfer, once the one before it is over: what that had under way may take a moment."""
        key = snapshot.key
        if key in self._ending:
            await self._ending[key].ended.wait()
        transfer, served = await self._open(snapshot, upstream, await self._audience(key))
        running = self._running[key] = _Running(transfer, served)
        self.forget(key)
        try:
            await self._nursery.start(self._run, running)
        except BaseException:
            del self._running[key]
            raise
        return running

    def _end(self, key: SnapshotKey, running: _Running) -> None:
        """Stop fetching; what was fetched goes on being served."""
        running.transfer.close()
        running.scope.cancel()
        del self._running[key]
        if not running.ended.is_set():
            self._ending[key] = running
        if running.served.audience != "nobody":
            self._keep(running.served)

    async def _run(
        self, running: _Running, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        transfer, served = running.transfer, running.served
        distrust = self._exchange.distrust
        try:
            with running.scope:
                if served.audience == "nobody":
                    await transfer.run(None, distrust, task_status=task_status)
                else:
                    with self._exchange.join(served.topic, transfer.book.digest, served.audience) as topic:
                        await transfer.run(topic, distrust, task_status=task_status)
        finally:
            running.ended.set()
            self._ending.pop(transfer.snapshot.key, None)

    async def _open(
        self, snapshot: Snapshot, upstream: Upstream | None, audience: Audience
    ) -> tuple[Transfer, ServedTransfer]:
        transfer = Transfer(
            snapshot,
            store=self._store,
            identity=self._identity,
            workers=self._workers,
            upstream=upstream,
            settle=self._settle_left(),
            key=snapshot.key if audience == "everyone" else private_topic(snapshot.key),
        )
        await transfer.open()
        served = ServedTransfer(transfer, self._store, self._identity, audience)
        self._in_use.add(served)
        await self._review(served)  # what it was found to be may have changed meanwhile
        return transfer, served

    # --- for peers: the catalog -------------------------------------------------------------------

    async def open(self, topic: SnapshotKey, standing: Standing) -> ServedTransfer | None:
        """The topic as it can be served now; None when it is unknown or not for such a peer."""
        if (served := self._at_hand(topic, standing)) is not None:
            return served
        audience: Audience = "everyone"
        stored = await self._store.offered(topic)
        if stored is None and standing == "member" and self.share_private:
            audience, stored = "members", await self._store.shared(topic)
        if stored is None or self._is_busy(stored.snapshot.key):
            return None
        _, served = await self._open(stored.snapshot, None, audience)
        if served.admits(standing) and topic not in self._opened and not self._is_busy(stored.snapshot.key):
            self._keep(served)
        return self._at_hand(topic, standing)

    def _at_hand(self, topic: SnapshotKey, standing: Standing) -> ServedTransfer | None:
        """What is open already, for such a peer."""
        if topic in self._opened:
            self._opened.move_to_end(topic)
        running = {one.served.topic: one.served for one in self._running.values()}
        served = running.get(topic) or self._opened.get(topic)
        return served if served is not None and served.admits(standing) else None

    async def lookup(
        self, hub: str, repo_type: str, repo: str, revision: str, standing: Standing
    ) -> tuple[SnapshotKey, str] | None:
        """The topic and commit of the snapshot that this node knows by this name, if such a peer may know."""
        members = standing == "member" and self.share_private
        stored = await self._store.find_offered(hub, repo_type, repo, revision, members=members)
        if stored is None:
            return None
        key = stored.snapshot.key
        return key if stored.public else private_topic(key), stored.snapshot.commit

    def forget(self, key: SnapshotKey) -> None:
        """What is open of a snapshot is out of date: it was removed from the store, or is about to change."""
        for topic in (key, private_topic(key)):
            self._opened.pop(topic, None)

    async def review(self) -> None:
        """Something takes a token by now: what is in use of it, or has content in common with it, is served
        to nobody any more who may not have it, and transfers leave their topics."""
        for served in list(self._in_use):
            await self._review(served)

    async def _review(self, served: ServedTransfer) -> None:
        """Who may have something by now can only be fewer: it goes on as it is when that is more."""
        if WIDTH[served.audience] <= WIDTH[await self._audience(served.snapshot.key)]:
            return
        served.close()
        if self._opened.get(served.topic) is served:
            del self._opened[served.topic]
        self._exchange.leave(served.topic)

    async def _audience(self, key: SnapshotKey) -> Audience:
        """Whom this node offers a snapshot to."""
        audience = await self._store.audience(key)
        return "nobody" if audience == "members" and not self.share_private else audience

    def _is_busy(self, key: SnapshotKey) -> bool:
        """Would what is read from the store now be out of date at once?"""
        return key in self._running or key in self._ending

    def is_running(self, key: SnapshotKey) -> bool:
        return key in self._running

    def _keep(self, served: ServedTransfer) -> None:
        self._opened[served.topic] = served
        while len(self._opened) > MAX_OPEN:
            self._opened.popitem(last=False)
