"""The Hugging Face hub and whatever speaks its API: mirrors, Olah, another swarm's gateway.

`resolve` turns a name and a revision into a snapshot with one call for the commit, which carries size and
digest of every file, or else a listing of the tree at that commit. Endpoints are asked in order until one
gives all of it; a token is shown only to an endpoint that refuses to answer without (see `Endpoint`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

import trio

from protocol.limits import MAX_FILES
from protocol.manifest import BadManifest, File, RepoType, Snapshot
from swarm.errors import SwarmError, UsageError
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.http import Client, Http, Reply
from swarm.upstreams.listing import COMMIT, Info, next_page, parse_info, parse_page
from swarm.upstreams.trouble import Asked, BadAnswer, Refused, Trouble, Unavailable, refusal, verdict

HUB_NAME: Final = "hf"

ATTEMPTS: Final = 4
"""Rounds for an endpoint that answers that it cannot just now."""

ATTEMPTS_UNANSWERED: Final = 2
"""Rounds for one that cannot be reached: the second makes up for a lost packet, a third for nothing."""

FIRST_PAUSE_SECONDS: Final = 1.0
"""Before the second round when nobody said how long to wait; doubled each round."""

LONGEST_PAUSE_SECONDS: Final = 310.0
"""What an endpoint may ask us to wait: the Hub's quotas are counted over five minutes."""

MAX_PAGES: Final = 20_000
"""MAX_FILES at 50 entries a page, the smallest page the Hub uses."""

REPO_NAME: Final = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
"""`namespace/name`, or one name for the oldest models (gpt2)."""


@dataclass(frozen=True)
class Resolved:
    """A snapshot, and how it was found.

    ref: the branch, tag or `refs/…` that was asked for, as it was asked for; None for a commit id.
    public: anyone may have it without a token. endpoint: whose listing it is.
    renamed_to: what the hub calls the repository by now, when it is not the name that was asked for.
    """

    snapshot: Snapshot
    ref: str | None
    public: bool
    endpoint: str
    renamed_to: str | None = None


class HuggingFace:
    """One hub by its endpoints, the first being the one whose word counts most.

    `notify` is told, in a sentence, why something takes longer.
    """

    name = HUB_NAME

    def __init__(
        self,
        client: Client,
        endpoints: Sequence[Endpoint],
        *,
        notify: Callable[[str], None] = lambda text: None,
    ) -> None:
        if not endpoints:
            raise UsageError("a hub needs at least one endpoint")
        self.http = Http(client)
        self.endpoints = tuple(endpoints)
        self._notify = notify

    async def resolve(self, repo: str, repo_type: RepoType = "model", revision: str = "main") -> Resolved:
        """The snapshot that `revision` (branch, tag, commit, `refs/pr/1`) is at this moment.

        Raises NotFound, NotAllowed, NoSource, UsageError; SwarmError when its file names are unsafe.
        """
        if not REPO_NAME.fullmatch(repo) or ".." in repo:
            raise UsageError(f"{repo!r} is no repository name", "Names look like Qwen/Qwen2.5-7B.")
        said: dict[Endpoint, Trouble] = {}
        for attempt in range(ATTEMPTS):
            for endpoint in self.endpoints:
                if attempt and not _worth_another(said[endpoint], attempt):
                    continue
                asked = _Question(self.http, Asked(endpoint, repo, revision), repo_type)
                try:
                    return await asked.resolve()
                except Trouble as trouble:
                    said[endpoint] = trouble
            pause = _pause(said, attempt + 1)
            if pause is None:
                break
            self._notify(_why(said, pause))
            await trio.sleep(pause)
        raise verdict(repo, [(endpoint, said[endpoint]) for endpoint in self.endpoints])

    def file_url(self, endpoint: Endpoint, snapshot: Snapshot, path: str) -> str:
        """Where a file of a snapshot is to be had."""
        return _file_url(endpoint, snapshot, path)


def _file_url(endpoint: Endpoint, snapshot: Snapshot, path: str) -> str:
    prefix = "" if snapshot.repo_type == "model" else f"{snapshot.repo_type}s/"
    return f"{endpoint.url}/{prefix}{quote(snapshot.repo)}/resolve/{snapshot.commit}/{quote(path)}"


def _worth_another(trouble: Trouble, attempt: int) -> bool:
    """Whether an endpoint that gave this trouble is asked in round number `attempt`, counted from 0."""
    if not isinstance(trouble, Unavailable) or (trouble.retry_after or 0) > LONGEST_PAUSE_SECONDS:
        return False
    return attempt < (ATTEMPTS if trouble.answered else ATTEMPTS_UNANSWERED)


