"""nginx on a host: what `curl` and aria2 fetch from, and libtorrent's web seed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.bench.bench import installed
from tests.bench.clock import wait_until
from tests.lan.harness import Host

CONFIGURATION: Final = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    log_format sent '$body_bytes_sent'; access_log {folder}/nginx.log sent;
    sendfile on; tcp_nopush on;
    server {{ listen {address}:80; root {root}; }}
}}
"""


class Nginx:
    """Serves the files of the folder `root` on port 80 of `address`."""

    def __init__(self, host: Host, root: Path, folder: Path, address: str = "") -> None:
        self.url = f"http://{address or host.address}"
        self._log = folder / "nginx.log"
        configuration = folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(folder=folder, address=address or host.address, root=root)
        )
        self.process = host.popen((installed("nginx"), "-c", str(configuration)))
        wait_until((folder / "nginx.pid").exists, "nginx runs")

    def stop(self) -> int:
        """Payload bytes it has sent in all."""
        self.process.stop()
        return sum(int(line) for line in self._log.read_text().split())
