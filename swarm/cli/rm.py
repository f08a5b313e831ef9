"""Remove a repository from the store, and what was begun of it.

What other models share stays, and so do the files that were linked into caches and folders.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from swarm.cli.asking import answer
from swarm.cli.messages import tr
from swarm.cli.options import add_repository, repository, settings
from swarm.cli.output import print_json
from swarm.config.units import show_size

if TYPE_CHECKING:
    from swarm.client.interface import Session
    from swarm.node.api import Removed
    from swarm.transfer.requests import RepoName


def configure(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)


def run(options: argparse.Namespace) -> int:
    name = repository(options, settings(options))
    removed = answer(options, partial(_ask, name))
    if options.json:
        print_json({"hub": name.hub, "repo": name.repo, **removed})
    else:
        print(tr("{size} freed in the store.", size=show_size(removed["bytes"])))
    return 0


def _ask(name: RepoName, session: Session) -> Removed:
    return session.api.remove(name)
