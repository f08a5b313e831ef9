"""Everything that can be configured, read once at start: flags over environment over file over defaults.

`KEYS` is the one table of keys: how a value is read, and which variables of the ecosystem stand in for
it. Each key is `SWARM_<KEY>` in the environment and `<key>` in `$SWARM_HOME/config.toml`. The result is
an immutable `Settings`; nothing else in swarm reads the environment for these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from protocol.limits import DEFAULT_PORT
from swarm.config import ecosystem, values
from swarm.config.units import parse_rate, parse_seconds, parse_size
from swarm.config.values import HostPort
from swarm.errors import UsageError

DEFAULT_GATEWAY: Final = HostPort("127.0.0.1", 7678)
"""Loopback only: the gateway serves without asking who calls."""

DEFAULT_ENDPOINT: Final = "https://huggingface.co"

DEFAULT_SETTLE: Final = 1.0
"""Seconds a node looks round for others before it may claim to be the origin: mDNS answers within one."""

OTHERS: Final = 0o077
"""What nobody but the owner may do with a file that has a token in it, in the bits of its mode."""

NEAR: Final = 0.8
"""How alike (difflib ratio) an unknown SWARM_ variable must be to one of ours to count as misspelt.
Other programs own names that begin like this, so that the rest are left alone."""


class Settings(NamedTuple):
    """What one node, or one command, runs with. Rates are bytes a second and sizes bytes; None: no limit.

    `listen` None: the default port, or any free one when that is taken. `interface` empty: discovery
    chooses. `endpoint` empty: none was named, so the hub's own (`endpoints`). `mdns` False: only the
    static `peers`. `serve_open`: in a site, link with nodes of no site too, for what is public.
    `share_private`: share private models with members of the site, and with nobody else. `redirects`
    names hosts and networks that a redirect may lead to from further out. `manifests` is whose word counts
    on what a model is, `private_offline` who may have a private one while the hub cannot be asked. `token`
    goes to the hub's own host, or to the endpoint that was named, and nowhere else.
    """

    home: Path
    listen: HostPort | None = None
    interface: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    mdns: bool = True
    serve_open: bool = False
    share_private: bool = False
    gateway: HostPort | None = DEFAULT_GATEWAY
    upstream_rate: int | None = None
    upload_rate: int | None = None
    download_rate: int | None = None
    quota: int | None = None
    hub: str = "hf"
    endpoint: tuple[str, ...] = ()
    redirects: tuple[str, ...] = ()
    token: str | None = None
    offline: bool = False
    manifests: str = "agree"
    private_offline: str = "closed"
    settle: float = DEFAULT_SETTLE
    log_level: str = "warning"

    def __repr__(self) -> str:
        shown = self._asdict() | {"token": self.token and "…"}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The base URLs to ask, best known first; never empty."""
        return self.endpoint or (DEFAULT_ENDPOINT,)

    @property
    def control_socket(self) -> Path:
        return self.home / "control.sock"

    @property
    def config_file(self) -> Path:
        return self.home / "config.toml"


Read = Callable[[object], Any]
"""From text (flag, environment) or a TOML value to the field's type; ValueError says what was expected."""

KEYS: Final[dict[str, Read]] = {
    "listen": lambda value: values.host_port(value, host="", port=DEFAULT_PORT),
    "interface": values.words,
    "peers": values.words,
    "mdns": values.boolean,
    "serve_open": values.boolean,
    "share_private": values.boolean,
    "gateway": lambda value: values.optional_host_port(value, host="127.0.0.1", port=DEFAULT_GATEWAY.port),
    "upstream_rate": lambda value: parse_rate(values.text(value)),
    "upload_rate": lambda value: parse_rate(values.text(value)),
    "download_rate": lambda value: parse_rate(values.text(value)),
    "quota": lambda value: parse_size(values.text(value)),
    "hub": lambda value: values.one_of(value, ("hf",)),
    "endpoint": lambda value: tuple(values.url(word) for word in values.words(value)),
    "redirects": values.words,
    "token": values.token,
    "offline": values.boolean,
    "manifests": lambda value: values.one_of(value, ("agree", "hub")),
    "private_offline": lambda value: values.one_of(value, ("closed", "known")),
    "settle": lambda value: parse_seconds(values.text(value)),
    "log_level": lambda value: values.one_of(value, ("debug", "info", "warning", "error")),
}

OTHER_VARIABLES: Final = frozenset({"home", "debug", "site_passphrase"})
"""SWARM_ variables that are no keys of the file: where it lies, whether to show tracebacks, and a secret that
is for one command."""


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """The settings in force. `flags` maps keys to values given on the command line (None: not given).

    UsageError names the variable, flag or file and what was expected there.
    """
    home = _home(flags.get("home"), environ)
    from_file = _from_file(home / "config.toml")
    from_others = _from_other_tools(environ)
    own = _from_environment(environ) | _from_flags(flags)
    gateway: HostPort | None = (from_file | own).get("gateway", DEFAULT_GATEWAY)
    if any(_is_below(url, gateway) for url in from_others.get("endpoint", ())):
        del from_others["endpoint"]  # this variable points clients of the hub at our own gateway
    return Settings(home=home, **from_file | from_others | own)


def _home(flag: object, environ: Mapping[str, str]) -> Path:
    named = str(flag) if flag else environ.get("SWARM_HOME")
    if named:
        return Path(named).expanduser().absolute()
    data = environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser().absolute() / "lanswarm"


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        import tomllib  # most homes have no such file

        table = tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Mend the file, or move it away.") from None
    for key in table:
        if key not in KEYS:
            raise UsageError(f"{path}: there is no key {key!r}.", _nearest(key))
    if table.get("token") and path.stat().st_mode & OTHERS:
        raise UsageError(f"{path} has a token in it and can be read by others.", f"Run `chmod 600 {path}`.")
    return {key: _read(key, value, f"{path}: {key}") for key, value in table.items()}


def _from_other_tools(environ: Mapping[str, str]) -> dict[str, Any]:
    given = ecosystem.variables(environ)
    return {key: _read(key, value, name) for key, (name, value) in given.items() if value is not None}


def _from_flags(flags: Mapping[str, object]) -> dict[str, Any]:
    return {
        key: _read(key, value, f"--{key.replace('_', '-')}")
        for key, value in flags.items()
        if key != "home" and value is not None
    }


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    given = {}
    for name, value in environ.items():
        key = name.removeprefix("SWARM_").lower()
        if not name.startswith("SWARM_") or key in OTHER_VARIABLES or not value.strip():
            continue
        if key in KEYS:
            given[key] = _read(key, value, name)
        elif near := _alike(key, [*KEYS, *OTHER_VARIABLES], NEAR):
            raise UsageError(f"There is no setting {name}.", f"Did you mean SWARM_{near.upper()}?")
    return given


def _read(key: str, value: object, where: str) -> object:
    try:
        return KEYS[key](value)
    except ValueError as error:
        raise UsageError(f"{where}: {error}.") from None


def _nearest(key: str) -> str:
    near = _alike(key.lower(), KEYS, 0.5)
    return f"Did you mean {near!r}?" if near else f"The keys are: {', '.join(KEYS)}."


def _alike(word: str, known: Iterable[str], least: float) -> str | None:
    """The most similar of those known, at least so similar (difflib ratio)."""
    from difflib import get_close_matches  # only for who made a mistake

    return next(iter(get_close_matches(word, list(known), 1, least)), None)


def _is_below(url: str, gateway: HostPort | None) -> bool:
    return gateway is not None and f"{url}/".startswith(f"http://{gateway}/")
