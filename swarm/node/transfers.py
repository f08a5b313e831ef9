"""The transfers of a node: one a snapshot, shared by every `get` that wants it, open to peers.

This is also the node's catalog: what other nodes may ask for is a transfer that runs, or one opened
from the store to be read from. Snapshots that take a token to download are never on offer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import trio

from protocol.ids import SnapshotKey
from protocol.manifest import Snapshot
from protocol.signing import Identity
from swarm.exchange.exchange import Exchange
from swarm.store import Store
from swarm.transfer.orders import Upstream
from swarm.transfer.served import ServedTransfer
from swarm.transfer.transfer import Transfer
from swarm.workers import Workers

MAX_OPEN: Final = 16
"""Snapshots kept open to be read from: some MB of digests each; more are opened again when asked for."""


@dataclass(slots=True)
class _Running:
    """A transfer with `users` that want something of it. `ended`: it is over and has left its topic."""

    transfer: Transfer
    served: ServedTransfer
    public: bool
    users: int = 0
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)


class Transfers:
    """Runs transfers and serves snapshots; also the `Catalog` of the exchange."""

    def __init__(
        self, store: Store, identity: Identity, workers: Workers, settle_left: Callable[[], float]
    ) -> None:
        self._store = store
        self._identity = identity
        self._workers = workers
        self._settle_left = settle_left
        self._running: dict[SnapshotKey, _Running] = {}
        self._ending: dict[SnapshotKey, _Running] = {}
        self._opened: OrderedDict[SnapshotKey, ServedTransfer] = OrderedDict()
        self._starting: dict[SnapshotKey, trio.Lock] = {}

    def start(self, nursery: trio.Nursery, exchange: Exchange) -> None:
        """Transfers run in this nursery and talk over this exchange."""
        self._nursery = nursery
        self._exchange = exchange

    # --- for `get` --------------------------------------------------------------------------------

    @asynccontextmanager
    async def use(
        self, snapshot: Snapshot, upstream: Upstream | None, *, public: bool
    ) -> AsyncIterator[Transfer]:
        """The running transfer of a snapshot, for as long as somebody uses it."""
        running = await self._running_for(snapshot, upstream, public)
        try:
            yield running.transfer
        finally:
            running.users -= 1
            if not running.users:
                self._end(snapshot.key, running)

    async def _running_for(self, snapshot: Snapshot, upstream: Upstream | None, public: bool) -> _Running:
        key = snapshot.key
        async with self._starting.setdefault(key, trio.Lock()):
            running = self._running.get(key)
            if running is None:
                running = await self._start(snapshot, upstream, public)
            elif upstream is not None:
                running.transfer.offer_upstream(upstream)
            running.users += 1
            return running

    async def _start(self, snapshot: Snapshot, upstream: Upstream | None, public: bool) -> _Running:
        """A new transfer, once the one before it is over: what that had under way may take a moment."""
        key = snapshot.key
        if key in self._ending:
            await self._ending[key].ended.wait()
        transfer, served = await self._open(snapshot, upstream)
        running = self._running[key] = _Running(transfer, served, public)
        self._opened.pop(key, None)
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
        if running.public:
            self._keep(key, running.served)

    async def _run(
        self, running: _Running, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        key, transfer = running.transfer.snapshot.key, running.transfer
        distrust = self._exchange.distrust
        try:
            with running.scope:
                if not running.public:
                    await transfer.run(None, distrust, task_status=task_status)
                else:
                    with self._exchange.join(key, transfer.book.digest) as topic:
                        await transfer.run(topic, distrust, task_status=task_status)
        finally:
            running.ended.set()
            self._ending.pop(key, None)

    async def _open(self, snapshot: Snapshot, upstream: Upstream | None) -> tuple[Transfer, ServedTransfer]:
        transfer = Transfer(
            snapshot,
            store=self._store,
            identity=self._identity,
            workers=self._workers,
            upstream=upstream,
            settle=self._settle_left(),
        )
        await transfer.open()
        return transfer, ServedTransfer(transfer, self._store, self._identity)

    # --- for peers: the catalog -------------------------------------------------------------------

    async def open(self, topic: SnapshotKey) -> ServedTransfer | None:
        """The topic as it can be served now; None when it is unknown or not for everybody."""
        if (served := self._at_hand(topic)) is not None:
            return served
        stored = await self._store.offered(topic)
        if stored is None:
            return None
        _, served = await self._open(stored.snapshot, None)
        if (first := self._at_hand(topic)) is not None:
            return first
        self._keep(topic, served)
        return served

    def _at_hand(self, topic: SnapshotKey) -> ServedTransfer | None:
        """What is on offer without a look into the store."""
        running = self._running.get(topic)
        if running is not None:
            return running.served if running.public else None
        if topic in self._opened:
            self._opened.move_to_end(topic)
        return self._opened.get(topic)

    async def lookup(
        self, hub: str, repo_type: str, repo: str, revision: str
    ) -> tuple[SnapshotKey, str] | None:
        """The key and commit of the public snapshot that this node knows by this name."""
        stored = await self._store.find_offered(hub, repo_type, repo, revision)
        if stored is None:
            return None
        return stored.snapshot.key, stored.snapshot.commit

    def forget(self, key: SnapshotKey) -> None:
        """The snapshot was removed from the store."""
        self._opened.pop(key, None)

    def hide(self, keys: Iterable[SnapshotKey]) -> None:
        """These take a token by now: they are served no more, and what is open is looked at anew, as it may
        have content in common with them."""
        hidden = set(keys)
        for key in hidden & self._running.keys():
            self._running[key].public = False
        if hidden:
            self._opened.clear()

    def is_running(self, key: SnapshotKey) -> bool:
        return key in self._running

    def _keep(self, key: SnapshotKey, served: ServedTransfer) -> None:
        self._opened[key] = served
        while len(self._opened) > MAX_OPEN:
            self._opened.popitem(last=False)
