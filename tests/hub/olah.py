"""A real Olah, the caching Hugging Face proxy, as an upstream for tests (facts: mirrors, section 6).

`mirrored` makes the git folder, with LFS objects, that Olah serves as a local mirror; `Olah` runs it, offline
over such folders or as a proxy. Olah is not a dependency: `tests.software` knows where it is.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests import software

START_SECONDS = 30.0
"""Olah imports for some seconds on a busy machine."""


def olah_cli() -> Path:
    """The executable; skips the test when it, or git, which makes what it serves, is not there."""
    software.tool("git")
    return software.installed("olah") / "bin/olah-cli"


def mirrored(
    folder: Path, repo: str, files: Mapping[str, bytes], *, kind: str = "model", tag: str = ""
) -> str:
    """A git repository `{folder}/{kind}s/{repo}` as `git lfs` leaves it; returns its commit.

    Files named `*.safetensors` and `*.bin` are pointers in git, their content among the LFS objects.
    """
    root = folder / f"{kind}s" / repo
    root.mkdir(parents=True)
    _git(root, "init", "--quiet", "--initial-branch=main")
    for path, content in files.items():
        kept = content
        if path.endswith((".safetensors", ".bin")):
            digest = hashlib.sha256(content).hexdigest()
            kept = (
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
            ).encode()
            stored = root / ".git/lfs/objects" / digest[:2] / digest[2:4] / digest
            stored.parent.mkdir(parents=True, exist_ok=True)
            stored.write_bytes(content)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(kept)
    _git(root, "add", "--all", "--force")
    _git(root, "commit", "--quiet", "--message=all")
    if tag:
        _git(root, "tag", tag)
    return _git(root, "rev-parse", "HEAD").strip()


def _git(root: Path, *arguments: str) -> str:
    own = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        **{f"GIT_{who}_NAME": "test" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "test@localhost" for who in ("AUTHOR", "COMMITTER")},
    }
    done = subprocess.run(
        ["git", "-C", root, *arguments], check=True, capture_output=True, text=True, env={**os.environ, **own}
    )
    return done.stdout


class Olah:
    """A running Olah at `url`: offline over the folder of `mirrored`, or a proxy of `hub` (host:port)."""

    def __init__(self, cli: Path, scratch: Path, *, mirrors: Path | None = None, hub: str = "") -> None:
        self._cli = cli
        self._scratch = scratch
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / "olah.toml").write_text(
            "\n".join(
                [
                    "[basic]",
                    'host = "127.0.0.1"',
                    f"port = {port}",
                    f'repos-path = "{scratch}/repos"',
                    'hf-scheme = "http"',
                    f'hf-netloc = "{hub or "127.0.0.1:9"}"',
                    f'hf-lfs-netloc = "{hub or "127.0.0.1:9"}"',
                    'mirror-scheme = "http"',
                    f'mirror-netloc = "127.0.0.1:{port}"',
                    f'mirror-lfs-netloc = "127.0.0.1:{port}"',
                    f'mirrors-path = ["{mirrors}"]' if mirrors else "mirrors-path = []",
                    "[accessibility]",
                    f"offline = {'false' if hub else 'true'}",
                    "",
                ]
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        log = self._scratch / "log"
        with (self._scratch / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [self._cli, "-c", self._scratch / "olah.toml", "--log-path", log],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._scratch,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"Olah did not start: {(self._scratch / 'output').read_text()[-2000:]}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=1).close()
        except urllib.error.HTTPError as error:
            error.close()
            return True
        except OSError:
            return False
        return True
