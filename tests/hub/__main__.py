"""`python -m tests.hub`: the hub with its faults as a program, for tests between namespaces.

Every folder `ns/name` below --root is a model, every `datasets/ns/name` a dataset. Prints "ready" with its
URL when it listens, writes the bytes sent so far to --stats (JSON) as they change, runs until SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Iterator
from pathlib import Path

from swarm.cli.demo_repo import Repository
from tests.hub.faults import Faults, FaultyHub

STATS_SECONDS = 0.2
STOPPING = (signal.SIGTERM, signal.SIGINT)


def repositories(root: Path) -> Iterator[Repository]:
    for folder in sorted(root.glob("*/*")):
        if folder.is_dir() and folder.parent.name != "datasets":
            yield Repository(f"{folder.parent.name}/{folder.name}", files_of(folder))
    for folder in sorted(root.glob("datasets/*/*")):
        name = f"{folder.parent.name}/{folder.name}"
        yield Repository(name, files_of(folder), kind="dataset")


def files_of(folder: Path) -> dict[str, bytes | Path]:
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hub", description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--bind", default="127.0.0.1:0", help="address:port of the hub")
    parser.add_argument("--cdn-port", type=int, default=0)
    parser.add_argument("--cdn-host", help="name of the CDN in redirects, if it differs from the address")
    parser.add_argument("--stats", type=Path, help="file for the counters")
    parser.add_argument("--rate", type=float, help="bytes a second, all connections together")
    parser.add_argument("--send-buffer", type=int, help="bytes counted as sent that wait in each socket")
    parser.add_argument("--faults", type=json.loads, default={}, help="switches of tests.hub.faults, as JSON")
    return parser.parse_args()


def write_stats(hub: FaultyHub, path: Path) -> None:
    scratch = path.with_name(f"{path.name}.new")
    scratch.write_text(
        json.dumps({"sent": hub.sent, "total": hub.sent.total(), "requests": len(hub.requests)})
    )
    scratch.rename(path)


def main() -> None:
    arguments = parse_arguments()
    host, _, port = arguments.bind.rpartition(":")
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # for all threads: the loop below takes them
    with FaultyHub(
        repositories=list(repositories(arguments.root)),
        bind=host.strip("[]"),
        port=int(port),
        cdn_port=arguments.cdn_port,
        cdn_host=arguments.cdn_host,
        rate=arguments.rate,
        faults=Faults(**arguments.faults),
    ) as hub:
        if arguments.send_buffer:
            hub.limit_send_buffer(arguments.send_buffer)
        print("ready", hub.url, flush=True)
        while signal.sigtimedwait(STOPPING, STATS_SECONDS) is None:
            if arguments.stats:
                write_stats(hub, arguments.stats)
        if arguments.stats:
            write_stats(hub, arguments.stats)


if __name__ == "__main__":
    main()
