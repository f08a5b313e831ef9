"""A site with fixed keys: its root, a founder, an issuer and a member, for tests that need some."""

from __future__ import annotations

from typing import Final

from protocol.membership import (
    ISSUER_SECONDS,
    MEMBER_SECONDS,
    Membership,
    Rights,
    admit,
    found,
)
from protocol.signing import Identity, SigningKey

NOW: Final = 1_800_000_000
"""January 2027: when everything here is issued."""

ROOT: Final = SigningKey(b"\x11" * 32)
OTHER_ROOT: Final = SigningKey(b"\x12" * 32)


def person(number: int) -> Identity:
    return Identity(bytes([number]) * 32, bytes([255 - number]) * 32)


FOUNDER: Final = person(21)
ISSUER: Final = person(22)
MEMBER: Final = person(23)

FOUNDED: Final = found(ROOT, FOUNDER.public_key, NOW)
ISSUING: Final = admit(FOUNDED, FOUNDER, ISSUER.public_key, Rights.ISSUER, NOW, ISSUER_SECONDS)
JOINED: Final = admit(ISSUING, ISSUER, MEMBER.public_key, Rights.MEMBER, NOW, MEMBER_SECONDS)


def joined(node: SigningKey, now: float = NOW, lifetime: int = MEMBER_SECONDS) -> Membership:
    """A member of the site, certified by its founder."""
    return admit(FOUNDED, FOUNDER, node.public_key, Rights.MEMBER, now, lifetime)
