"""The demo hub with every fault a hub, a mirror or the network between was seen to have.

`FaultySite` has them without a socket, for tests under a virtual clock (`tests.hub.transport`); `FaultyHub`
on real ports. All switches are off at first and may be turned while requests run. Every request is kept.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlsplit

from swarm.cli.demo_hub import DemoHub
from swarm.cli.demo_repo import JSON, Content, Repository
from swarm.cli.demo_site import Answer, Body, HubSite, Pause, Request, as_json, refusal


@dataclass
class Faults:
    """What is wrong with a hub. `where` of a failure: "api", "file", "cdn" or "" for all of them."""

    token: str = ""
    """The one token that counts; anything else shown is answered 401."""
    private: bool = False
    gated: bool = False
    granted: bool = True
    """Whether the token's account has accepted the licence of what is gated."""
    disabled: bool = False
    renamed: dict[str, str] = field(default_factory=dict)
    """Old name -> name of a repository that is there."""

    status: int = 0
    """Answer with this status instead, as often as `times` says (-1: always)."""
    times: int = -1
    where: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before the headers of any answer."""

    ignore_range: bool = False
    range_as_200: bool = False
    """Ranges are honoured with status 200, as ModelScope does."""
    cut_after: int = -1
    """End a body after this many bytes, whatever its headers promised."""
    stall_after: int = -1
    """Send nothing more after this many bytes of a body, for `stall_seconds`."""
    stall_seconds: float = 3600.0
    rate: float = 0.0
    """Bytes a second of each connection by itself."""
    wrong_bytes: str = ""
    """Flip a bit in every block of the files whose path contains this."""
    wrong_size: int = 0
    """Bytes that are sent after the end of each file."""
    lacks: str = ""
    """Files whose path contains this are listed but not there."""
    xet: bool = False
    """Offer Xet in listings and headers, which this project does not take."""

    plain: bool = False
    """The info of a revision names its files and says no more of them."""
    link: str = "absolute"
    """Form of the link to the next page: "absolute", "relative", "foreign" (another host) or "loop"."""
    other_commit: bool = False
    """Give another commit than the one asked for."""
    files: dict[str, object] = field(default_factory=dict)
    """Entries of a tree to add or replace, by path; the info of a revision is `plain` then."""
    olah: bool = False
    """Answer as Olah 0.5.4 does for local mirrors (facts: mirrors, section 6)."""


class FaultySite(HubSite):
    """A `HubSite` with `faults`; `requests` holds ("hub" or "cdn", request) of all there were."""

    def __init__(self, *arguments: Any, faults: Faults | None = None, **keywords: Any) -> None:
        self.faults = faults or Faults()
        self.requests: list[tuple[str, Request]] = []
        super().__init__(*arguments, **keywords)

    def answer(self, request: Request) -> Answer:
        where = "api" if request.path.startswith("/api/") else "file"
        if request.path in ("/_stats", "/_control"):
            return self._administer(request)
        self.requests.append(("hub", request))
        faults = self.faults
        renamed = self._renamed(request)
        if failure := self._failure(where) or renamed:
            return failure
        if faults.token and request.token not in (None, faults.token):
            return refusal(401, "", "Invalid credentials in Authorization header")
        if faults.olah and "/tree/" in request.path and not request.path.endswith("/"):
            query = urlsplit(request.target).query
            return Answer(307, {"Location": f"{request.path}/?{query}", "Content-Length": "0"})
        answer = super().answer(request)
        if faults.olah and answer.status in (401, 404):
            return refusal(401, "RepoNotFound", "Repository Not Found")
        return replace(answer, delay=faults.delay)

    def answer_cdn(self, request: Request) -> Answer:
        self.requests.append(("cdn", request))
        return self._failure("cdn") or replace(super().answer_cdn(request), delay=self.faults.delay)

    def count(self, path: str) -> int:
        """Requests so far with this in their target, redirected ones counted at each host."""
        return sum(path in request.target for _, request in self.requests)

    def _administer(self, request: Request) -> Answer:
        if request.path == "/_control":
            self.set(json.loads(request.body))
        return as_json({"sent": self.sent, "total": self.sent.total(), "requests": len(self.requests)})

    def set(self, switches: Mapping[str, object]) -> None:
        """Turn switches by name; KeyError for one that does not exist."""
        unknown = set(switches) - {switch.name for switch in fields(Faults)}
        if unknown:
            raise KeyError(f"no such fault: {', '.join(sorted(unknown))}")
        self.faults = Faults(**asdict(self.faults) | dict(switches))

    def _failure(self, where: str) -> Answer | None:
        faults = self.faults
        if not faults.status or faults.times == 0 or faults.where not in ("", where):
            return None
        faults.times -= 1
        return Answer(faults.status, {"Content-Length": "0"} | faults.headers, delay=faults.delay)

    def _renamed(self, request: Request) -> Answer | None:
        for old, new in self.faults.renamed.items():
            if f"/{old}/" in request.target:
                location = request.target.replace(f"/{old}/", f"/{new}/", 1)
                return Answer(307, {"Location": location, "Content-Length": "0"})
        return None

    # --- what may be had ---

    def refuse(self, request: Request, repository: Repository | None, purpose: str) -> Answer | None:
        faults = self.faults
        if repository is None and request.token:
            return refusal(404, "RepoNotFound", "Repository not found")
        if repository is None or (faults.private and not request.token):
            return refusal(401, "RepoNotFound", "Invalid username or password.")
        if faults.disabled:
            return refusal(403, "", "Access to this resource is disabled.")
        if faults.gated and purpose == "file" and not request.token:
            return refusal(401, "GatedRepo", "Access to this model is restricted. Please log in.")
        if faults.gated and purpose == "file" and not faults.granted:
            return refusal(403, "GatedRepo", "You are not in the authorized list.")
        return None

    def info(self, repository: Repository) -> JSON:
        gated = "manual" if self.faults.gated else False
        return {**super().info(repository), "private": self.faults.private, "gated": gated}

    # --- what is listed ---

    def _revision(self, request: Request, kind: str, repo: str, revision: str = "main") -> Answer:
        answer = super()._revision(request, kind, repo, revision)
        if self.faults.plain or self.faults.files:
            answer = _changed(answer, _plain)
        if self.faults.other_commit:
            answer = _changed(answer, lambda value: value | {"sha": "0" * 40})
        return answer

    def _tree(self, request: Request, kind: str, repo: str, revision: str, path: str) -> Answer:
        answer = super()._tree(request, kind, repo, revision, path)
        if self.faults.xet:
            answer = _changed(answer, lambda value: [entry | {"xetHash": "ab" * 32} for entry in value])
        if self.faults.files:
            answer = _changed(answer, self._relisted)
        return answer

    def _relisted(self, entries: list[dict[str, Any]]) -> list[object]:
        kept = [entry for entry in entries if entry["path"] not in self.faults.files]
        return [*kept, *self.faults.files.values()]

    def link_next(self, request: Request, cursor: int) -> str:
        absolute = super().link_next(request, cursor)
        url = urlsplit(absolute.partition(">")[0][1:])
        match self.faults.link:
            case "relative":
                return f'<{url.path}?{url.query}>; rel="next"'
            case "foreign":
                return f'<https://elsewhere.test{url.path}?{url.query}>; rel="next"'
            case "loop":
                return super().link_next(request, 1)
            case _:
                return absolute

    # --- what is sent ---

    def _file(self, request: Request, kind: str, repo: str, revision: str, path: str) -> Answer:
        if self.faults.lacks and self.faults.lacks in path:
            return refusal(404, "EntryNotFound", "Entry not found")
        if self.faults.olah:
            return self._file_by_olah(request, kind, repo, revision, path)
        answer = super()._file(request, kind, repo, revision, path)
        if self.faults.xet:
            return replace(answer, headers={**answer.headers, "X-Xet-Hash": "ab" * 32})
        return answer

    def _file_by_olah(self, request: Request, kind: str, repo: str, revision: str, path: str) -> Answer:
        """200 without Content-Length and without ranges, the ETag bare."""
        found = self._find(request, "file", kind, repo, revision)
        if isinstance(found, Answer):
            return found
        content = found[0].commits[found[1]].get(path)
        if content is None:
            return refusal(404, "EntryNotFound", "Entry not found")
        asked = replace(request, headers={})
        answer = self.send(asked, f"{repo}/{path}", content, {"X-Repo-Commit": found[1]})
        kept = {name: value for name, value in answer.headers.items() if name == "X-Repo-Commit"}
        return replace(answer, headers=kept | {"ETag": content.etag})

    def send(self, request: Request, key: str, content: Content, told: Mapping[str, str]) -> Answer:
        faults = self.faults
        if faults.ignore_range:
            headers = {name: value for name, value in request.headers.items() if name != "range"}
            request = replace(request, headers=headers)
        answer = super().send(request, key, content, told)
        if faults.range_as_200 and answer.status == 206:
            answer = replace(answer, status=200)
        if faults.wrong_size and "Content-Range" not in answer.headers:
            length = int(answer.headers["Content-Length"]) + faults.wrong_size
            return replace(
                answer,
                headers={**answer.headers, "Content-Length": str(length)},
                body=[*answer.body, bytes(faults.wrong_size)],
            )
        if faults.wrong_size:
            span, _, size = answer.headers["Content-Range"].partition("/")
            longer = f"{span}/{int(size) + faults.wrong_size}"
            answer = replace(answer, headers={**answer.headers, "Content-Range": longer})
        flip = bool(faults.wrong_bytes) and faults.wrong_bytes in key
        return replace(answer, body=self._spoiled(answer.body, flip=flip))

    def _spoiled(self, body: Body, *, flip: bool) -> Iterator[bytes | Pause]:
        """The body as the faults have it, which may change while it runs."""
        sent = 0
        for block in body:
            if isinstance(block, Pause):
                yield block
                continue
            faults = self.faults
            if 0 <= faults.cut_after < sent + len(block):
                yield block[: faults.cut_after - sent]
                return
            if 0 <= faults.stall_after < sent + len(block):
                yield block[: max(0, faults.stall_after - sent)]
                yield Pause(faults.stall_seconds)
                return
            if faults.rate:
                yield Pause(len(block) / faults.rate)
            yield bytes([block[0] ^ 1]) + block[1:] if flip else block
            sent += len(block)


def _plain(info: dict[str, Any]) -> dict[str, Any]:
    return info | {"siblings": [{"rfilename": sibling["rfilename"]} for sibling in info["siblings"]]}


def _changed(answer: Answer, change: Any) -> Answer:
    """A JSON answer with its value changed."""
    if answer.status != 200:
        return answer
    value = json.loads(b"".join(block for block in answer.body if isinstance(block, bytes)))
    kept = {name: value for name, value in answer.headers.items() if name == "Link"}
    return as_json(change(value), headers=kept)


class FaultyHub(FaultySite, DemoHub):
    """The same on two real ports. `GET /_stats` tells what was sent, `POST /_control` turns switches."""

    def limit_send_buffer(self, count: int) -> None:
        """Let so many bytes wait in the socket of each connection to come: what waits was counted as sent,
        and is lost with the connection. The system's own limit is megabytes."""
        for server in self._servers:
            server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, count)
