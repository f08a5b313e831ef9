"""How a node comes to belong to a site, and what it shows and hears of who does."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.fields import BadMessage
from protocol.messages.checked import Checked


@dataclass(frozen=True, slots=True)
class Redeem(Checked):
    """A node of no site was invited by the receiver: let me in. Answered by Granted.

    `invitation` is the public key of the token, `proof` its signature (`protocol.invitation.Token.proof`),
    `name` is for people.
    """

    invitation: bytes
    proof: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Renew(Checked):
    """Grant the sender anew the membership it has shown. Answered by Granted."""


@dataclass(frozen=True, slots=True)
class Granted(Checked):
    """The answer to Redeem and Renew: an encoded membership, or nothing and the reason why not."""

    membership: bytes
    refusal: str

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        if bool(self.membership) == bool(self.refusal):
            raise BadMessage("a membership and a refusal, or neither")


@dataclass(frozen=True, slots=True)
class Belongs(Checked):
    """The sender's badge from now on, instead of the one in its handshake."""

    badge: bytes


@dataclass(frozen=True, slots=True)
class Revoked(Checked):
    """A revocation list (`protocol.revocation`) that the sender holds true."""

    revocation: bytes
