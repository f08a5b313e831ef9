"""How a node comes into a site: the token of an invitation, the request carried by hand, and the answer.

A token names the member that invited, which is whom the newcomer talks to, and carries a secret key. The
secret never leaves the newcomer: it signs that this very node was invited by that very member, so that
nothing anybody overhears or is told lets another node in. The inviter knows the public half only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol import codec, fields
from protocol.armor import BadArmor, unwrap, wrap
from protocol.fields import BadMessage
from protocol.ids import NodeId, SiteId
from protocol.limits import MAX_ADDRESS, MAX_ADDRESSES, MAX_NAME, MAX_TIME
from protocol.membership import BadMembership, Membership, membership_from
from protocol.signing import BadSignature, SigningKey, verify

INVITATION_DOMAIN: Final = b"lanswarm-invitation-1:"
"""Over the encoded list of site, inviter and the newcomer's public key (docs/protocol.md, "Sites")."""

REQUEST_DOMAIN: Final = b"lanswarm-request-1:"
"""Over the encoded list of the newcomer's public key and name."""

INVITED_PREFIX: Final = "swarmtoken1"
REQUEST_PREFIX: Final = "swarmrequest1"
GRANT_PREFIX: Final = "swarmmember1"

_check_seed: Final = fields.raw(32, 32)
_check_time: Final = fields.number(MAX_TIME)
_check_name: Final = fields.text(MAX_NAME)
_check_addresses: Final = fields.sequence(0, MAX_ADDRESSES, fields.text(MAX_ADDRESS))


@dataclass(frozen=True, slots=True)
class Token:
    """`inviter` lets whoever holds `seed` (32 bytes, secret) into `site`, called `name`, until `expires`.

    `addresses`: where the inviter may be called, host:port. Raises BadArmor.
    """

    site: SiteId
    inviter: NodeId
    seed: bytes
    expires: int
    name: str
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        try:
            fields.identifier(self.site)
            fields.identifier(self.inviter)
            _check_seed(self.seed)
            _check_time(self.expires)
            _check_name(self.name)
            _check_addresses(self.addresses)
        except BadMessage as error:
            raise BadArmor(f"a token: {error}") from error

    @property
    def invitation(self) -> bytes:
        """32 bytes, public: what the inviter knows the token by."""
        return SigningKey(self.seed).public_key

    def proof(self, public_key: bytes) -> bytes:
        """64 bytes: proof that the node with this Ed25519 key holds the token."""
        return SigningKey(self.seed).sign(INVITATION_DOMAIN, _invited(self.site, self.inviter, public_key))

    def __str__(self) -> str:
        fields_ = [self.site, self.inviter, self.seed, self.expires, self.name, list(self.addresses)]
        return wrap(INVITED_PREFIX, fields_)

    def __repr__(self) -> str:
        return f"Token(site={self.site.hex()}, inviter={self.inviter.hex()}, expires={self.expires})"


def parse_token(text: str) -> Token:
    """The inverse of `str`; BadArmor."""
    match unwrap(INVITED_PREFIX, text):
        case [bytes(site), bytes(inviter), bytes(seed), int(expires), str(name), [*addresses]]:
            return Token(SiteId(site), NodeId(inviter), seed, expires, name, _texts(addresses))
        case _:
            raise BadArmor("not a token")


def check_proof(invitation: bytes, site: SiteId, inviter: NodeId, public_key: bytes, proof: bytes) -> None:
    """Raise BadSignature unless the node with `public_key` holds the token of this invitation."""
    verify(invitation, INVITATION_DOMAIN, _invited(site, inviter, public_key), proof)


@dataclass(frozen=True, slots=True)
class Request:
    """A node asks to be let in, by a file carried by hand. Raises BadArmor unless it signed that itself."""

    public_key: bytes
    name: str
    signature: bytes

    def __post_init__(self) -> None:
        try:
            _check_name(self.name)
            verify(
                self.public_key, REQUEST_DOMAIN, codec.encode([self.public_key, self.name]), self.signature
            )
        except (BadMessage, BadSignature) as error:
            raise BadArmor(f"a request: {error}") from error

    def __str__(self) -> str:
        return wrap(REQUEST_PREFIX, [self.public_key, self.name, self.signature])


def request(key: SigningKey, name: str) -> Request:
    """The request of the node that holds `key`; `name` is for people."""
    signature = key.sign(REQUEST_DOMAIN, _asking(key.public_key, name))
    return Request(key.public_key, name, signature)


def parse_request(text: str) -> Request:
    """The inverse of `str`; BadArmor."""
    match unwrap(REQUEST_PREFIX, text):
        case [bytes(public_key), str(name), bytes(signature)]:
            return Request(public_key, name, signature)
        case _:
            raise BadArmor("not a request")


@dataclass(frozen=True, slots=True)
class Grant:
    """A membership as it is kept in a file and carried by hand, with the site's name for people and
    `addresses` (host:port) of members that may renew it. Raises BadArmor."""

    name: str
    membership: Membership
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        try:
            _check_name(self.name)
            _check_addresses(self.addresses)
        except BadMessage as error:
            raise BadArmor(f"a membership: {error}") from error

    def __str__(self) -> str:
        return wrap(GRANT_PREFIX, [self.name, list(self.addresses), self.membership.as_list()])


def parse_grant(text: str) -> Grant:
    """The inverse of `str`; BadArmor."""
    match unwrap(GRANT_PREFIX, text):
        case [str(name), [*addresses], membership]:
            try:
                return Grant(name, membership_from(membership), _texts(addresses))
            except BadMembership as error:
                raise BadArmor(str(error)) from error
        case _:
            raise BadArmor("not a membership")


def _invited(site: SiteId, inviter: NodeId, public_key: bytes) -> bytes:
    return codec.encode([site, inviter, public_key])


def _asking(public_key: bytes, name: str) -> bytes:
    return codec.encode([public_key, name])


def _texts(values: list[object]) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise BadArmor("addresses that are no text")
    return tuple(value for value in values if isinstance(value, str))
