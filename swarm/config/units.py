"""Sizes, rates and durations as people write them.

Sizes are bytes: `500`, `20GB` (powers of 1000), `20GiB` (powers of 1024), a lone letter as `20G` is
`20GB`. Rates are bytes a second: a size with `/s` or without, or bits: `200Mbit/s`, `200Mbps`.
`0`, `none` and `unlimited` mean no limit.
"""

from __future__ import annotations

import re
from typing import Final

PREFIXES: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}

SPANS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

MOST: Final = 1e18
"""Larger numbers, before their unit, are slips of the hand; so are those that are no float at all."""

NO_LIMIT: Final = frozenset({"", "0", "none", "unlimited", "off"})

_QUANTITY = re.compile(
    r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*"
    r"(?P<prefix>[kmgtp]?)(?P<binary>i?)(?P<unit>bytes|bit|bps|b|)(?P<per>/s|ps|)",
    re.IGNORECASE,
)


def parse_size(text: str) -> int | None:
    """Bytes, or None for no limit; ValueError says what was expected."""
    if text.strip().lower() in NO_LIMIT:
        return None
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match["per"] or match["unit"].lower() in ("bit", "bps"):
        raise ValueError(f"{text!r} is not a size; write something like 500GB or 2TiB")
    return _amount(match)


def parse_rate(text: str) -> int | None:
    """Bytes a second, or None for no limit; ValueError says what was expected."""
    if text.strip().lower() in NO_LIMIT:
        return None
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a rate; write something like 20MB/s or 200Mbit/s")
    bits = match["unit"].lower() in ("bit", "bps")
    return max(1, _amount(match) // 8 if bits else _amount(match))


def _amount(match: re.Match[str]) -> int:
    base = 1024 if match["binary"] else 1000
    return int(_number(match["number"]) * base ** PREFIXES[match["prefix"].lower()])


def _number(digits: str) -> float:
    """ValueError for one that no machine has so much of."""
    number = float(digits)
    if number > MOST:
        raise ValueError(f"{digits[:20]}… is too large a number")
    return number


def parse_seconds(text: str) -> float:
    """Seconds, `1.5` or `1.5s`; ValueError says what was expected."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*s?", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a number of seconds")
    return _number(match[1])


def parse_span(text: str) -> float:
    """Seconds of a time span with a unit: `90s`, `30m`, `12h`, `7d`; ValueError says what was expected."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is not a time span; write something like 30m, 12h or 7d")
    return _number(match[1]) * SPANS[match[2]]


def show_size(count: float) -> str:
    """A size for people, powers of 1000, three digits: `1.23 GB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5 or unit == "TB":
            break
        count /= 1000
    digits = 0 if unit == "B" or count >= 99.95 else 1 if count >= 9.995 else 2
    return f"{count:.{digits}f} {unit}"


def show_rate(rate: float) -> str:
    """A rate for people: `115 MB/s`."""
    return show_size(rate) + "/s"


def show_duration(seconds: float) -> str:
    """A time span for people: `4.2 s`, `3:07`, `1:02:03`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
