"""`python -m tests.bench.hub`: the hub of the tests as a program that counts what it was asked.

Every folder `ns/name` below --root is a model, every `datasets/ns/name` a dataset. --made-up is the folder of
a `made_up.Model`, which is offered too. Prints "ready" when it listens; runs until SIGTERM, then
prints {"bytes": payload sent, "calls": requests for metadata, "requests": all others} as JSON.
A file takes two of those: the Hub redirects a small one to /api/resolve-cache/, a large one to its CDN.
"""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path

from tests.bench.made_up import Model
from tests.hub.__main__ import repositories
from tests.hub.faults import FaultyHub


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--made-up", type=Path)
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # for all threads: it is waited for below
    offered = list(repositories(options.root))
    if options.made_up:
        offered.append(Model(options.made_up).repository())
    with FaultyHub(repositories=offered, bind=options.address, port=options.port) as hub:
        print("ready", flush=True)
        signal.sigwait([signal.SIGTERM])
        calls = hub.count("/api/") - hub.count("/api/resolve-cache/")
        counted = {"bytes": hub.sent.total(), "calls": calls, "requests": len(hub.requests) - calls}
        print(json.dumps(counted), flush=True)


if __name__ == "__main__":
    main()
