"""Looking for a secret in whatever was written or sent, in all the ways in which it may be spelt there."""

from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus


def spellings(token: str) -> list[bytes]:
    """What to look for. Base64 depends on what stands before, so it is looked for at all three phases."""
    plain = token.encode()
    found = [plain, plain.hex().encode(), quote(token).encode(), quote(token, safe="").encode()]
    found += [quote_plus(token).encode(), repr(token)[1:-1].encode()]
    for phase in range(3):
        encoded = base64.b64encode(b"x" * phase + plain)[phase + phase // 2 + (phase > 0) :].rstrip(b"=")[:-1]
        found += [encoded, encoded.replace(b"+", b"-").replace(b"/", b"_")]
    return found


def leaks(data: bytes, *tokens: str) -> list[bytes]:
    return [spelling for token in tokens for spelling in spellings(token) if spelling in data]
