"""Belonging to a site: certificates, the chain of them that makes a member, and the badge it shows.

A site is an Ed25519 key, its root. The root certifies founders, founders certify issuers and members,
issuers certify members: each certificate is signed by the key of the one before it in the chain, gives
fewer rights and lies within its time. Time is an argument; clocks are compared by whoever has one.

Signatures and order are checked in the constructors: a `Membership` that exists was granted. Whether it
holds now is another question (`Membership.fault_at`), and so is whether it was revoked (`revocation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final, Literal

from protocol import codec, fields
from protocol.fields import BadMessage
from protocol.ids import NodeId, SiteId, node_id, site_id
from protocol.limits import MAX_CHAIN, MAX_MEMBERSHIP, MAX_TIME
from protocol.signing import BadSignature, SigningKey, verify

CERTIFICATE_DOMAIN: Final = b"lanswarm-certificate-1:"
"""Over the encoded list of site, public key, rights, issued and expires (docs/protocol.md, "Sites")."""

DAY: Final = 86_400

CLOCK_TOLERANCE: Final = 1 * DAY
"""Seconds by which the clocks of two members may differ, and a certificate may lie in the future. A clock
set to local time is off by up to 14 hours; one that is off by more has no battery."""

MEMBER_SECONDS: Final = 30 * DAY
"""How long a member's certificate lives. A machine that was off for longer must join again."""

ISSUER_SECONDS: Final = 365 * DAY
"""How long the certificate of one that may issue lives: so long may the root's machine be lost."""


class Rights(IntEnum):
    """What a member may do for others. Whoever has some may give less to others, and revoke those."""

    MEMBER = 0
    ISSUER = 1
    FOUNDER = 2
    ROOT = 3


class BadMembership(ValueError):
    """No certificate, or one that was not granted; the text says which rule it breaks."""


