"""What people paste: tokens, requests and answers, as text or as a value whose checksum is right.

    u8: which prefix to put the value under, or the text as it is | an encoded value, or text

What is taken means the same when it is written anew, and a request was signed by the node it names.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

from blake3 import blake3

from protocol import codec
from protocol.armor import CHECK_LENGTH, BadArmor, unwrap
from protocol.invitation import (
    GRANT_PREFIX,
    INVITED_PREFIX,
    REQUEST_PREFIX,
    Grant,
    Request,
    Token,
    parse_grant,
    parse_request,
    parse_token,
    request,
)
from tests.protocol.sites import FOUNDER, JOINED, MEMBER, NOW

PREFIXES = (INVITED_PREFIX, REQUEST_PREFIX, GRANT_PREFIX)
PARSERS = (parse_token, parse_request, parse_grant)
AS_IT_IS = len(PREFIXES)
ASKED = request(MEMBER, "h1")


def seeds() -> Iterator[bytes]:
    token = Token(JOINED.site, FOUNDER.node_id, b"\x31" * 32, NOW, "lab", ("192.168.1.7:7677",))
    for number, word in enumerate((token, ASKED, Grant("lab", JOINED, ("192.168.1.7:7677",)))):
        yield bytes([number]) + codec.encode(unwrap(PREFIXES[number], str(word)))
        yield bytes([AS_IT_IS]) + str(word).encode()


def run(data: bytes) -> None:
    if not data:
        return
    which = data[0] % (AS_IT_IS + 1)
    text = data[1:].decode("utf-8", "replace") if which == AS_IT_IS else armored(which, data[1:])
    for parse in PARSERS:
        check(parse, text)


def armored(prefix: int, body: bytes) -> str:
    whole = body + blake3(body).digest()[:CHECK_LENGTH]
    return f"{PREFIXES[prefix]}_{base64.urlsafe_b64encode(whole).decode().rstrip('=')}"


def check(parse: Callable[[str], object], text: str) -> None:
    try:
        word = parse(text)
    except BadArmor:
        return
    assert parse(str(word)) == word
    if isinstance(word, Token):
        assert len(word.invitation) == len(word.seed)
    if isinstance(word, Request):
        assert word == ASKED or word.public_key != MEMBER.public_key
