"""The control connection of a pair: who takes part in which topic, and the small questions.

What a peer says of a topic goes to the transfers that joined it; what it asks is answered here, from the
catalog. The reader never waits for an answer to be worked out: a second task does that, in order, and
writes large answers no faster than the peer reads them. A third keeps the link alive.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from protocol.ids import NodeId, SnapshotKey
from protocol.limits import MAX_RANGES
from protocol.messages import (
    Absent,
    BadMessage,
    Belongs,
    Bye,
    Claims,
    Found,
    Granted,
    HaveMap,
    Join,
    Leave,
    Lookup,
    NeedClaims,
    Peers,
    Ping,
    Pong,
    Redeem,
    Renew,
    Revoked,
    Seek,
)
from protocol.signing import BadSignature, check_claims
from protocol.standing import Standing
from swarm.exchange.interfaces import Catalog, PeerMessage, TopicMessage
from swarm.exchange.link import Link
from swarm.exchange.offered import Offered
from swarm.exchange.outbox import Message
from swarm.exchange.spans import map_segments
from swarm.sources.address import Address

PING_SECONDS: Final = 5.0
"""Silence after which a peer is asked for a sign of life."""

LINK_DEAD_SECONDS: Final = 15.0
"""Silence after which a link is given up: three pings, as a busy node may be late with one. Bytes that make
no message are silence too; the longest message then has to come at 9 kB/s."""

LEAST_PAUSE_SECONDS: Final = 0.25
"""Least time between two looks at how long a peer has been silent."""

PROBE_SECONDS: Final = 2.0
"""Time for a sign of life when another connection of the same pair stands in line."""

MAX_WANTED_TOPICS: Final = 1024
"""Topics that one peer may want at a time, as far as others are told: a node fetches a few."""

MAX_QUESTIONS: Final = 1024
"""Questions of one peer that wait for an answer: a node asks a few at a time."""

MAX_QUESTION_RANGES: Final = 16 * MAX_RANGES
"""Ranges in all of these together, which are what they weigh: some 8 MB. A node asks for the digests of a few
thousand chunks at a time."""

MAX_HELD_BACK: Final = 64
"""Messages about one topic that wait for this node's own Join to go out before them, the latest: the lease is
told once a second, what is being fetched a few times a second, and a Join waits for a look into the store."""

log = logging.getLogger(__name__)


class Hub(Protocol):
    """What a control session needs of the exchange."""

    def active(self, topic: SnapshotKey, peer: NodeId) -> bool:
        """Has a transfer joined this topic, in which this peer may take part?"""
        ...

    async def heard(self, topic: SnapshotKey, event: PeerMessage) -> None:
        """Pass this on to the transfer that joined the topic, if there is one for this peer; may wait."""
        ...

    def shared(self, peer: NodeId) -> None:
        """The peer and this node take part in the same topic."""
        ...

    def told_of(self, session: ControlSession, message: Peers) -> None:
        """The peer names other nodes."""
        ...

    def found(self, peer: NodeId, message: Found) -> None:
        """The peer answers a Lookup."""
        ...

    def turned_away(self, peer: NodeId) -> None:
        """The peer has links enough without this one."""
        ...

    async def sought(self, session: ControlSession, message: Seek) -> None:
        """The peer seeks company in a topic, or passes on that another does."""
        ...

    def company_changed(self, topic: SnapshotKey) -> None:
        """The peer wants this topic, or does no more."""
        ...

    def told_of_site(self, session: ControlSession, message: Belongs | Revoked | Granted) -> None:
        """The peer shows another badge, passes on a revocation list, or answers a Renew."""
        ...

    async def renewal(self, session: ControlSession) -> Granted:
        """The answer to a peer that wants its membership renewed."""
        ...


@dataclass(frozen=True, slots=True)
class _Announce:
    """Say how this node takes part in a topic. `with_map`: and what it holds."""

    topic: SnapshotKey
    ask: bool
    with_map: bool = True


Job = _Announce | NeedClaims | Lookup | Seek | Renew


class ControlSession:
    """One control connection. `mine`: this node dialled it. `address`: where the peer can be dialled.

    `standing`, `badge`: how the peer stands to this node, by the badge it showed last. `offered`: what it
    may have of the catalog for that. `replaced`: another connection takes its place. `audience`: topics in
    which the peer wants to hear of this node. `wanting`: topics of which it says that it lacks chunks.
    `finished` is set once all traces of the session are gone.
    """

    def __init__(
        self,
        link: Link,
        address: Address | None,
        catalog: Catalog,
        hub: Hub,
        *,
        mine: bool,
        clock: Callable[[], float],
    ) -> None:
        self.link = link
        self.peer = link.node_id
        self.address = address
        self.mine = mine
        self.since = clock()
        self.replaced = False
        self.badge = link.peer.hello.membership
        self.standing: Standing = "open"
        self.audience: set[SnapshotKey] = set()
        self.wanting: set[SnapshotKey] = set()
        self._held_back: dict[SnapshotKey, deque[Message]] = {}
        self.finished = trio.Event()
        self.offered = Offered(catalog, lambda: self.standing)
        self._hub = hub
        self._clock = clock
        self._jobs: deque[Job] = deque()
        self._filled = trio.lowlevel.ParkingLot()
        self._nonce = 0
        self._acting = False
        self._told_at = self.since

    async def run(self) -> None:
        """Exchange messages until the link is cut."""
        await self.link.run(self._handle, self._work, self._keep_alive)

    def announce(self, topic: SnapshotKey) -> None:
        """Tell the peer that this node takes part, and ask whether it does."""
        self._queue(_Announce(topic, ask=True))

    def part(self, topic: SnapshotKey) -> None:
        """The transfer is over: tell the peer how this node takes part from now on, or that it leaves."""
        if topic in self.audience:
            self._queue(_Announce(topic, ask=False, with_map=False))

    def leave(self, topic: SnapshotKey) -> None:
        """This node takes part no more in a topic, as far as the peer may know."""
        self._held_back.pop(topic, None)
        if topic in self.audience:
            self.audience.discard(topic)
            self.link.post(Leave(topic))

    def tell(self, topic: SnapshotKey, message: Message) -> None:
        """Say something about a topic, if the peer wants to hear of it; once it knows that this node takes
        part, for it heeds nobody who does not."""
        if topic in self.audience:
            self.link.post(message)
        elif topic in self._held_back:
            self._held_back[topic].append(message)

    def counts_among(self, topic: SnapshotKey) -> bool:
        """Does the peer lack chunks of a topic that it hears, or is about to hear, of this node?"""
        return topic in self.wanting and (topic in self.audience or topic in self._held_back)

    async def probe(self) -> bool:
        """Does the peer still answer here? Returns within PROBE_SECONDS."""
        self._ping()
        with trio.move_on_after(PROBE_SECONDS):
            await self.link.news()
            return self.link.end is None
        return False

    # --- what the peer says --------------------------------------------------------------------------

    async def _handle(self, message: Message) -> None:
        self._acting = True
        try:
            await self._act(message)
        finally:
            self._acting = False
            self._told_at = self._clock()

    async def _act(self, message: Message) -> None:
        match message:
            case Ping():
                self.link.post(Pong(message.nonce))
            case Peers():
                self._hub.told_of(self, message)
            case Found():
                self._hub.found(self.peer, message)
            case Bye(reason):
                self._hub.turned_away(self.peer)
                self.link.cut(f"the peer says goodbye: {reason}")
            case Belongs() | Revoked() | Granted():
                self._hub.told_of_site(self, message)
            case NeedClaims() | Lookup() | Seek() | Renew():
                self._question(message)
            case Redeem():
                self.link.cut("a token on a connection that is not for admission", fault=True)
            case Claims():
                await self._claims(message)
            case _ if isinstance(message, TopicMessage):
                self._membership(message)
                await self._hub.heard(message.topic, PeerMessage(self.peer, message))

    def _membership(self, message: TopicMessage) -> None:
        match message:
            case Join():
                self._wants(message.topic, wants=message.wants)
                if message.ask:
                    self.audience.discard(message.topic)  # it begins anew, and knows of nobody yet
                    self._question(_Announce(message.topic, ask=False))
                elif message.topic in self.audience:
                    self._hub.shared(self.peer)
            case Absent() | Leave():
                self._wants(message.topic, wants=False)
                self.audience.discard(message.topic)

    def _wants(self, topic: SnapshotKey, *, wants: bool) -> None:
        if wants == (topic in self.wanting) or (wants and len(self.wanting) >= MAX_WANTED_TOPICS):
            return
        self.wanting ^= {topic}
        self._hub.company_changed(topic)

    async def _claims(self, message: Claims) -> None:
        if not self._hub.active(message.topic, self.peer):
            return
        try:
            signer = check_claims(message)
        except BadSignature as error:
            self.link.cut(str(error), fault=True)
            return
        await self._hub.heard(message.topic, PeerMessage(self.peer, message, signer))

    def _question(self, job: Job) -> None:
        ranges = sum(len(job.ranges) for job in (*self._jobs, job) if isinstance(job, NeedClaims))
        if len(self._jobs) >= MAX_QUESTIONS or ranges > MAX_QUESTION_RANGES:
            self.link.cut("the peer asks more than it lets us answer", fault=True)
        else:
            self._queue(job)

    # --- answers -------------------------------------------------------------------------------------

    def _queue(self, job: Job) -> None:
        if job not in self._jobs:
            if isinstance(job, _Announce) and job.with_map and job.topic not in self.audience:
                self._held_back.setdefault(job.topic, deque(maxlen=MAX_HELD_BACK))
            self._jobs.append(job)
            self._filled.unpark()

    async def _work(self) -> None:
        while True:
            while not self._jobs:
                await self._filled.park()
            match self._jobs.popleft():
                case _Announce() as job:
                    await self._announce(job)
                case NeedClaims() as question:
                    await self._answer_claims(question)
                case Lookup() as question:
                    await self._answer_lookup(question)
                case Seek() as question:
                    await self._hub.sought(self, question)
                case Renew():
                    self.link.post(await self._hub.renewal(self))

    async def _announce(self, job: _Announce) -> None:
        """Join and map leave in one go, so that whatever changes afterwards reaches the peer after them."""
        served = await self.offered.open(job.topic)
        held_back = self._held_back.pop(job.topic, ()) if job.with_map else ()
        if served is None:
            self.audience.discard(job.topic)
            if not job.with_map:
                self.link.post(Leave(job.topic))
            elif not job.ask:
                self.link.post(Absent(job.topic))
            return
        self.link.post(Join(job.topic, served.wants, served.can_fetch, job.ask))
        if job.with_map:
            self.audience.add(job.topic)
            for first, bits in map_segments(served.have):
                self.link.post(HaveMap(job.topic, first, bits))
            for message in held_back:
                self.link.post(message)
        if not job.ask:
            self._hub.shared(self.peer)

    async def _answer_claims(self, question: NeedClaims) -> None:
        served = await self.offered.open(question.topic)
        if served is not None:
            for claims in served.claims(question.ranges):
                await self.link.put(claims)

    async def _answer_lookup(self, question: Lookup) -> None:
        name = (question.hub, question.repo_type, question.repo, question.revision)
        topic, commit = await self.offered.lookup(*name) or (None, "")
        try:
            self.link.post(Found(question.request, topic, commit))
        except BadMessage:  # a commit that no message can carry
            self.link.post(Found(question.request, None, ""))

    # --- keepalive -----------------------------------------------------------------------------------

    def _ping(self) -> None:
        self._nonce += 1
        self.link.post(Ping(self._nonce))

    async def _keep_alive(self) -> None:
        while True:
            silence = 0.0 if self._acting else self._clock() - self._told_at
            if silence >= LINK_DEAD_SECONDS:
                self.link.cut(f"silent for {LINK_DEAD_SECONDS:.0f} seconds")
            elif silence >= PING_SECONDS:
                self._ping()
            until_next = PING_SECONDS - silence % PING_SECONDS
            await trio.sleep(max(LEAST_PAUSE_SECONDS, until_next))
