"""Revocation: signed lists of nodes that are out, which members pass on, and what the lists together say.

Whoever may issue may revoke: each signer has one list, which only grows, and a newer one takes the place of
an older one. A list counts against nodes that have fewer rights than its signer, so that an issuer that was
broken into cannot put out the founder. A revoked node takes with it whatever it issued.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from protocol import codec, fields
from protocol.fields import U64, BadMessage
from protocol.ids import NodeId, SiteId, node_id, site_id
from protocol.limits import MAX_AUTHORITIES, MAX_REVOCATION, MAX_REVOKED, MAX_TIME
from protocol.membership import BadMembership, Membership, Rights, membership_from
from protocol.signing import BadSignature, SigningKey, verify

REVOCATION_DOMAIN: Final = b"lanswarm-revocation-1:"
"""Over the encoded list of site, version, made and nodes (docs/protocol.md, "Sites")."""


class BadRevocation(ValueError):
    """No revocation list, or one that nobody who may revoke has signed."""


_check_version: Final = fields.number(U64)
_check_time: Final = fields.number(MAX_TIME)
_check_signature: Final = fields.raw(64, 64)


@dataclass(frozen=True, slots=True)
class Revocation:
    """One signer's list. `signer` None: the root itself; else a member that may issue.

    `version` counts the lists of this signer from 1, `made` is in seconds since 1970, `nodes` ascend.
    Raises BadRevocation unless all of that holds and the signature is the signer's.
    """

    root_key: bytes
    signer: Membership | None
    version: int
    made: int
    nodes: tuple[NodeId, ...]
    signature: bytes

    def __post_init__(self) -> None:
        if len(self.nodes) > MAX_REVOKED:
            raise BadRevocation(f"a list of more than {MAX_REVOKED} nodes")
        if list(self.nodes) != sorted(set(self.nodes)):
            raise BadRevocation("a list whose nodes do not ascend")
        if self.signer is not None:
            self._check_signer(self.signer)
        try:
            _check_version(self.version)
            _check_time(self.made)
            _check_signature(self.signature)
            for node in self.nodes:
                fields.identifier(node)
            verify(self.key, REVOCATION_DOMAIN, self.statement(), self.signature)
        except (BadMessage, BadSignature) as error:
            raise BadRevocation(f"a list: {error}") from error

    def _check_signer(self, signer: Membership) -> None:
        if signer.root_key != self.root_key:
            raise BadRevocation("a list by a member of another site")
        if signer.rights < Rights.ISSUER:
            raise BadRevocation("a list by a member that may not revoke")
        if not signer.own.issued <= self.made <= signer.own.expires:
            raise BadRevocation("a list made when its signer's certificate did not hold")

    def statement(self) -> bytes:
        return _statement(self.site, self.version, self.made, self.nodes)

    @property
    def site(self) -> SiteId:
        return site_id(self.root_key)

    @property
    def key(self) -> bytes:
        """The public key that signed: one list is kept for each."""
        return self.signer.own.public_key if self.signer else self.root_key

    @property
    def rights(self) -> Rights:
        """Nodes with fewer rights than these are put out by the list."""
        return self.signer.rights if self.signer else Rights.ROOT

    def encode(self) -> bytes:
        chain = self.signer.as_list()[1] if self.signer else []
        return codec.encode([self.root_key, chain, self.version, self.made, list(self.nodes), self.signature])


def revoke(
    key: SigningKey,
    root_key: bytes,
    signer: Membership | None,
    before: Revocation | None,
    nodes: Iterable[NodeId],
    now: float,
) -> Revocation:
    """The list of the holder of `key` with these nodes added; `before` is its last one. BadRevocation."""
    version = before.version + 1 if before else 1
    made = max(int(now), signer.own.issued if signer else 0)
    listed = tuple(sorted({*nodes, *(before.nodes if before else ())}))
    signature = key.sign(REVOCATION_DOMAIN, _statement(site_id(root_key), version, made, listed))
    return Revocation(root_key, signer, version, made, listed, signature)


def decode_revocation(data: bytes) -> Revocation:
    """The inverse of `Revocation.encode`; BadRevocation."""
    if len(data) > MAX_REVOCATION:
        raise BadRevocation(f"longer than {MAX_REVOCATION} bytes")
    try:
        match codec.decode(data):
            case [bytes(root_key), [*chain], int(version), int(made), [*nodes], bytes(signature)]:
                signer = membership_from([root_key, chain]) if chain else None
                return Revocation(root_key, signer, version, made, _ids(nodes), signature)
            case _:
                raise BadRevocation("not a revocation list")
    except (codec.BadEncoding, BadMembership) as error:
        raise BadRevocation(str(error)) from error


class Revocations:
    """What is revoked in one site, by all lists together. What was revoked once stays so.

    A thread may ask while another adds.
    """

    def __init__(self, site: SiteId, lists: Iterable[Revocation] = ()) -> None:
        self.site = site
        self._lists: dict[bytes, Revocation] = {}
        for each in lists:
            self.add(each)

    @property
    def lists(self) -> tuple[Revocation, ...]:
        """One for each signer, the most powerful first."""
        return tuple(sorted(self._lists.values(), key=lambda one: (-one.rights, one.key)))

    def by(self, key: bytes) -> Revocation | None:
        """The last list of the signer with this public key."""
        return self._lists.get(key)

    def add(self, fresh: Revocation) -> bool:
        """Take in a list; whether it says anything new. One of a signer that was revoked is not taken."""
        known = self._lists.get(fresh.key)
        if fresh.site != self.site or (known is None and len(self._lists) >= MAX_AUTHORITIES):
            return False
        if fresh.signer is not None and self.revoked(fresh.signer) is not None:
            return False
        if known is not None and not _newer(fresh, known):
            return False
        self._lists = {**self._lists, fresh.key: fresh}
        return True

    def revoked(self, membership: Membership) -> NodeId | None:
        """The node of the chain that is out, and the member with it; None while it belongs."""
        for certificate in membership.chain:
            node = node_id(certificate.public_key)
            for each in self._lists.values():
                if certificate.rights < each.rights and node in each.nodes:
                    return node
        return None


def _newer(fresh: Revocation, known: Revocation) -> bool:
    """By version; among equals, which a restored backup can make, all nodes take the same."""
    return (fresh.version, fresh.encode()) > (known.version, known.encode())


def _statement(site: SiteId, version: int, made: int, nodes: tuple[NodeId, ...]) -> bytes:
    return codec.encode([site, version, made, list(nodes)])


def _ids(nodes: list[object]) -> tuple[NodeId, ...]:
    if not all(isinstance(node, bytes) for node in nodes):
        raise BadRevocation("a list of something else than nodes")
    return tuple(NodeId(node) for node in nodes if isinstance(node, bytes))
