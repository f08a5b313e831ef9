"""A small Hugging Face hub on this machine, for `swarm demo` and for tests; standard library only.

`DemoHub` puts a `HubSite` behind two listening ports, the hub and the "CDN" that large files are
redirected to, each connection in a thread of its own. `with DemoHub({"config.json": b"{}"}) as hub:`
and `HF_ENDPOINT=hub.url`.
"""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final, Self

from swarm.cli.demo_repo import Repository
from swarm.cli.demo_site import Answer, HubSite, Pause, Request

IDLE_SECONDS: Final = 60.0
"""After this long without a request a connection is closed, so that no thread waits for ever."""

MAX_BODY: Final = 1 << 20
"""Longest request body that is read: a paths-info of a few thousand paths."""


class Throttle:
    """Holds several threads together to a number of bytes a second; None is no limit."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self._rate = bytes_per_second
        self._free_at = 0.0
        self._lock = threading.Lock()

    def delay(self, count: int) -> float:
        """Seconds to wait before these bytes may be sent."""
        if not self._rate:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + count / self._rate
            return self._free_at - now


class DemoHub(HubSite):
    """A hub with one repository of these files, or with the `repositories` given.

    bind: the address of both ports; 0 lets the kernel choose a port. cdn_host: the name that redirects
    use for the second port, by default one that differs from the hub's, as clients judge by the name
    whether a redirect leaves the hub. rate: bytes of files a second, over all connections together.
    """

    def __init__(
        self,
        files: Mapping[str, bytes | Path] | None = None,
        *,
        repo: str = "demo/model",
        repositories: Iterable[Repository] = (),
        bind: str = "127.0.0.1",
        port: int = 0,
        cdn_port: int = 0,
        cdn_host: str | None = None,
        rate: float | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        added = [Repository(repo, files)] if files is not None else []
        throttle = Throttle(rate)
        self._servers = [
            _Server((bind, port), self.answer, throttle),
            _Server((bind, cdn_port), self.answer_cdn, throttle),
        ]
        self._threads: list[threading.Thread] = []
        self.url = f"http://{_authority(bind, self._servers[0].port)}"
        host = cdn_host or ("localhost" if bind == "127.0.0.1" else bind)
        cdn_url = f"http://{_authority(host, self._servers[1].port)}"
        super().__init__([*added, *repositories], cdn_url=cdn_url, now=now)

    def start(self) -> Self:
        """Answer from now on; returns itself."""
        for server in self._servers:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        """Answer no more and cut what is under way."""
        for server in self._servers:
            if self._threads:
                server.shutdown()
            server.stop()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Server(socketserver.ThreadingTCPServer):
    """A listening port whose requests `respond` answers; it cuts its connections when it stops."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], respond: Callable[[Request], Answer], throttle: Throttle
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.respond = respond
        self.throttle = throttle
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)
        self.port: int = self.server_address[1]

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        super().process_request(request, client)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        assert isinstance(request, socket.socket)
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """A client that went away is no news; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        self.stopping.set()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # already closed by its thread or its client
                continue
        self.server_close()


class _Cut(ConnectionError):
    """The answer ends here, whatever its headers promised."""


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 between a socket and `HubSite`."""

    protocol_version = "HTTP/1.1"
    server_version = "demo-hub"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: stderr belongs to the command that runs the hub."""

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            raise _Cut("a request body that is too long")
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.respond(Request(self.command, self.path, headers, self.rfile.read(length)))
        self._wait(answer.delay)
        self.send_response(answer.status)
        chunked = "Content-Length" not in answer.headers and self.command != "HEAD"
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(answer, chunked=chunked)

    def _send_body(self, answer: Answer, *, chunked: bool) -> None:
        left = None if chunked else int(answer.headers["Content-Length"])
        for block in answer.body:
            if isinstance(block, Pause):
                self._wait(block.seconds)
                continue
            if answer.payload:
                self._wait(self.server.throttle.delay(len(block)))
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            left = left and left - len(block)
        if left:
            self.close_connection = True
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _wait(self, seconds: float) -> None:
        if seconds > 0 and self.server.stopping.wait(seconds):
            raise _Cut("the hub stops")
