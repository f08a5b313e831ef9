"""Two daemons on one machine, each with a home: the second has a model from the first."""

from __future__ import annotations

import os
from pathlib import Path

from swarm.cli.demo_repo import Repository
from tests import software
from tests.command.machine import contents
from tests.hub.faults import FaultyHub
from tests.real.conftest import MakeMachine
from tests.real.machine import bytes_by, content_gets

NAME = "sentence-transformers/all-MiniLM-L6-v2"


def test_the_second_gets_it_from_the_first(make_machine: MakeMachine) -> None:
    files = software.model()
    with FaultyHub(repositories=[Repository(NAME, files)]) as hub:
        first = make_machine(hub.url)
        with first.daemon() as one:
            assert bytes_by(first.get(NAME)).keys() == {"upstream"}
            assert hub.sent.total() == sum(os.path.getsize(path) for path in files.values())
            asked = len(hub.requests)
            second = make_machine(hub.url, SWARM_PEERS=one.address)
            with second.daemon() as other:
                answer = second.get(NAME)
                (peer,) = second.told("status")["peers"]
                (told,) = second.told("why", NAME)
    assert contents(answer["snapshot"]) == {path: place.read_bytes() for path, place in files.items()}
    assert answer["verified"] == "publisher"
    assert answer["sources"] == [{"kind": "peer", "name": one.status["node"], "bytes": answer["bytes"]}]
    assert content_gets(hub, asked) == []
    assert (peer["node"], peer["via"]) == (one.status["node"], "static")
    assert other.status["node"] != one.status["node"]
    assert told["sources"] == answer["sources"]
    found = second.client("hf1", FIND, NAME, HF_HUB_OFFLINE=1)
    assert Path(found) == Path(answer["snapshot"])


def test_with_the_hub_gone_the_second_still_gets_it(make_machine: MakeMachine) -> None:
    files: dict[str, bytes | Path] = {"config.json": b"{}", "model.safetensors": os.urandom(3_000_000)}
    with FaultyHub(files) as hub:
        first = make_machine(hub.url)
        commit = first.get("demo/model")["commit"]
    with first.daemon() as one:
        second = make_machine(hub.url, SWARM_PEERS=one.address)
        answer = second.get("demo/model")
    assert (answer["commit"], bytes_by(answer)) == (commit, {"peer": answer["bytes"]})
    assert contents(answer["snapshot"]) == files


FIND = """
import json, sys
from huggingface_hub import snapshot_download
print(json.dumps(snapshot_download(sys.argv[1])))
"""
