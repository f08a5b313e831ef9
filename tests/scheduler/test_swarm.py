"""Whole swarms of real schedulers on a simulated LAN: how close to the bound, and what is paid upstream."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol.bits import everything, lowest
from protocol.limits import KIB
from swarm.scheduler.picker import HORIZON_ROUNDS
from tests.scheduler.network import Costs
from tests.scheduler.simulator import MBIT, Node, World, layout, relayed

SIZE = 90_000_000
UPSTREAM = 50 * MBIT
LAN = 200 * MBIT
BOUND = SIZE / UPSTREAM
FAN_SIZE = 512 << 20


def cold_start(
    seed: int, *, settle: float = 0.5, spread: float = 1.0, sizes: tuple[int, ...] = (SIZE,), nodes: int = 8
) -> World:
    """Nodes that start within `spread` seconds and hear of one another within 0.3 s."""
    world = World(layout(*sizes), upstream_rate=UPSTREAM, seed=seed)
    for number in range(nodes):
        node = world.add(number + 1, up=LAN, settle=settle)
        world.at(world.random.random() * spread, starter(world, node))
    world.run(lambda: all(node.alive for node in world.nodes.values()))
    return world


def starter(world: World, node: Node) -> Callable[[], None]:
    return lambda: node.start(lambda: world.random.uniform(0.01, 0.3))


def progress(world: World) -> float:
    """Share of the whole that the node that has most has."""
    return max(node.have.bit_count() for node in world.nodes.values()) / world.lengths.total


@pytest.mark.parametrize("seed", range(4))
def test_cold_start_takes_barely_longer_than_the_upstream_does(seed: int) -> None:
    world = cold_start(seed)
    last = world.run_to_end()
    assert last <= 1.12 * BOUND
    assert world.upstream_bytes == SIZE
    origin = max(world.nodes.values(), key=lambda node: node.upstream_bytes)
    assert relayed(origin) <= 1.1


@pytest.mark.parametrize("seed", range(4))
def test_nodes_that_each_took_themselves_for_the_first_pay_little_twice(seed: int) -> None:
    world = cold_start(seed, settle=0.05, spread=0.2)
    last = world.run_to_end()
    assert last <= 1.15 * BOUND
    assert world.upstream_bytes <= 1.02 * SIZE


def test_one_seed_eight_nodes() -> None:
    size = 256 << 20
    world = World(layout(size), upstream_rate=UPSTREAM)
    seed = world.add(100, up=LAN, have=everything(world.lengths.total), wanted=0)
    seed.start()
    for number in range(8):
        world.add(number + 1, up=LAN).start()
    last = world.run_to_end()
    assert last <= 1.08 * size / LAN
    assert world.upstream_bytes == 0
    assert relayed(seed) <= 1.08


@pytest.mark.parametrize("seed", [0, 1])
def test_a_fan_out_of_nodes_with_work_to_do_over_uneven_flows(seed: int) -> None:
    """The seed's upload is the bound: little of it may go into what left it before."""
    world = fan_out(8, LAN, seed)
    last = world.run_to_end()
    assert last <= 1.025 * FAN_SIZE / LAN
    assert relayed(seed_of(world)) <= 1.01


