"""`python -m tests.hub` as other tests run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent.parent


def test_the_hub_as_a_program(tmp_path: Path) -> None:
    for folder in ("models/ns/one", "models/datasets/ns/two"):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "sub/weights.bin").write_bytes(bytes(3000))
    stats = tmp_path / "stats.json"
    command = [sys.executable, "-m", "tests.hub", "--root", str(tmp_path / "models"), "--stats", str(stats)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        ready, url = process.stdout.readline().split()
        assert ready == "ready"
        with httpx.Client(trust_env=False, follow_redirects=True) as client:
            client.get(f"{url}/ns/one/resolve/main/sub/weights.bin")
            client.get(f"{url}/datasets/ns/two/resolve/main/sub/weights.bin", headers={"Range": "bytes=0-9"})
            assert client.get(f"{url}/_stats").json()["total"] == 3010
            turned = client.post(f"{url}/_control", json={"status": 503})
            assert turned.status_code == 200
            assert client.get(f"{url}/api/models/ns/one/revision/main").status_code == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    counted = json.loads(stats.read_text())
    assert counted["sent"] == {"ns/one/sub/weights.bin": 3000, "ns/two/sub/weights.bin": 10}
