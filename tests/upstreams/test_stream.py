"""What an answer's headers say it holds."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.limits import KIB
from protocol.manifest import Blob
from swarm.upstreams.runs import Run
from swarm.upstreams.stream import held_range
from swarm.upstreams.trouble import BadAnswer

CHUNK = 256 * KIB
SIZE = 4 * CHUNK
RUN = Run(Blob("sha256", bytes(32), SIZE), first=1, index=1, count=2)
PART = f"bytes {CHUNK}-{3 * CHUNK - 1}"


@pytest.mark.parametrize(
    ("status", "headers", "held"),
    [
        (206, {"Content-Range": f"{PART}/{SIZE}", "Content-Length": str(2 * CHUNK)}, (CHUNK, 3 * CHUNK)),
        (200, {"Content-Range": f"{PART}/{SIZE}"}, (CHUNK, 3 * CHUNK)),
        (206, {"Content-Range": f"{PART}/*"}, (CHUNK, 3 * CHUNK)),
        (206, {"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"}, (0, SIZE)),
        (200, {"Content-Length": str(SIZE)}, (0, SIZE)),
        (200, {}, (0, SIZE)),
        (200, {"Content-Encoding": "identity"}, (0, SIZE)),
    ],
)
def test_what_can_be_used(status: int, headers: dict[str, str], held: tuple[int, int]) -> None:
    assert held_range(status, httpx.Headers(headers), RUN) == held


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {}),
        (200, {"Content-Length": str(SIZE - 1)}),
        (200, {"Content-Length": str(2 * CHUNK)}),
        (206, {"Content-Range": f"{PART}/{SIZE + 1}"}),
        (206, {"Content-Range": f"bytes 0-{3 * CHUNK - 1}/{SIZE}"}),
        (206, {"Content-Range": f"bytes {CHUNK}-{3 * CHUNK}/{SIZE}"}),
        (206, {"Content-Range": f"bytes {CHUNK}-{2 * CHUNK}/{SIZE}"}),
        (206, {"Content-Range": f"bytes */{SIZE}"}),
        (206, {"Content-Range": "nonsense"}),
        (200, {"Content-Encoding": "gzip"}),
    ],
)
def test_what_cannot(status: int, headers: dict[str, str]) -> None:
    with pytest.raises(BadAnswer):
        held_range(status, httpx.Headers(headers), RUN)


@settings(deadline=None)
@given(st.text(max_size=40), st.sampled_from([200, 206]))
def test_any_header_is_either(told: str, status: int) -> None:
    try:
        held = held_range(status, {"content-range": told}, RUN)
    except BadAnswer:
        return
    assert held in ((CHUNK, 3 * CHUNK), (0, SIZE))
