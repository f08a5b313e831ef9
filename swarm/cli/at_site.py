"""What the commands about a site share: the home they work on, passphrases, where this node is called."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from swarm.cli.messages import tr
from swarm.cli.options import settings
from swarm.cli.stopping import interruptible
from swarm.errors import UsageError

if TYPE_CHECKING:
    from protocol.membership import Rights
    from protocol.signing import Identity
    from swarm.config.settings import Settings
    from swarm.node.api import Status
    from swarm.sites.folder import SiteFolder

ASK_VARIABLE: Final = "SWARM_SITE_PASSPHRASE"

T = TypeVar("T")


class Desk:
    """The home of this node: its settings, its identity, and what it holds of a site."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.settings: Settings = settings(options)
        from swarm.node import identity
        from swarm.node.home import make_home
        from swarm.sites.folder import SiteFolder

        make_home(self.settings.home)
        self.me: Identity = identity.load(self.settings.home)
        self.folder: SiteFolder = SiteFolder(self.settings.home)

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        """What `main()` returns; KeyboardInterrupt when a signal came first."""
        from swarm.cli import running

        return running.run_interrupted(self.settings.log_level, main)

    def status(self) -> Status | None:
        """What the daemon of this home says; None when none runs."""
        from swarm.client.remote import NodeGone, NoNode, RemoteNode

        try:
            with interruptible():
                return RemoteNode(self.settings.control_socket).status()
        except (NoNode, NodeGone):
            return None

    def addresses(self, status: Status | None) -> list[str]:
        """Where other machines call this node: as the daemon says, or as it will be when one runs."""
        if status is not None:
            return _callable(status["listen"])
        from protocol.limits import DEFAULT_PORT
        from swarm.discovery.interfaces import InterfaceChoice
        from swarm.node.run import listening

        listen = self.settings.listen
        interfaces = InterfaceChoice.parse(",".join(self.settings.interface))
        return _callable(listening(self.settings, interfaces, listen.port if listen else DEFAULT_PORT))

    def root_passphrase(self) -> str | None:
        """What opens the root key that lies here, asked for if need be; None when it needs none."""
        root = self.folder.root
        return passphrase(confirm=False) if root.exists and root.encrypted else None


MAX_LISTED: Final = 4
"""Addresses in a token: two interfaces, both families; more make it long and help nobody."""


def _callable(addresses: list[str]) -> list[str]:
    """Those that mean something to another machine: an address with a zone is this machine's own."""
    return [address for address in addresses if "%" not in address][:MAX_LISTED]


def passphrase(*, confirm: bool) -> str:
    """From the environment, or asked for at the terminal, twice if it is a new one. UsageError."""
    given = os.environ.get(ASK_VARIABLE, "")
    if given:
        return given
    if not sys.stdin.isatty():
        raise UsageError("A passphrase is needed, and there is nobody to ask.", f"Set {ASK_VARIABLE}.")
    answer = getpass.getpass(tr("Passphrase of the root key: "))
    if confirm and getpass.getpass(tr("The same again: ")) != answer:
        raise UsageError("These two are not the same.", "Try again.")
    if not answer:
        raise UsageError("An empty passphrase protects nothing.", "Leave --passphrase away for a plain file.")
    return answer


def confirm(question: str) -> None:
    """Go on if the user says yes; KeyboardInterrupt when not, UsageError when there is nobody to ask."""
    if not sys.stdin.isatty():
        raise UsageError("This is to be confirmed, and there is nobody to ask.", "Give --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise KeyboardInterrupt


def text_of(word: str) -> str:
    """What a word stands for: standard input for `-`, a file's content where there is one, else itself."""
    if word == "-":
        return sys.stdin.read()
    try:
        path = Path(word).expanduser()
        return path.read_text(encoding="utf-8") if path.is_file() else word
    except (OSError, UnicodeDecodeError):
        return word


def rights_named(rights: Rights) -> str:
    """What a member may do, for people."""
    names = {
        "MEMBER": tr("member"),
        "ISSUER": tr("issuer: lets others in"),
        "FOUNDER": tr("founder: lets others in, and makes issuers"),
    }
    return names.get(rights.name, rights.name)


def note(options: argparse.Namespace, text: str) -> None:
    """Something worth knowing, on stderr."""
    if not options.quiet:
        print(text, file=sys.stderr)
