"""The demo: its model is one, its sums are right, and the whole thing runs."""

import json
import struct
from pathlib import Path

import pytest

from swarm.cli import demo_model
from swarm.cli.demo_nodes import DemoNode
from swarm.cli.demo_run import NodeOutcome, Outcome, judge
from swarm.errors import WrongContent
from tests.cli.command import Command

MIB = 1 << 20


def test_the_model_is_safetensors() -> None:
    files = demo_model.make(16 * MIB)
    shards = [data for path, data in files.items() if path.endswith(".safetensors")]
    assert len(shards) == 2
    for shard in shards:
        (length,) = struct.unpack_from("<Q", shard)
        header = json.loads(shard[8 : 8 + length])
        end = 0
        for tensor in header.values():
            start, stop = tensor["data_offsets"]
            rows, columns = tensor["shape"]
            assert start == end
            assert stop - start == rows * columns * 2
            end = stop
        assert 8 + length + end == len(shard)


def test_the_model_is_the_same_for_the_same_seed() -> None:
    assert demo_model.make(8 * MIB) == demo_model.make(8 * MIB)
    assert demo_model.make(8 * MIB) != demo_model.make(8 * MIB, seed=1)


def test_the_report() -> None:
    outcome = Outcome(1000, 1100, 100, [NodeOutcome(11.0, 1000, 0), NodeOutcome(12.0, 100, 900)])
    report = outcome.as_json()
    assert report["upstream_ratio"] == 1.1
    assert (report["seconds"], report["bound_seconds"], report["bound_ratio"]) == (12.0, 10.0, 1.2)
    assert report["nodes"][1] == {"seconds": 12.0, "upstream": 100, "peers": 900}


def test_a_node_with_other_bytes_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"other")
    result = {"snapshot": str(tmp_path), "sources": [], "seconds": 1.0}
    with pytest.raises(WrongContent, match="other bytes in a"):
        judge(result, {"a": bytes(32)})


def test_a_node_of_the_demo_lives_in_its_own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_PEERS", "10.0.0.1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    environ = DemoNode(tmp_path, "http://127.0.0.1:1", ["127.0.0.1:2"]).environ()
    assert environ["SWARM_PEERS"] == "127.0.0.1:2"
    assert environ["HF_ENDPOINT"] == "http://127.0.0.1:1"
    assert not {"HF_HUB_OFFLINE", "https_proxy"} & set(environ)


def test_the_whole_thing(command: Command) -> None:
    ran = command("demo", "--nodes", "2", "--size", "8MiB", "--rate", "8MB/s", "--json", "--quiet")
    assert (ran.code, ran.err) == (0, "")
    report = json.loads(ran.out)
    assert report["verified"] is True
    assert report["upstream_ratio"] < 1.5
    assert sum(node["peers"] for node in report["nodes"]) > 0
    for node in report["nodes"]:
        assert node["upstream"] + node["peers"] == report["model_bytes"]
