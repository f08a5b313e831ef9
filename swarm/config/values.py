"""Single values of the configuration: from text or a TOML value to a checked Python value.

Each function raises ValueError with half a sentence that says what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

TRUE = frozenset({"1", "on", "yes", "true"})
"""As huggingface_hub reads its switches, in any case."""

FALSE = frozenset({"", "0", "off", "no", "false"})


class HostPort(NamedTuple):
    """Where to listen, as somebody wrote it. `host` empty: every address; port 0: any free one.

    Where one can call a node is a `swarm.sources.address.Address`, which always has a host.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def text(value: object) -> str:
    """One value as text; numbers of a TOML file are welcome."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{value!r} is not text or a number")


def boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = text(value).lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError(f"{value!r} is neither true nor false")


def words(value: object) -> tuple[str, ...]:
    """A list, or text separated by commas."""
    parts = [text(part) for part in value] if isinstance(value, list | tuple) else text(value).split(",")
    return tuple(part.strip() for part in parts if part.strip())


def one_of(value: object, choices: Sequence[str]) -> str:
    word = text(value).lower()
    if word not in choices:
        raise ValueError(f"{word!r} is not one of {', '.join(choices)}")
    return word


def host_port(value: object, *, host: str, port: int) -> HostPort:
    """`host:port`, `host`, `:port`, `port` or `[IPv6]:port`; what is left out is taken from the defaults."""
    word = text(value)
    if word.isdigit():
        name, number = "", word
    elif word.startswith("["):
        name, _, rest = word[1:].partition("]")
        number = rest.removeprefix(":")
        if rest and not rest.startswith(":"):
            raise ValueError(f"{word!r} is not an address with a port")
    elif word.count(":") > 1:
        name, number = word, ""
    else:
        name, _, number = word.partition(":")
    if number and not (number.isdigit() and int(number) < 65536):
        raise ValueError(f"{word!r} is not an address with a port")
    return HostPort(name or host, int(number) if number else port)


def optional_host_port(value: object, *, host: str, port: int) -> HostPort | None:
    """Like `host_port`; `off` and the like give None."""
    if isinstance(value, bool) or text(value).lower() in FALSE - {"0"} | {"none"}:
        if value is True:
            raise ValueError("true is not an address with a port")
        return None
    return host_port(value, host=host, port=port)


def url(value: str) -> str:
    """A base URL without its last slashes."""
    parts = urlsplit(value)
    legible = value.isprintable() and " " not in value  # urlsplit leaves out what is not
    if parts.scheme not in ("http", "https") or not parts.hostname or not legible:
        raise ValueError(f"{without_secrets(value)!r} is not an http or https URL")
    if parts.query or parts.fragment or parts.username:
        raise ValueError(f"{without_secrets(value)!r} has more than scheme, host, port and path")
    return value.rstrip("/")


def without_secrets(url: str) -> str:
    """What of a URL, or of what was meant for one, may be repeated in an error: no credentials, no query."""
    scheme, slashes, rest = url.partition("//")
    if not slashes:
        scheme, rest = "", url
    *credentials, place = rest.rsplit("@", 1)
    shown = re.split(r"[?#]", place)[0]
    return f"{scheme}{slashes}{'…@' if credentials else ''}{shown}{'?…' if shown != place else ''}"


def token(value: object) -> str | None:
    """A token fit for an HTTP header; None when empty. It is never repeated in an error."""
    word = text(value)
    if not word.isascii() or not word.isprintable() or " " in word:
        raise ValueError("the token has characters that no token has; copy it again")
    return word or None
