"""One libtorrent node; run by the Python that .ci/bench-software made:  torrent_node.py ADDRESS PORT

Prints "ready" once it listens, then takes one line of JSON: {"torrent": file, "folder": where the content
goes or is, "seed": whether it is there, "peers": [[address, port], ...]}. Prints the monotonic time
at which it had everything, as JSON, and goes on serving until it is killed. Settings: what a careful user
of a LAN would choose: no encryption, TCP only, no limits, discovery on the LAN.
"""

import json
import sys
import time
from importlib import import_module
from typing import Any

lt: Any = import_module("libtorrent")
"""Not among the packages that the tests need."""

ASK_SECONDS = 0.005


def session(address: str, port: int) -> Any:
    return lt.session(
        {
            "listen_interfaces": f"{address}:{port}",
            "enable_dht": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_lsd": True,
            "local_service_announce_interval": 5,
            "allow_multiple_connections_per_ip": True,
            "connections_limit": 200,
            "unchoke_slots_limit": 16,
            "out_enc_policy": 2,
            "in_enc_policy": 2,
            "enable_outgoing_utp": False,
            "enable_incoming_utp": False,
            "mixed_mode_algorithm": 0,
            "rate_limit_ip_overhead": False,
            "send_buffer_watermark": 3 << 20,
            "alert_mask": 0,
        }
    )


def main() -> None:
    listening = session(sys.argv[1], int(sys.argv[2]))
    print("ready", flush=True)
    told = json.loads(sys.stdin.readline())
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(told["torrent"])
    parameters.save_path = told["folder"]
    if told["seed"]:
        parameters.flags |= lt.torrent_flags.seed_mode
    handle = listening.add_torrent(parameters)
    for address, port in told["peers"]:
        handle.connect_peer((address, port))
    while not handle.status().is_seeding:
        time.sleep(ASK_SECONDS)
    print(json.dumps({"done": time.monotonic()}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
