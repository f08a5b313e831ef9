"""What every message is: fields, each of which keeps the rule of its name (`protocol.fields`)."""

from __future__ import annotations

from typing import Final

from protocol.fields import RULES

Ranges = tuple[tuple[int, int], ...]
"""Spans of chunk numbers as (first, count), ascending, not touching, counts above zero."""

_RULES: Final = dict(RULES)  # half as dear as by way of the view


class Checked:
    """A message whose every field keeps the rule of its name."""

    __slots__: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.__slots__:
            _RULES[name](getattr(self, name))
