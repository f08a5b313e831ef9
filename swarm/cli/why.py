"""Tell where each byte of a repository came from: which peer, which mirror, how many."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from swarm.cli.asking import answer
from swarm.cli.messages import tr
from swarm.cli.options import add_repository, repository, settings
from swarm.cli.output import print_json, print_table, short_node
from swarm.config.units import show_size

if TYPE_CHECKING:
    from swarm.client.interface import Session
    from swarm.node.api import SourceRow, WhyReport
    from swarm.transfer.requests import RepoName


def configure(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)


def run(options: argparse.Namespace) -> int:
    name = repository(options, settings(options))
    reports = answer(options, partial(_ask, name))
    if options.json:
        print_json(reports)
        return 0
    for report in reports:
        _show(report)
    return 0


def _ask(name: RepoName, session: Session) -> list[WhyReport]:
    return session.api.why(name)


def _show(report: WhyReport) -> None:
    print(f"{report['repo']} {report['commit']}")
    rows = [
        [file["path"] if first else "", source, size]
        for file in report["files"]
        for first, source, size in _sources(file["sources"])
    ]
    rows += [
        [tr("together") if first else "", source, size] for first, source, size in _sources(report["sources"])
    ]
    print_table([tr("file"), tr("source"), tr("size")], rows)
    for incident in report["incidents"]:
        about = f" ({incident['path']})" if incident["path"] else ""
        print(f"! {show_source(incident['kind'], incident['name'])}: {incident['what']}{about}")


def _sources(rows: list[SourceRow]) -> list[tuple[bool, str, str]]:
    return [
        (number == 0, show_source(row["kind"], row["name"]), show_size(row["bytes"]))
        for number, row in enumerate(rows)
    ] or [(True, "-", "-")]


def show_source(kind: str, name: str) -> str:
    """A source for people."""
    return f"{tr(kind)} {short_node(name) if kind == 'peer' else name}".rstrip()
