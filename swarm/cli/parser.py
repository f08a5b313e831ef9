"""The command line: which commands there are, and the options all of them share.

A command is a module of `swarm.cli` with a docstring (its help), `configure(parser)` and
`run(options) -> exit code`. Only the module of the command that was named is loaded. A module with
`SUBCOMMANDS` stands for a family: `swarm site create` is `swarm.cli.site_create`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Final, NoReturn

from swarm import __version__
from swarm.errors import UsageError

COMMANDS: Final = ("get", "daemon", "status", "peers", "models", "why", "rm", "site", "demo")

USAGE_WIDTH: Final = 78
"""Columns of the usage lines, which argparse makes before it parses: of a terminal as narrow as any."""


class Parser(argparse.ArgumentParser):
    """Complains like every other part of swarm, and takes no abbreviated options."""

    def __init__(self, prog: str, description: str, epilog: str = "") -> None:
        super().__init__(
            prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=USAGE_WIDTH),
        )

    def format_help(self) -> str:
        """As wide as the terminal: argparse looks that up for each option else, by a module that loads every
        compression there is."""
        self.formatter_class = argparse.RawDescriptionHelpFormatter
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}.", f"`{self.prog} --help` shows what there is.")


def run(words: Sequence[str]) -> int:
    """Parse and carry out one command line. Raises SwarmError; --help and --version end the process."""
    name = _command(words)
    module = _module(name)
    rest = list(words[words.index(name) + 1 :])
    if family := getattr(module, "SUBCOMMANDS", ()):
        sub = _subcommand(name, module, family, rest)
        name, rest = f"{name} {sub}", rest[1:]
        module = _module(name)
    options = command_parser(name, module).parse_intermixed_args(rest)
    code: int = module.run(options)
    return code


def _subcommand(name: str, module: ModuleType, family: Sequence[str], rest: Sequence[str]) -> str:
    """Which of a family of commands is named."""
    given = rest[0] if rest else ""
    if given in family:
        return given
    if given in ("-h", "--help"):
        parser = command_parser(name, module)
        parser.usage = f"swarm {name} COMMAND …"
        listed = "\n".join(f"  {sub:<8} {_summary(f'{name} {sub}')}" for sub in family)
        parser.epilog = f"{parser.epilog}\n\ncommands:\n{listed}"
        parser.parse_args(["--help"])
    said = f"There is no command `swarm {name} {given}`."
    if not given or given.startswith("-"):
        said = f"`swarm {name}` needs a command, before any options."
    raise UsageError(said, f"They are: {', '.join(family)}.")


def _command(words: Sequence[str]) -> str:
    """The command that is named; anything that stands before it is an option of `swarm` itself."""
    own = list(words[:1])
    if own and not own[0].startswith("-"):
        if own[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(own[0], COMMANDS, 1)
            advice = f"Did you mean `swarm {near[0]}`?" if near else "`swarm --help` lists the commands."
            raise UsageError(f"There is no command {own[0]!r}.", advice)
        return own[0]
    parser = Parser("swarm", "Large models on every machine of a LAN, paying the internet once.")
    parser.add_argument("--version", action="version", version=f"swarm {__version__}")
    parser.usage = "swarm COMMAND …"
    if own in (["-h"], ["--help"]):
        parser.epilog = "commands:\n" + "\n".join(f"  {name:<8} {_summary(name)}" for name in COMMANDS)
    parser.parse_args(own)
    raise UsageError("swarm needs a command.", "`swarm --help` lists them; `swarm get REPO` fetches a model.")


def _module(name: str) -> ModuleType:
    return import_module(f"swarm.cli.{name.replace(' ', '_')}")


def _summary(name: str) -> str:
    return (_module(name).__doc__ or "").partition("\n")[0].rstrip(".")


def command_parser(name: str, module: ModuleType) -> Parser:
    """The parser of one command."""
    summary, _, more = (module.__doc__ or "").partition("\n")
    parser = Parser(f"swarm {name}", summary, more.strip())
    module.configure(parser)
    group = parser.add_argument_group("common options")
    group.add_argument("--json", action="store_true", help="machine-readable output on stdout")
    group.add_argument("--quiet", "-q", action="store_true", help="no progress on stderr, only errors")
    group.add_argument("--home", metavar="DIR", help="store, identity and configuration [SWARM_HOME]")
    group.add_argument("--debug", action="store_true", help="show a traceback when swarm itself fails")
    return parser