def _pause(said: dict[Endpoint, Trouble], attempt: int) -> float | None:
    """Seconds until round number `attempt`, or None when there is nothing to wait for.

    There is not when the first endpoint, or any that knows the repository, has refused.
    """
    refused = [trouble for trouble in said.values() if isinstance(trouble, Refused) and not trouble.ambiguous]
    if attempt >= ATTEMPTS or refused or isinstance(next(iter(said.values())), Refused):
        return None
    backoff = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
    waits = [
        backoff if trouble.retry_after is None else trouble.retry_after
        for trouble in said.values()
        if isinstance(trouble, Unavailable) and _worth_another(trouble, attempt)
    ]
    return min(waits, default=None)


def _why(said: dict[Endpoint, Trouble], pause: float) -> str:
    reasons = "; ".join(f"{endpoint}: {trouble.reason}" for endpoint, trouble in said.items())
    return f"{reasons}; trying again in {pause:.0f} s"


T = TypeVar("T")


class _Question:
    """One endpoint, asked for one revision of one repository."""

    def __init__(self, http: Http, asked: Asked, repo_type: RepoType) -> None:
        self._http = http
        self._asked = asked
        self._repo_type: RepoType = repo_type
        self._api = f"{asked.endpoint.url}/api/{repo_type}s/{quote(asked.repo)}"
        self._authorized = False

    async def resolve(self) -> Resolved:
        """Raises Trouble."""
        info = await self._info()
        files = info.files if info.files is not None else await self._tree(info.commit)
        asked = self._asked
        try:
            snapshot = Snapshot(HUB_NAME, self._repo_type, asked.repo, info.commit, tuple(files))
        except BadManifest as error:
            raise Refused(_unusable(asked, error)) from error
        public = info.open and not self._authorized
        if not info.open:
            await self._try_access(snapshot)
        return Resolved(
            snapshot,
            None if asked.revision == info.commit else asked.revision,
            public,
            asked.endpoint.url,
            info.name if info.name and info.name != asked.repo else None,
        )

    async def _info(self) -> Info:
        reply = await self._get(f"{self._api}/revision/{quote(self._asked.revision, safe='')}?blobs=true")
        info = parse_info(await _json(reply))
        if COMMIT.fullmatch(self._asked.revision) and info.commit != self._asked.revision:
            raise BadAnswer(f"it gives commit {info.commit} for {self._asked.revision}")
        return info

    async def _tree(self, commit: str) -> list[File]:
        """All files, page after page."""
        files: list[File] = []
        seen: set[str] = set()
        url: str | None = f"{self._api}/tree/{commit}?recursive=true&expand=false"
        while url:
            if url in seen or len(seen) > MAX_PAGES or len(files) > MAX_FILES:
                raise BadAnswer("a listing without end")
            seen.add(url)
            reply = await self._get(url)
            try:
                files += parse_page(await _json(reply))
            except BadManifest as error:
                raise Refused(_unusable(self._asked, error)) from error
            url = next_page(self._asked.endpoint, url, reply.url, reply.headers)
        return files

    async def _try_access(self, snapshot: Snapshot) -> None:
        """Anyone may list a gated repository: ask for one byte of it, to hear a refusal now."""
        file = next((file for file in snapshot.files if file.blob.size), None)
        if file:
            reply = await self._get(_file_url(self._asked.endpoint, snapshot, file.path), byte_range=(0, 1))
            await reply.aclose()

    async def _get(self, url: str, byte_range: tuple[int, int] | None = None) -> Reply:
        """A 2xx answer; asks again with the endpoint's credential when it is refused without."""
        try:
            return await self._ask(url, byte_range)
        except Refused:
            if self._authorized or not self._asked.endpoint.authorization:
                raise
            self._authorized = True
            return await self._ask(url, byte_range)

    async def _ask(self, url: str, byte_range: tuple[int, int] | None) -> Reply:
        endpoint = self._asked.endpoint
        reply = await self._http.get(endpoint, url, authorized=self._authorized, byte_range=byte_range)
        if 200 <= reply.status < 300:
            return reply
        await reply.discard()
        raise refusal(self._asked, reply.status, reply.headers, authorized=self._authorized)


async def _json(reply: Reply) -> object:
    try:
        return await reply.json()
    finally:
        await reply.aclose()


def _unusable(asked: Asked, error: BadManifest) -> SwarmError:
    return SwarmError(
        f"{asked.repo} cannot be stored safely: {error}",
        "Its owner must rename that file; no option overrides this.",
    )
