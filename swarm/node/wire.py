"""The grammar of the control socket: lines of JSON, one call a connection.

    client: {"call": "get", …the request's fields}
    node:   {"event": {…progress}} and {"alive": true}, any number of times, then
            {"result": …} or {"error": {"exit_code": n, "message": …, "advice": …}}

Pure: bytes and values in, values and bytes out. `swarm.node.control` and `swarm.client` do the I/O.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from protocol.limits import MIB
from swarm import errors
from swarm.errors import SwarmError

MAX_CALL: Final = 16 * MIB
"""Bytes of one call: a request that names a hundred thousand files. (`Lines`)"""

MAX_ANSWER: Final = 1024 * MIB
"""Bytes of one answer: a million files with long names, listed twice. (`Lines`)"""

T = TypeVar("T")

Answer = Mapping[str, Any]


class BadLine(ValueError):
    """The other side says something else than this grammar: most likely it is another version."""


class Lines:
    """Cuts a stream into lines. BadLine when one is longer than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete, without their ends."""
        *ended, rest = data.split(b"\n")
        lines = []
        for piece in ended:
            self._keep(piece)
            lines.append(b"".join(self._parts))
            self._parts, self._length = [], 0
        self._keep(rest)
        return lines

    def _keep(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._length > self._limit:
            raise BadLine(f"a line of more than {self._limit} bytes")
        if piece:
            self._parts.append(piece)


def encode(value: Mapping[str, object]) -> bytes:
    """One line."""
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The object on this line; BadLine when it is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise BadLine("a line that is not JSON") from None
    if not isinstance(value, dict):
        raise BadLine("a line that is not an object")
    return value


def plain(value: Any) -> Any:
    """A named tuple as what JSON can say, and whatever is in it; anything else as it is."""
    if _is_record(type(value)):
        return {name: plain(part) for name, part in zip(value._fields, value, strict=True)}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def build(cls: type[T], value: object) -> T:
    """The inverse of `plain`: a named tuple from its fields, every type checked. BadLine names the field.

    Unknown fields are left alone and missing ones take their defaults, so that versions next to each
    other understand one another.
    """
    result: T = _build(cls, value, cls.__name__)
    return result


def _build(hint: Any, value: object, where: str) -> Any:
    origin = get_origin(hint)
    if _is_record(hint):
        return _build_fields(hint, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise BadLine(f"{where} is not a list")
        item = get_args(hint)[0]
        return tuple(_build(item, part, where) for part in value)
    if origin is Literal:
        if value not in get_args(hint):
            raise BadLine(f"{where} cannot be {value!r}")
        return value
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        return None if value is None else _build(options[0], value, where)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise BadLine(f"{where} is not of type {hint.__name__}")
    return value


def _is_record(hint: Any) -> bool:
    """Whether this is the type of named tuples."""
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


def _build_fields(cls: Any, value: object, where: str) -> Any:
    if not isinstance(value, dict):
        raise BadLine(f"{where} is not an object")
    given = {}
    for name, (hint, needed) in _shape(cls).items():
        if name in value:
            given[name] = _build(hint, value[name], f"{where}.{name}")
        elif needed:
            raise BadLine(f"{where}.{name} is missing")
    return cls(**given)


@cache
def _shape(cls: Any) -> dict[str, tuple[Any, bool]]:
    """For each field its type and whether it has no default."""
    hints = get_type_hints(cls)
    return {name: (hints[name], name not in cls._field_defaults) for name in cls._fields}


def error_answer(error: SwarmError) -> Answer:
    """The last line of a call that failed."""
    told = {"exit_code": error.exit_code, "message": error.message, "advice": error.advice}
    return {"error": told}


def told_error(told: object) -> SwarmError:
    """The error of `error_answer`, of the class that has its exit code."""
    match told:
        case {"exit_code": int(code), "message": str(message), "advice": str(advice)}:
            return _BY_CODE.get(code, SwarmError)(message, advice)
        case _:
            raise BadLine("an error without message")


_BY_CODE: Final = {
    cls.exit_code: cls
    for cls in (
        errors.UsageError,
        errors.NotFound,
        errors.NotAllowed,
        errors.NoSource,
        errors.WrongContent,
        errors.StoreError,
    )
}


def find_cause(error: BaseException) -> SwarmError | None:
    """What a person must hear of an error: it, or the first SwarmError in the groups tasks wrap it in."""
    if isinstance(error, SwarmError):
        return error
    if isinstance(error, BaseExceptionGroup):
        causes = (find_cause(part) for part in error.exceptions)
        return next((cause for cause in causes if cause is not None), None)
    return None
