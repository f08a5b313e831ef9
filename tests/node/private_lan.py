"""A site of whole nodes in front of a hub that takes a token: what `swarm get` comes to on each machine.

On top of `SiteLan` each machine has what answers a `get`: names, tokens, HTTP to the hub, in memory. Each has
a line of its own to the hub, which can be cut.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from protocol.ids import SnapshotKey
from protocol.limits import KIB
from swarm.cli.demo_repo import Repository
from swarm.config.settings import Settings
from swarm.node.node import Node
from swarm.transfer.requests import GetRequest, GetResult, Progress
from swarm.upstreams.http import open_client
from tests.exchange.nodes import Content
from tests.hub.faults import Faults, FaultySite
from tests.hub.transport import HubTransport, site, url
from tests.node.lan import Hub, lan
from tests.node.site_lan import SOON, SiteLan
from tests.upstreams.hubs import CHUNK, seeded

TOKEN: Final = "hf_Canary+in/the=coal%mine?0123456789"
"""What the hub takes, unless a test says otherwise. With signs that encodings write in another way."""

REPO: Final = "org/secret"

WEIGHTS: Final = seeded(5 * CHUNK + 1000)
CONFIG: Final = b'{"hidden_size": 8}'

HOSTS: Final = {"hub.test", "cdn.hub.test"}


class PrivateLan:
    """`repository` is what the hub has; `hub` tells what it sent. Machine 1 founds the site."""

    def __init__(
        self, site_lan: SiteLan, hub: FaultySite, repository: Repository, stack: AsyncExitStack
    ) -> None:
        self.site = site_lan
        self.hub = hub
        self.repository = repository
        self.nodes: dict[int, Node] = {}
        self.lines: dict[int, HubTransport] = {}
        self._stack = stack

    @property
    def sent(self) -> int:
        """Bytes of files that the hub sent so far."""
        return self.hub.sent.total()

    async def members(
        self,
        *numbers: int,
        share_private: bool = True,
        serves_open: bool = False,
        private_offline: str = "closed",
    ) -> None:
        """Start these machines as members of the site; 1 has to be the first."""
        for number in numbers:
            if number == 1:
                self.site.create(1)
            else:
                await self.site.join(number, self.site.invite(1))
            await self.start(
                number,
                share_private=share_private,
                serves_open=serves_open,
                private_offline=private_offline,
            )
        await trio.sleep(SOON)

    async def start(
        self,
        number: int,
        *,
        share_private: bool = True,
        serves_open: bool = False,
        private_offline: str = "closed",
    ) -> None:
        """Switch a machine on, of whatever site it belongs to."""
        under = await self.site.start(number, serves_open=serves_open, share_private=share_private)
        line = self.lines[number] = HubTransport(hub=self.hub)
        http = await self._stack.enter_async_context(open_client(transport=line))
        settings = Settings(
            home=self.site.folder(number).path.parent,
            endpoint=(url("hub"),),
            share_private=share_private,
            private_offline=private_offline,
        )
        self.nodes[number] = Node(
            settings,
            under.id,
            under.store,
            under.transfers,
            under.exchange,
            http,
            upstream_limit=None,
            listening=list,
        )

    async def get(
        self, number: int, token: str | None = TOKEN, revision: str | None = None
    ) -> dict[str, int]:
        """`swarm get` on a machine: bytes by the kind of who sent them. What is had is what the hub has."""
        result = await self.result(number, token, revision)
        assert contents(result)["weights.safetensors"] in (WEIGHTS, WEIGHTS[::-1])
        count: dict[str, int] = {}
        for source in result.sources:
            count[source.kind] = count.get(source.kind, 0) + source.bytes
        return count

    async def result(self, number: int, token: str | None = TOKEN, revision: str | None = None) -> GetResult:
        def ignore(report: Progress) -> None:
            pass

        return await self.nodes[number].get(GetRequest("hf", REPO, revision=revision, token=token), ignore)

    def cut_off(self, number: int) -> None:
        """This machine reaches the hub no more."""
        self.lines[number].down |= HOSTS

    async def key(self, number: int) -> SnapshotKey:
        """The snapshot that this machine remembered last."""
        summaries = await self.site.lan.nodes[number].store.snapshots()
        return summaries[0].key

    async def audience(self, number: int) -> str:
        """Whom this machine may offer it to, at most."""
        store = self.site.lan.nodes[number].store
        return await store.audience(await self.key(number))


def contents(result: GetResult) -> dict[str, bytes]:
    """What lies in the store, by path in the repository."""
    return {file.path: Path(file.stored).read_bytes() for file in result.files}


@asynccontextmanager
async def private_lan(root: Path, faults: Faults | None = None) -> AsyncIterator[PrivateLan]:
    """A LAN without machines, and a hub that gives `REPO` for TOKEN alone."""
    repository = Repository(REPO, {"config.json": CONFIG, "weights.safetensors": WEIGHTS})
    hub = site("hub", repository, faults=faults or Faults(token=TOKEN, private=True))
    unused = Content(KIB)
    async with lan(root / "stores", unused, Hub(unused)) as made, AsyncExitStack() as stack:
        yield PrivateLan(SiteLan(made, root / "homes"), hub, repository, stack)
