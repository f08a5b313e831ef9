"""A user's machine with real clients of the Hugging Face hub beside the installed `swarm`.

`Machine.get("org/name")` is `swarm get org/name --json`, in a process, as a user has it. Nothing of the
environment of who runs the tests gets in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from tests import software
from tests.command import machine
from tests.hub.faults import FaultyHub

NOWHERE: Final = "http://127.0.0.1:9"
"""An endpoint where nobody answers (port of the discard service)."""


@dataclass
class Machine(machine.Machine):
    """A machine whose commands all have to succeed."""

    def told(self, *words: str) -> Any:
        """What a command prints with --json; one that fails fails the test."""
        done = self.swarm(*words, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    def get(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.told("get", *words)
        return answer

    def client(self, name: str, script: str, *arguments: object, **own: object) -> Any:
        """What a script prints under a real huggingface_hub that has this machine's cache."""
        return software.Client(name).run(script, *arguments, **{**self.environ(), **own})


def bytes_by(answer: dict[str, Any]) -> dict[str, int]:
    """How many bytes came from each kind of source, as `swarm get --json` tells it."""
    had: dict[str, int] = {}
    for source in answer["sources"]:
        had[source["kind"]] = had.get(source["kind"], 0) + source["bytes"]
    return had


def content_gets(hub: FaultyHub, since: int = 0) -> list[str]:
    """The requests for files' content a hub had, without the `since` first requests of any kind."""
    return [
        request.target
        for host, request in hub.requests[since:]
        if request.method == "GET" and (host == "cdn" or "/resolve" in request.path)
    ]
