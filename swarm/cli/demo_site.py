"""What a Hugging Face hub answers, without a socket: requests in, answers out.

`HubSite.answer` is what the hub's host says, `answer_cdn` what the host says that large files are
redirected to. Paths, headers, redirects and error codes are those that huggingface_hub 0.23 to 2.4 was
seen to need: a small file is redirected to `/api/resolve-cache/…` on the same host, a file kept in LFS
to a signed URL on the other host that expires, and what a listing says about a file suffices to check it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from swarm.cli.demo_repo import JSON, Content, Repository, tree_entries

PAGE_ENTRIES: Final = 1000
"""Entries of one page of a tree, as on the Hub."""

LINK_SECONDS: Final = 3600.0
"""How long a signed URL works, as on the Hub."""


@dataclass(frozen=True)
class Request:
    """What a client asked: `target` is the path and query as sent; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def token(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else None


@dataclass(frozen=True)
class Pause:
    """In a body: send nothing for this long."""

    seconds: float


Body = Iterable[bytes | Pause]


@dataclass(frozen=True)
class Answer:
    """What goes back. A body without Content-Length is sent chunked; one that is short of it is cut off."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = ()
    payload: bool = False
    """The body is a file's bytes: a throttle holds it back."""
    delay: float = 0.0
    """Seconds before the headers."""


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(value).encode()
    told = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(body))}
    return Answer(status, told | dict(headers or {}), [body])


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error as the Hub tells it; an empty `code` leaves the header out."""
    told = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    return as_json({"error": message}, status, told | dict(headers or {}))


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, stop) of a single byte range; None without one; ValueError when no byte of it exists."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if not match or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    start, stop = int(first), min(size, int(last) + 1) if last else size
    if start >= stop:
        raise ValueError(header)
    return start, stop


_REPO = r"(?P<repo>[^/]+(?:/[^/]+)?)"
_API = rf"/api/(?P<kind>models|datasets|spaces)/{_REPO}"
ROUTES: Final = (
    ("GET", "harnesses", re.compile(r"/api/agent-harnesses")),
    ("GET", "revision", re.compile(rf"{_API}/revision/(?P<revision>[^/]+)")),
    ("GET", "tree", re.compile(rf"{_API}/tree/(?P<revision>[^/]+)(?:/(?P<path>.*))?")),
    ("POST", "paths_info", re.compile(rf"{_API}/paths-info/(?P<revision>[^/]+)")),
    ("GET", "refs", re.compile(rf"{_API}/refs")),
    ("GET", "cached", re.compile(r"/api/resolve-cache(?P<rest>/.+)")),
    ("GET", "revision", re.compile(_API)),
    (
        "GET",
        "file",
        re.compile(rf"/(?:(?P<kind>datasets|spaces)/)?{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)"),
    ),
)
"""(method, method of HubSite, pattern of the path); HEAD counts as GET. The first that matches answers."""


class HubSite:
    """Answers as the Hub does, for these repositories. Subclasses put faults in (tests/hub)."""

    def __init__(
        self, repositories: Iterable[Repository], *, cdn_url: str = "", now: Callable[[], float] = time.time
    ) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {
            (repository.kind, repository.name): repository for repository in repositories
        }
        self.cdn_url = cdn_url
        self.page_entries = PAGE_ENTRIES
        self.link_seconds = LINK_SECONDS
        self.sent: Counter[str] = Counter()
        """Bytes of files sent so far, by `repo/path`."""
        self._now = now
        self._secret = secrets.token_hex(16)

    # --- the hub's host ---

    def answer(self, request: Request) -> Answer:
        method = "GET" if request.method == "HEAD" else request.method
        for wanted, name, pattern in ROUTES:
            match = pattern.fullmatch(request.path)
            if match and wanted == method:
                fields = {key: unquote(value or "") for key, value in match.groupdict().items()}
                answer: Answer = getattr(self, f"_{name}")(request, **fields)
                return answer
        return refusal(404, "", "Sorry, we can't find the page you are looking for.")

    def refuse(self, request: Request, repository: Repository | None, purpose: str) -> Answer | None:
        """An answer instead of the one asked for, or None. purpose: "info", "tree" or "file"."""
        if repository is None:
            return refusal(401, "RepoNotFound", "Invalid username or password.")
        return None

    def info(self, repository: Repository) -> JSON:
        """What the hub says of a repository whatever the revision."""
        return {"id": repository.name, "private": False, "gated": False, "disabled": False, "tags": []}

    def _find(
        self, request: Request, purpose: str, kind: str, repo: str, revision: str
    ) -> tuple[Repository, str] | Answer:
        repository = self.repositories.get(((kind or "models")[:-1], repo))
        refused = self.refuse(request, repository, purpose)
        if refused or repository is None:
            return refused or refusal(404, "RepoNotFound", "Repository not found")
        commit = repository.resolve(revision)
        if commit is None:
            return refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository, commit

    def _harnesses(self, request: Request) -> Answer:
        return as_json({"standardEnvVars": [], "harnesses": {}})

    def _revision(self, request: Request, kind: str, repo: str, revision: str = "main") -> Answer:
        found = self._find(request, "info", kind, repo, revision)
        if isinstance(found, Answer):
            return found
        repository, commit = found
        blobs = request.query.get("blobs", "").lower() == "true"
        siblings = [
            {"rfilename": path, **(_sibling_blob(content) if blobs else {})}
            for path, content in repository.commits[commit].items()
        ]
        return as_json({**self.info(repository), "sha": commit, "siblings": siblings})

    def _refs(self, request: Request, kind: str, repo: str) -> Answer:
        found = self._find(request, "info", kind, repo, "main")
        if isinstance(found, Answer):
            return found
        groups: dict[str, list[JSON]] = {"branches": [], "converts": [], "tags": [], "pullRequests": []}
        prefixes = {
            "refs/heads/": "branches",
            "refs/convert/": "converts",
            "refs/tags/": "tags",
            "refs/pr/": "pullRequests",
        }
        for ref, commit in found[0].refs.items():
            for prefix, group in prefixes.items():
                if ref.startswith(prefix):
                    groups[group].append(
                        {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": commit}
                    )
        if request.query.get("include_prs", "") in ("", "0"):
            del groups["pullRequests"]
        return as_json(groups)

    def _tree(self, request: Request, kind: str, repo: str, revision: str, path: str) -> Answer:
        found = self._find(request, "tree", kind, repo, revision)
        if isinstance(found, Answer):
            return found
        repository, commit = found
        recursive = request.query.get("recursive", "").lower() in ("true", "1")
        entries = tree_entries(repository.commits[commit], path.strip("/"), recursive=recursive)
        if path and not entries:
            return refusal(404, "EntryNotFound", f"{path} does not exist on {revision}")
        start = int(request.query.get("cursor", "0"))
        stop = start + self.page_entries
        following = {"Link": self.link_next(request, stop)} if stop < len(entries) else {}
        return as_json(entries[start:stop], headers=following)

    def link_next(self, request: Request, cursor: int) -> str:
        """The Link header that leads to the page from entry number `cursor` on."""
        query = urlencode(request.query | {"cursor": str(cursor)})
        return f'<http://{request.headers.get("host", "")}{request.path}?{query}>; rel="next"'

    def _paths_info(self, request: Request, kind: str, repo: str, revision: str) -> Answer:
        found = self._find(request, "tree", kind, repo, revision)
        if isinstance(found, Answer):
            return found
        if "json" in request.headers.get("content-type", ""):
            asked = json.loads(request.body)["paths"]
        else:
            asked = parse_qs(request.body.decode()).get("paths", [])
        wanted = [asked] if isinstance(asked, str) else asked
        entries = tree_entries(found[0].commits[found[1]], "", recursive=True)
        return as_json([entry for entry in entries if entry["path"] in wanted])

    def _file(self, request: Request, kind: str, repo: str, revision: str, path: str) -> Answer:
        found = self._find(request, "file", kind, repo, revision)
        if isinstance(found, Answer):
            return found
        repository, commit = found
        told = {"X-Repo-Commit": commit}
        content = repository.commits[commit].get(path)
        if content is None:
            return refusal(404, "EntryNotFound", "Entry not found", told)
        told |= {"ETag": f'"{content.etag}"', "Accept-Ranges": "bytes"}
        if content.lfs:
            told |= {"X-Linked-Size": str(content.size), "X-Linked-Etag": f'"{content.etag}"'}
            told |= {"Location": self.signed_url(repository, commit, path), "Content-Length": "0"}
            return Answer(302, told)
        where = f"/api/resolve-cache/{repository.kind}s/{repository.name}/{commit}/{quote(path)}"
        etag = urlencode({"etag": f'"{content.etag}"'})
        return Answer(307, told | {"Location": f"{where}?{etag}", "Content-Length": "0"})

    def _cached(self, request: Request, rest: str) -> Answer:
        for (kind, name), repository in self.repositories.items():
            commit, _, path = rest.removeprefix(f"/{kind}s/{name}/").partition("/")
            content = repository.commits.get(commit, {}).get(path)
            if content and not content.lfs:
                refused = self.refuse(request, repository, "file")
                return refused or self.send(request, f"{name}/{path}", content, {"X-Repo-Commit": commit})
        return refusal(404, "EntryNotFound", "Entry not found")

    # --- the host that large files are redirected to ---

    def signed_url(self, repository: Repository, commit: str, path: str) -> str:
        where = f"/{repository.kind}s/{repository.name}/{commit}/{quote(path)}"
        until = f"{self._now() + self.link_seconds:.3f}"
        return f"{self.cdn_url}{where}?{urlencode({'expires': until, 'signature': self._sign(where, until)})}"

    def _sign(self, where: str, until: str) -> str:
        return hashlib.sha256(f"{self._secret}\n{where}\n{until}".encode()).hexdigest()

    def answer_cdn(self, request: Request) -> Answer:
        """Bytes for whoever holds a URL that `signed_url` made; a token is of no use here, as on S3."""
        query = request.query
        expired = float(query.get("expires", "0")) <= self._now()
        if expired or query.get("signature") != self._sign(request.path, query["expires"]):
            return Answer(403, {"Content-Length": "0"})
        if "authorization" in request.headers:
            return Answer(400, {"Content-Length": "0"})
        for (kind, name), repository in self.repositories.items():
            prefix = f"/{kind}s/{name}/"
            if request.path.startswith(prefix):
                commit, _, path = unquote(request.path).removeprefix(prefix).partition("/")
                return self.send(request, f"{name}/{path}", repository.commits[commit][path], {})
        return Answer(404, {"Content-Length": "0"})

    def send(self, request: Request, key: str, content: Content, told: Mapping[str, str]) -> Answer:
        """A file's bytes, or the range of them that was asked for, counted under `key`."""
        headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"} | dict(told)
        headers["ETag"] = f'"{content.etag}"' if not content.lfs else f'"opaque-{content.size:x}"'
        try:
            span = parse_range(request.headers.get("range"), content.size)
        except ValueError:
            return Answer(416, {"Content-Range": f"bytes */{content.size}", "Content-Length": "0"})
        start, stop = span or (0, content.size)
        if span:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
        headers["Content-Length"] = str(stop - start)
        body = self._counted(key, content.blocks(start, stop))
        return Answer(206 if span else 200, headers, body, payload=True)

    def _counted(self, key: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.sent[key] += len(block)
            yield block


def _sibling_blob(content: Content) -> JSON:
    lfs = {"sha256": content.sha256, "size": content.size, "pointerSize": len(content.pointer)}
    return {"size": content.size, "blobId": content.oid} | ({"lfs": lfs} if content.lfs else {})
