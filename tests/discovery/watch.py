"""A node that does nothing but discover, as a program: prints each event as one line of JSON.

    python -m tests.discovery.watch --node 1 --port 7677 [--interface eth0] [--ask-again SECONDS]

Node n has the id of n repeated 32 times, and prints `{"ready": n}` once it announces itself. It says
goodbye and ends when its standard input is closed or it gets SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys

import trio

from protocol.announce import Announcement
from protocol.ids import NodeId
from swarm.discovery import responder
from swarm.discovery.interfaces import InterfaceChoice
from swarm.discovery.mdns import run_mdns
from swarm.discovery.sightings import Event, Sighting


def node_id(number: int) -> NodeId:
    return NodeId(bytes([number]) * 32)


def describe(event: Event) -> dict[str, object]:
    """An event as JSON: the node's number, and its addresses as text."""
    number = event.node_id[0] if event.node_id else None
    if isinstance(event, Sighting):
        return {"seen": number, "at": [str(address) for address in event.addresses]}
    return {"gone": number}


def say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def watch(number: int, port: int, interfaces: InterfaceChoice) -> None:
    send, receive = trio.open_memory_channel[Event](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_with_input, nursery.cancel_scope)
        nursery.start_soon(_end_on_signal, nursery.cancel_scope)
        await nursery.start(run_mdns, Announcement(node_id(number), port, 1), interfaces, send)
        say({"ready": number})
        async for event in receive:
            say(describe(event))


async def _end_with_input(scope: trio.CancelScope) -> None:
    async with trio.lowlevel.FdStream(sys.stdin.fileno()) as stdin:
        while await stdin.receive_some():
            continue
    scope.cancel()


async def _end_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _number in signals:
            scope.cancel()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", type=int, required=True)
    parser.add_argument("--port", type=int, default=7677)
    parser.add_argument("--interface", default="")
    parser.add_argument("--ask-again", type=float, default=responder.BROWSE_AGAIN_SECONDS)
    arguments = parser.parse_args()
    logging.basicConfig(level="INFO")
    responder.BROWSE_AGAIN_SECONDS = arguments.ask_again
    trio.run(watch, arguments.node, arguments.port, InterfaceChoice.parse(arguments.interface))


if __name__ == "__main__":
    main()