_check_key: Final = fields.raw(32, 32)
_check_signature: Final = fields.raw(64, 64)
_check_rights: Final = fields.number(Rights.FOUNDER)
_check_time: Final = fields.number(MAX_TIME)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The holder of `signer` says: the node with `public_key` belongs to `site`, with these rights.

    `issued` and `expires` are seconds since 1970; it holds at neither end's far side. Keys are 32 raw bytes.
    Raises BadMembership when a field has another form or the signature is not the signer's.
    """

    site: SiteId
    public_key: bytes
    rights: int
    issued: int
    expires: int
    signer: bytes
    signature: bytes

    def __post_init__(self) -> None:
        try:
            _check_key(self.site)
            _check_key(self.public_key)
            _check_rights(self.rights)
            _check_time(self.issued)
            _check_time(self.expires)
            _check_signature(self.signature)
            verify(self.signer, CERTIFICATE_DOMAIN, self.statement(), self.signature)
        except (BadMessage, BadSignature) as error:
            raise BadMembership(f"a certificate: {error}") from error
        if self.expires <= self.issued:
            raise BadMembership("a certificate that ends before it begins")

    def statement(self) -> bytes:
        return _statement(self.site, self.public_key, self.rights, self.issued, self.expires)

    @property
    def node_id(self) -> NodeId:
        return node_id(self.public_key)


@dataclass(frozen=True, slots=True)
class Membership:
    """A chain of certificates from a site's root (32 raw bytes of its public key) to one node.

    Raises BadMembership unless each was signed by the one before, with fewer rights and within its time.
    """

    root_key: bytes
    chain: tuple[Certificate, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.chain) <= MAX_CHAIN:
            raise BadMembership(f"a chain of {len(self.chain)} certificates")
        if any(one.site != self.site for one in self.chain) or self.chain[0].signer != self.root_key:
            raise BadMembership("a chain that does not begin at the root of its site")
        for above, below in pairwise(self.chain):
            if below.signer != above.public_key:
                raise BadMembership("a certificate that was signed by another than the one before it")
            if below.rights >= above.rights:
                raise BadMembership("a certificate that gives what its signer may not give")
            if below.issued < above.issued or below.expires > above.expires:
                raise BadMembership("a certificate that outlives that of its signer")

    @property
    def site(self) -> SiteId:
        return site_id(self.root_key)

    @property
    def own(self) -> Certificate:
        """The certificate of the member itself."""
        return self.chain[-1]

    @property
    def node_id(self) -> NodeId:
        return self.own.node_id

    @property
    def rights(self) -> Rights:
        return Rights(self.own.rights)

    @property
    def renew_at(self) -> float:
        """When half of its time is over: from then on it is to be renewed."""
        return (self.own.issued + self.own.expires) / 2

    def fault_at(self, now: float) -> Literal["expired", "not valid yet"] | None:
        """None while it holds, else why it does not: it has ended, or is not to begin for a while."""
        if now >= self.own.expires:
            return "expired"
        if self.own.issued > now + CLOCK_TOLERANCE:
            return "not valid yet"
        return None

    def as_list(self) -> list[object]:
        """What is encoded of it; `membership_from` is the inverse."""
        return [self.root_key, [_as_list(certificate) for certificate in self.chain]]

    def encode(self) -> bytes:
        return codec.encode(self.as_list())


@dataclass(frozen=True, slots=True)
class Badge:
    """What a member shows in a handshake: its membership, its clock (seconds since 1970), and whether it
    links with nodes of no site too. Raises BadMembership."""

    membership: Membership
    clock: int
    serves_open: bool

    def __post_init__(self) -> None:
        try:
            _check_time(self.clock)
            fields.flag(self.serves_open)
        except BadMessage as error:
            raise BadMembership(f"a badge: {error}") from error

    def encode(self) -> bytes:
        """At most MAX_MEMBERSHIP bytes."""
        return codec.encode([*self.membership.as_list(), self.clock, self.serves_open])


def found(root: SigningKey, public_key: bytes, now: float, lifetime: int = ISSUER_SECONDS) -> Membership:
    """The founder's membership of the node with this key, given by the site's root itself."""
    site = site_id(root.public_key)
    issued = int(now)
    expires = min(issued + lifetime, MAX_TIME)
    certificate = _certify(root, site, public_key, Rights.FOUNDER, issued, expires)
    return Membership(root.public_key, (certificate,))


def admit(
    issuer: Membership, key: SigningKey, public_key: bytes, rights: Rights, now: float, lifetime: int
) -> Membership:
    """The membership of the node with `public_key`, granted by the member `issuer`, which holds `key`.

    It ends when the issuer's does, at the latest. BadMembership when the issuer may not give such rights.
    """
    issued = max(int(now), issuer.own.issued)
    expires = min(issued + lifetime, issuer.own.expires)
    certificate = _certify(key, issuer.site, public_key, rights, issued, expires)
    return Membership(issuer.root_key, (*issuer.chain, certificate))


def lifetime_of(rights: Rights) -> int:
    """Seconds that a new certificate with these rights lives."""
    return ISSUER_SECONDS if rights > Rights.MEMBER else MEMBER_SECONDS


def membership_from(value: object) -> Membership:
    """The membership that `as_list` wrote; BadMembership."""
    match value:
        case [bytes(root_key), [*certificates]] if 1 <= len(certificates) <= MAX_CHAIN:
            return Membership(root_key, _chain(root_key, certificates))
        case _:
            raise BadMembership("not a membership")


def decode_membership(data: bytes) -> Membership:
    """The inverse of `Membership.encode`; BadMembership."""
    return membership_from(_decode(data))


def decode_badge(data: bytes) -> Badge:
    """The inverse of `Badge.encode`; BadMembership."""
    match _decode(data):
        case [root_key, certificates, int(clock), bool(serves_open)]:
            return Badge(membership_from([root_key, certificates]), clock, serves_open)
        case _:
            raise BadMembership("not a badge")


def _decode(data: bytes) -> object:
    if len(data) > MAX_MEMBERSHIP:
        raise BadMembership(f"longer than {MAX_MEMBERSHIP} bytes")
    try:
        return codec.decode(data)
    except codec.BadEncoding as error:
        raise BadMembership(str(error)) from error


def _chain(root_key: bytes, certificates: list[object]) -> tuple[Certificate, ...]:
    chain: list[Certificate] = []
    signer = root_key
    for item in certificates:
        match item:
            case [bytes(public_key), int(rights), int(issued), int(expires), bytes(signature)]:
                site = site_id(root_key)
                chain.append(Certificate(site, public_key, rights, issued, expires, signer, signature))
                signer = public_key
            case _:
                raise BadMembership("not a certificate")
    return tuple(chain)


def _as_list(certificate: Certificate) -> list[object]:
    return [
        certificate.public_key,
        certificate.rights,
        certificate.issued,
        certificate.expires,
        certificate.signature,
    ]


def _certify(
    key: SigningKey, site: SiteId, public_key: bytes, rights: Rights, issued: int, expires: int
) -> Certificate:
    signature = key.sign(CERTIFICATE_DOMAIN, _statement(site, public_key, int(rights), issued, expires))
    return Certificate(site, public_key, int(rights), issued, expires, key.public_key, signature)


def _statement(site: SiteId, public_key: bytes, rights: int, issued: int, expires: int) -> bytes:
    return codec.encode([site, public_key, rights, issued, expires])
