"""Options that several commands take, and the settings they give."""

from __future__ import annotations

import argparse
import os
import re
from typing import Final

from protocol.terms import REPO_TYPES, RepoType
from swarm.config.settings import Settings, load
from swarm.errors import UsageError
from swarm.transfer.requests import RepoName

NODE_OPTIONS: Final = {
    "listen": ("ADDRESS:PORT", "where to listen for peers (port 7677)"),
    "interface": ("NAME", "interfaces to discover peers on, separated by commas"),
    "peers": ("HOST[:PORT]", "peers to dial beside those discovered, separated by commas"),
    "upstream_rate": ("RATE", "most bytes a second from upstream, as 20MB/s or 200Mbit/s"),
    "upload_rate": ("RATE", "most bytes a second to peers"),
    "download_rate": ("RATE", "most bytes a second from peers"),
}
"""Keys of the configuration that are worth an option: metavar and help."""

REPO_PREFIXES: Final[dict[str, RepoType]] = {"models": "model", "datasets": "dataset", "spaces": "space"}
"""What hubs put before a repository's name in their addresses."""

_SEGMENT = re.compile(r"(?![-.])[\w.-]{1,96}(?<![-.])", re.ASCII)


def add_node_options(parser: argparse.ArgumentParser, note: str = "") -> None:
    group = parser.add_argument_group("node options", note or None)
    for key, (metavar, text) in NODE_OPTIONS.items():
        group.add_argument(
            f"--{key.replace('_', '-')}", metavar=metavar, help=f"{text} [SWARM_{key.upper()}]"
        )


def add_repository(parser: argparse.ArgumentParser) -> None:
    """REPO, --repo-type, --revision and --hub."""
    parser.add_argument(
        "repo", metavar="REPO[@REVISION]", help="as the hub names it; datasets/… and spaces/… are understood"
    )
    parser.add_argument("--repo-type", choices=REPO_TYPES, help="kind of repository (default: model)")
    parser.add_argument("--revision", metavar="REV", help="branch, tag or commit (default: the hub's)")
    parser.add_argument("--hub", metavar="HUB", help="which hub the name belongs to: hf [SWARM_HUB]")


def settings(options: argparse.Namespace) -> Settings:
    """Flags over environment over file over defaults. Raises UsageError."""
    flags = dict(vars(options))
    keys = {"home", "hub", "endpoint", "token", "gateway", "quota", "log_level", *NODE_OPTIONS}
    given = {key: value for key, value in flags.items() if key in keys and value is not None}
    if flags.get("offline"):
        given["offline"] = True
    if options.quiet:
        given.setdefault("log_level", "error")
    return load(given, os.environ)


def repository(options: argparse.Namespace, settings: Settings) -> RepoName:
    """The repository that REPO, --repo-type, --revision and --hub name. Raises UsageError."""
    name, at, revision = options.repo.partition("@")
    if at and not revision:
        raise UsageError(f"No revision stands behind the @ of {options.repo!r}.")
    if revision and options.revision not in (None, revision):
        raise UsageError(f"Two revisions: {revision!r} and {options.revision!r}.", "Give one of them.")
    prefix, _, rest = name.partition("/")
    repo_type: RepoType | None = REPO_PREFIXES.get(prefix) if rest else None
    if repo_type:
        name = rest
        if options.repo_type not in (None, repo_type):
            raise UsageError(f"{options.repo!r} is a {repo_type}, not a {options.repo_type}.")
    segments = name.split("/")
    if len(segments) > 2 or not all(_SEGMENT.fullmatch(part) and ".." not in part for part in segments):
        raise UsageError(f"{name!r} cannot be a repository.", "Names look like openai/gpt-oss-20b or gpt2.")
    wanted = revision or options.revision
    return RepoName(settings.hub, repo_type or options.repo_type or "model", name, wanted or None)
