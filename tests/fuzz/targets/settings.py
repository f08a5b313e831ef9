"""What a person configures: a file and the environment. Settings, or an error in words.

config.toml | NUL | NAME=value, a line each
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from swarm.config.settings import KEYS, Settings, load
from swarm.discovery.interfaces import InterfaceChoice
from swarm.discovery.static import parse_peers
from swarm.errors import UsageError
from swarm.upstreams.endpoint import endpoints_for
from swarm.upstreams.reach import Allowed

HOME = "/nowhere"


def seeds() -> Iterator[bytes]:
    yield b"\0".join(
        [
            b'listen = "0.0.0.0:7677"\nquota = "2TiB"\npeers = ["10.0.0.1", "[fd00::1]:9"]\nmdns = false\n'
            b'endpoint = "https://m.test/x/"\nsettle = 1.5\ngateway = "off"\ninterface = "eth0,fd00::/8"',
            b"SWARM_UPSTREAM_RATE=200Mbit/s\nSWARM_TOKEN=hf_x\nSWARM_REDIRECTS=10.0.0.0/8,cdn.test",
        ]
    )
    yield b"\0HF_ENDPOINT=http://127.0.0.1:7678\nHF_HUB_OFFLINE=1\nHF_TOKEN=t\nSWARM_LISTEN=[::1]:70000"
    yield b'peers = [[["x"]]]\n[listen]\na = 1\n\0SWARM_QUOTA=.5e3GB\nSWARM_LISTN=1\nSWARM_LOG_LEVEL=loud'
    yield b"quota = " + b"9" * 400
    yield b"quota = 1e999\nsettle = nan\n\0SWARM_DOWNLOAD_RATE=" + b"9" * 400 + b"GB"


def run(data: bytes) -> None:
    text, _, variables = data.partition(b"\0")
    environ = {"SWARM_HOME": HOME, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
    for line in variables.decode("utf-8", "surrogateescape").split("\n"):
        name, _, value = line.partition("=")
        environ.setdefault(name, value)
    with patch.object(Path, "read_text", lambda path, encoding: text.decode(encoding)):
        try:
            check(load({}, environ))
        except UsageError:
            return


def check(found: Settings) -> None:
    assert set(KEYS) <= set(Settings._fields)
    for rate in (found.upstream_rate, found.upload_rate, found.download_rate, found.quota):
        assert rate is None or rate >= 0
    assert 0 <= found.settle < float("inf")
    for place in (found.listen, found.gateway):
        assert place is None or 0 <= place.port < 65536
    for endpoint in endpoints_for(found.endpoints, found.token):
        assert endpoint.url.startswith(("http://", "https://"))
    for address in parse_peers(",".join(found.peers)):
        assert address.dialable
    InterfaceChoice.parse(",".join(found.interface))
    Allowed.parse(found.redirects)
