"""Signed values as one word of text: what people paste, put into a playbook, or carry as a file.

A word is a prefix that says what it is, an underscore, and base64url (RFC 4648, section 5, no padding) of
the canonical encoding and four bytes of its BLAKE3, so that half a word is told from a wrong one. It has
letters, digits, `-` and `_` only: no shell and no YAML wants it quoted.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from blake3 import blake3

from protocol import codec
from protocol.limits import MAX_ARMOR

CHECK_LENGTH: Final = 4
"""Bytes of checksum: one slip in four thousand million goes unseen here, and fails at the signature."""


class BadArmor(ValueError):
    """The text is no such word; it says why."""


def wrap(prefix: str, value: object) -> str:
    """The word for a value; codec.BadEncoding when the value has no encoding."""
    data = codec.encode(value)
    armored = base64.urlsafe_b64encode(data + _check(data)).decode("ascii").rstrip("=")
    return f"{prefix}_{armored}"


def unwrap(prefix: str, text: str) -> object:
    """The value in a word that begins with `prefix`; white space around it is left alone. BadArmor."""
    word = text.strip()
    if len(word) > MAX_ARMOR:
        raise BadArmor(f"longer than {MAX_ARMOR} characters")
    if not word.startswith(f"{prefix}_"):
        raise BadArmor(f"it does not begin with {prefix}_")
    body = word[len(prefix) + 1 :]
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadArmor("it has characters that none has, or lacks some") from error
    data, check = raw[:-CHECK_LENGTH], raw[-CHECK_LENGTH:]
    if check != _check(data):
        raise BadArmor("it is damaged or not whole")
    try:
        return codec.decode(data)
    except codec.BadEncoding as error:
        raise BadArmor(str(error)) from error


def _check(data: bytes) -> bytes:
    return blake3(data).digest()[:CHECK_LENGTH]