@pytest.mark.parametrize("seed", [0, 1])
def test_chunks_come_about_in_their_order(seed: int) -> None:
    """So that a file is hashed as it comes, and there is nothing to read back at the end."""
    world = fan_out(8, LAN, seed)
    wanting = [node for node in world.nodes.values() if node.wanted]
    for percent in (30, 60, 90):
        run_until_all_hold(world, wanting, world.lengths.total * percent // 100)
        ahead = [(node.have >> lowest(~node.have)).bit_count() for node in wanting]
        assert max(ahead) <= len(wanting) * HORIZON_ROUNDS


def run_until_all_hold(world: World, nodes: list[Node], chunks: int) -> None:
    """Go on until each of these nodes has so many chunks."""
    world.run(lambda: all(node.have.bit_count() >= chunks for node in nodes))


def fan_out(nodes: int, rate: float, seed: int) -> World:
    """One node has it, so many want it. The four cores of one machine do the work of all."""
    world = World(
        layout(FAN_SIZE),
        upstream_rate=UPSTREAM,
        seed=seed,
        costs=Costs(send=3e-9, receive=3e-9, message=2e-4),
        cores=4,
        gather=0.05,
        pieces=(64 * KIB, 52 * KIB, 40 * KIB),
    )
    world.add(100, up=rate, have=everything(world.lengths.total), wanted=0).start()
    for number in range(nodes):
        world.at(world.random.uniform(0, 0.05), world.add(number + 1, up=rate).start)
    world.run(lambda: all(node.alive for node in world.nodes.values()))
    return world


def seed_of(world: World) -> Node:
    return next(node for node in world.nodes.values() if not node.wanted)


def origin_at(world: World, share: float) -> Node:
    """Who is the origin once so much of everything has arrived."""
    world.run(lambda: progress(world) >= share)
    return next(node for node in world.nodes.values() if node.scheduler.is_origin)


def test_two_nodes_are_not_delayed() -> None:
    world = World(layout(SIZE), upstream_rate=UPSTREAM)
    world.add(1, up=LAN, have=everything(world.lengths.total), wanted=0).start()
    world.add(2, up=LAN).start()
    assert world.run_to_end() <= SIZE / LAN + 0.05


def test_a_node_alone_goes_upstream_when_settled() -> None:
    world = World(layout(SIZE), upstream_rate=UPSTREAM)
    world.add(1, up=LAN, settle=0.5).start()
    assert world.run_to_end() <= 0.5 + BOUND + 0.2
    assert world.upstream_bytes == SIZE


@pytest.mark.parametrize("seed", range(4))
def test_origin_crashes_at_forty_percent(seed: int) -> None:
    world = cold_start(seed)
    origin = origin_at(world, 0.4)
    origin.kill()
    last = world.run_to_end()
    assert world.upstream_bytes <= 1.05 * SIZE
    assert last <= 1.2 * BOUND


@pytest.mark.parametrize("seed", range(3))
def test_origin_goes_silent(seed: int) -> None:
    """No link breaks: the others notice by themselves."""
    world = cold_start(seed)
    origin = origin_at(world, 0.4)
    origin.silence()
    origin.wanted = 0
    origin.upstream_dead = True
    last = world.run_to_end()
    assert last <= BOUND + 12


@pytest.mark.parametrize("seed", range(3))
def test_the_origins_upstream_breaks(seed: int) -> None:
    world = cold_start(seed)
    origin = origin_at(world, 0.4)
    origin.break_upstream()
    last = world.run_to_end()
    assert last <= 1.2 * BOUND
    assert world.upstream_bytes <= 1.05 * SIZE


def test_a_late_joiner_takes_nothing_from_upstream() -> None:
    world = cold_start(1, nodes=4)
    world.run(lambda: progress(world) >= 0.7)
    late = world.add(50, up=LAN)
    late.start()
    world.run_to_end()
    assert late.upstream_bytes == 0
    assert world.upstream_bytes == SIZE


def test_an_offline_node_never_goes_upstream() -> None:
    world = cold_start(1, nodes=3)
    offline = world.add(50, up=LAN, can_fetch=False)
    offline.start()
    world.run_to_end()
    assert offline.upstream_bytes == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_liar_costs_little(seed: int) -> None:
    """It says that it has everything, and sends junk."""
    world = cold_start(seed, nodes=6)
    liar = world.add(60, up=LAN, wanted=0, liar=True)
    liar.start()
    last = world.run_to_end()
    assert last <= 1.25 * BOUND
    assert world.upstream_bytes <= 1.05 * SIZE


def test_a_dead_relay_costs_its_grace() -> None:
    """One of the nodes that wants everything takes nothing and sends nothing."""
    world = World(layout(SIZE), upstream_rate=UPSTREAM)
    world.add(100, up=LAN, have=everything(world.lengths.total), wanted=0).start()
    for number in range(7):
        world.add(number + 1, up=LAN).start()
    dead = world.add(9, up=LAN)
    dead.start()
    dead.silence()
    dead.wanted = 0
    assert world.run_to_end() <= SIZE / LAN + 1.5


@pytest.mark.parametrize("slow", [1.0, 5.0, 20.0])
def test_a_slow_relay_does_not_hold_up_the_others(slow: float) -> None:
    world = World(layout(SIZE), upstream_rate=UPSTREAM)
    world.add(100, up=LAN, have=everything(world.lengths.total), wanted=0).start()
    for number in range(7):
        world.add(number + 1, up=LAN).start()
    snail = world.add(9, up=slow * MBIT)
    snail.start()
    snail.wanted = 0
    assert world.run_to_end() <= 1.2 * SIZE / LAN


@pytest.mark.parametrize("seed", range(2))
def test_thousands_of_small_files(seed: int) -> None:
    sizes = tuple(4096 + 4096 * (number % 4) for number in range(3000))
    world = cold_start(seed, sizes=sizes, nodes=4)
    start = world.now
    last = world.run_to_end()
    assert world.upstream_bytes == sum(sizes)
    assert last - start <= 2.0 * sum(sizes) / UPSTREAM + 1.0


def test_files_of_all_sizes() -> None:
    world = cold_start(3, sizes=(100, 5000, 30_000_000, 700, 262_144, 262_145, 20_000_000), nodes=5)
    last = world.run_to_end()
    assert last <= 1.3 * 50_268_089 / UPSTREAM


def test_a_node_that_wants_one_small_file_does_not_wait_for_the_whole_model() -> None:
    world = cold_start(2, nodes=3, sizes=(400_000_000, 3000))
    small = 1 << (world.lengths.total - 1)
    hurried = world.add(40, up=LAN, wanted=small)
    hurried.start()
    world.run(lambda: hurried.done, limit=9.0)
    world.run_to_end()
    assert world.upstream_bytes == 400_003_000


def test_nodes_that_want_different_files_each_fetch_their_own() -> None:
    world = World(layout(30_000_000, 30_000_000), upstream_rate=UPSTREAM)
    half = world.lengths.total // 2
    world.add(1, up=LAN, wanted=everything(half)).start()
    world.add(2, up=LAN, wanted=everything(half) << half).start()
    last = world.run_to_end()
    assert world.upstream_bytes == 60_000_000
    assert last <= 60_000_000 / UPSTREAM + 1.5
