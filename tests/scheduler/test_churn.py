"""Whatever happens to the others, a node that can reach somebody with the bytes gets them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scheduler.simulator import MBIT, Node, World, layout

SIZES = (3_000_000, 40_000, 9_000_000, 700, 262_145)


def random_node(world: World, number: int) -> Node:
    """Any kind of node: slow, fast, offline, lying, with part of the bytes."""
    dice = world.random
    total = world.lengths.total
    have = dice.getrandbits(total) if dice.random() < 0.3 else 0
    return world.add(
        number,
        up=dice.choice([1, 20, 100, 200]) * MBIT,
        have=have,
        can_fetch=dice.random() < 0.6,
        liar=dice.random() < 0.1,
        settle=dice.uniform(0.05, 1.0),
    )


def disturb(world: World) -> None:
    """One thing that goes wrong, or right again."""
    dice = world.random
    alive = [node for node in world.nodes.values() if node.alive]
    one, two = dice.choice(alive), dice.choice(alive)
    kind = dice.random()
    if one is world.steady or one is two:
        return
    if kind < 0.2:
        one.kill()
    elif kind < 0.3:
        one.silence()
        one.wanted = 0
        world.after(8.0, one.kill)
    elif kind < 0.6:
        one.unlink(two)
        world.after(dice.uniform(0.01, 3.0), lambda: one.link(two))
    elif kind < 0.7:
        one.break_upstream()
    elif kind < 0.8:
        one.lose(dice.getrandbits(world.lengths.total))
    else:
        random_node(world, len(world.nodes) + 1).start()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 32))
def test_nobody_hangs(seed: int) -> None:
    world = World(layout(*SIZES), upstream_rate=20 * MBIT, seed=seed)
    world.steady = world.add(1, up=100 * MBIT)
    world.at(0.1, world.steady.start)
    for number in range(2, 2 + world.random.randrange(8)):
        node = random_node(world, number)
        world.at(world.random.uniform(0, 3), node.start)
    for _ in range(world.random.randrange(12)):
        world.at(world.random.uniform(0.2, 8.0), lambda: disturb(world))
    world.at(8.6, lambda: None)
    world.run(lambda: world.now > 8.5, limit=200)
    world.run_to_end(limit=200)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 32))
def test_with_nobody_to_fetch_it_ends_with_stuck(seed: int) -> None:
    """All nodes are offline; together they lack some chunks."""
    world = World(layout(*SIZES), upstream_rate=20 * MBIT, seed=seed)
    lacking = world.random.getrandbits(world.lengths.total) | 1
    full = (1 << world.lengths.total) - 1
    nodes = [
        world.add(
            number,
            up=100 * MBIT,
            have=world.random.getrandbits(world.lengths.total) & (full ^ lacking),
            can_fetch=False,
        )
        for number in range(1, 5)
    ]
    for node in nodes:
        node.start()
    world.run(lambda: all(node.stuck for node in nodes), limit=60)
    together = nodes[0].have | nodes[1].have | nodes[2].have | nodes[3].have
    assert all(node.have == together for node in nodes)
    assert all(node.scheduler.missing for node in nodes)
