"""A node on real sockets, for as long as it takes to see that everything is connected."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from swarm.cli.demo_hub import DemoHub
from swarm.client.remote import RemoteNode
from swarm.config.settings import Settings
from swarm.config.values import HostPort
from swarm.errors import StoreError, UsageError
from swarm.node.run import run_node
from swarm.transfer.requests import GetRequest, GetResult


def read(result: GetResult) -> dict[str, bytes]:
    """What lies in the store, by path in the repository."""
    return {file.path: Path(file.stored).read_bytes() for file in result.files}


def settings(home: Path, **changes: object) -> Settings:
    plain: dict[str, object] = {"listen": HostPort("127.0.0.1", 0), "mdns": False, "settle": 0.0}
    return Settings(home=home, **plain | changes)  # type: ignore[arg-type]  # changes are a test's


async def test_two_nodes_and_a_hub(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    with DemoHub({"a.bin": data, "config.json": b"{}"}) as hub:
        request = GetRequest("hf", "demo/model", endpoints=(hub.url,))
        async with run_node(settings(tmp_path / "one"), embedded=True) as one:
            await one.get(request, lambda progress: None)
            (listens,) = (await one.status())["listen"]
            async with run_node(settings(tmp_path / "two", peers=(listens,)), embedded=True) as two:
                result = await two.get(request, lambda progress: None)
                assert set(read(result).values()) == {data, b"{}"}
                assert {(row.kind, row.bytes) for row in result.sources} == {("peer", len(data) + 2)}
                assert [peer["address"] for peer in await two.peers()] == [listens]


async def test_the_control_socket_answers_and_goes(tmp_path: Path) -> None:
    config = settings(tmp_path / "home")
    async with run_node(config, embedded=True) as node:
        remote = RemoteNode(config.control_socket)
        assert (await trio.to_thread.run_sync(remote.status))["node"] == (await node.status())["node"]
        assert config.home.stat().st_mode & 0o777 == 0o700
    assert not config.control_socket.exists()


async def test_one_node_a_home(tmp_path: Path) -> None:
    config = settings(tmp_path / "home")
    async with run_node(config, embedded=True):
        with pytest.raises(StoreError):
            async with run_node(config, embedded=True):
                raise AssertionError


@pytest.mark.parametrize("changes", [{"interface": ("no/such",)}, {"peers": ("a b",)}])
async def test_settings_that_make_no_sense(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises((UsageError, BaseExceptionGroup)) as caught:
        async with run_node(settings(tmp_path / "home", **changes), embedded=True):
            raise AssertionError
    error = caught.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, UsageError)


async def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        async with run_node(settings(tmp_path / "file" / "home"), embedded=True):
            raise AssertionError
