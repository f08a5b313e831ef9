"""docs/protocol.md says what the code does: every message, field, limit and chunk length."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protocol import limits
from protocol.announce import SERVICE_TYPE
from protocol.handshake import PROLOGUE
from protocol.ids import PRIVATE_CONTEXT
from protocol.invitation import (
    GRANT_PREFIX,
    INVITATION_DOMAIN,
    INVITED_PREFIX,
    REQUEST_DOMAIN,
    REQUEST_PREFIX,
)
from protocol.membership import CERTIFICATE_DOMAIN, CLOCK_TOLERANCE, Rights
from protocol.messages import BULK, CONTROL, Checked
from protocol.revocation import REVOCATION_DOMAIN
from protocol.signing import CLAIMS_DOMAIN, STATIC_KEY_DOMAIN
from protocol.state import State

TEXT = Path(__file__).parents[2].joinpath("docs", "protocol.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("|")
]


@pytest.mark.parametrize(("number", "kind"), (dict(CONTROL) | dict(BULK)).items(), ids=str)
def test_every_message_with_its_fields_in_order(number: int, kind: type[Checked]) -> None:
    [fields] = [row[2] for row in ROWS if row[:2] == [str(number), kind.__name__]]
    outer = re.sub(r"`\[.*\]`", "", fields)
    assert re.findall(r"(\w+): ", outer) == [name for name in kind.__slots__ if name != "payload"]


def test_no_message_that_is_not_there() -> None:
    documented = {
        int(row[0])
        for row in ROWS
        if row[0].isdigit() and len(row) == 4 and row[1].isalpha() and row[1][0].isupper()
    }
    assert documented == {*CONTROL, *BULK}


def test_every_limit_with_its_value() -> None:
    no_limits = {"KIB", "MIB", "GIB", "PROTOCOL_VERSION", "DEFAULT_PORT"}
    constants = {
        name: value for name, value in vars(limits).items() if name.isupper() and name not in no_limits
    }
    documented = {
        row[0]: int(row[1]) for row in ROWS if row[0].startswith("MAX_") or row[0].startswith("REKEY")
    }
    assert documented == constants


DOMAINS = [
    CLAIMS_DOMAIN,
    STATIC_KEY_DOMAIN,
    CERTIFICATE_DOMAIN,
    INVITATION_DOMAIN,
    REQUEST_DOMAIN,
    REVOCATION_DOMAIN,
]


@pytest.mark.parametrize("rights", [Rights.MEMBER, Rights.ISSUER, Rights.FOUNDER])
def test_every_kind_of_rights(rights: Rights) -> None:
    assert [str(int(rights)), rights.name] in [row[:2] for row in ROWS]


@pytest.mark.parametrize(
    "text",
    [
        SERVICE_TYPE,
        PROLOGUE.decode(),
        *(domain.decode() for domain in DOMAINS),
        *(f"`{prefix}`" for prefix in (INVITED_PREFIX, REQUEST_PREFIX, GRANT_PREFIX)),
        f'derive_key("{PRIVATE_CONTEXT}", snapshot key)',
        f"{CLOCK_TOLERANCE} (CLOCK_TOLERANCE)",
        *State.__members__,
    ],
)
def test_every_fixed_text(text: str) -> None:
    assert text in TEXT
