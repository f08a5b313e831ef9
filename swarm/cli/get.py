"""Fetch a snapshot, or some files of it; print the folder it is in.

With a daemon on this home it does the work; otherwise this command is a node itself while it runs.
Interrupting it loses nothing: the next `swarm get` goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarm.cli.asking import answer
from swarm.cli.messages import tr
from swarm.cli.options import add_node_options, add_repository, repository, settings
from swarm.cli.output import print_json
from swarm.cli.place import Place, load_views, roots
from swarm.cli.progress import view
from swarm.config.ecosystem import exposed_token
from swarm.config.units import show_duration, show_size
from swarm.errors import UsageError
from swarm.transfer.requests import GetRequest, Roots

if TYPE_CHECKING:
    from swarm.client.interface import Session
    from swarm.config.settings import Settings
    from swarm.node.api import Report
    from swarm.transfer.requests import GetResult, Progress
    from swarm.views.values import ViewReport

ORIGINS: Final = {"local": "were here", "peer": "from peers", "upstream": "from upstream"}
"""What is said of the bytes of each kind of source."""


def configure(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("files", nargs="*", default=[], metavar="FILE", help="only these files")
    parser.add_argument(
        "--include", metavar="GLOB", action="append", help="only files that match, may be repeated"
    )
    parser.add_argument(
        "--exclude", metavar="GLOB", action="append", help="no files that match, may be repeated"
    )
    parser.add_argument("--to", metavar="DIR", help="put the files there, not into the hub clients' cache")
    parser.add_argument(
        "--endpoint", metavar="URL", action="append", help="upstream to use, may be repeated [SWARM_ENDPOINT]"
    )
    parser.add_argument("--offline", action="store_true", help="never ask an upstream [HF_HUB_OFFLINE]")
    parser.add_argument("--token", help="for the hub; better given as HF_TOKEN, which other users cannot see")
    add_node_options(parser, "They count when no daemon runs.")


def run(options: argparse.Namespace) -> int:
    chosen = settings(options)
    request = build_request(options, chosen)
    if (path := exposed_token(os.environ)) and not options.quiet:
        print(tr("{path} can be read by others: run chmod 600 on it.", path=path), file=sys.stderr)
    place = Place(Path(options.to).expanduser().absolute() if options.to else None)
    with view(quiet=options.quiet) as report:
        result, built = answer(options, partial(_fetch, request, place, report))
    if options.json:
        print_json(as_json(result, built))
        return 0
    if not options.quiet:
        print(summary(result), file=sys.stderr)
    print(built.folder)
    return 0


def build_request(options: argparse.Namespace, settings: Settings) -> GetRequest:
    """What the command line asks for. Raises UsageError."""
    name = repository(options, settings)
    if options.files and (options.include or options.exclude):
        raise UsageError("Files are named and patterns given.", "Give FILE…, or --include and --exclude.")
    return GetRequest(
        hub=name.hub,
        repo=name.repo,
        repo_type=name.repo_type,
        revision=name.revision,
        files=tuple(dict.fromkeys(options.files)),
        include=tuple(options.include or ()),
        exclude=tuple(options.exclude or ()),
        endpoints=settings.endpoint,
        token=settings.token,
        offline=settings.offline,
    )


def _fetch(
    request: GetRequest, place: Place, report: Report, session: Session
) -> tuple[GetResult, ViewReport]:
    """The verified files, and where they lie now: linked while the node still owns its store."""
    result = session.api.get(request, partial(_passed_on, report))
    built = session.aside(partial(place.build, result))
    if links := roots(built):
        session.api.add_roots(Roots(links))
    return result, built


def _passed_on(report: Report, progress: Progress) -> None:
    """Show this; and at half way, when nobody waits for it, load what lays the files out at the end."""
    report(progress)
    if 2 * progress.bytes >= progress.total > 0:
        load_views()


def as_json(result: GetResult, built: ViewReport) -> dict[str, object]:
    """The object that `--json` ends with."""
    return {
        "snapshot": str(built.folder),
        "hub": result.hub,
        "repo_type": result.repo_type,
        "repo": result.repo,
        "commit": result.commit,
        "files": len(result.files),
        "bytes": result.bytes,
        "seconds": round(result.seconds, 3),
        "sources": [
            {"kind": source.kind, "name": source.name, "bytes": source.bytes} for source in result.sources
        ],
        "verified": result.verified,
        "links": dict(built.how),
    }


def summary(result: GetResult) -> str:
    """One line for people: how much, how fast, from where."""
    line = tr(
        "{files} files, {size} in {time}",
        files=len(result.files),
        size=show_size(result.bytes),
        time=show_duration(result.seconds),
    )
    sources = ", ".join(
        f"{show_size(sum(source.bytes for source in result.sources if source.kind == kind))} {tr(words)}"
        for kind, words in ORIGINS.items()
        if any(source.kind == kind and source.bytes for source in result.sources)
    )
    return f"{line}: {sources}" if sources else line
