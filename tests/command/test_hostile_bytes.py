"""A real daemon and peers that send it bytes no honest one sends: it hangs up, needs no memory for them, and
serves everybody else."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from protocol.handshake import PROLOGUE, Kind
from protocol.limits import MIB
from protocol.messages import Ping
from protocol.noise import NoiseXX
from tests.command.attacker import NUMBERS, Bare, Victim, bare, dialled, hung_up_on, length, sent
from tests.exchange.nodes import identity

SPARE = 24 * MIB
"""What a daemon's memory may grow by for other reasons: Python's own, and the honest peers here."""

FOUR_GIB = b"\xff\xff\xff\xff"

BOMBS = {
    "a list of four thousand million": b"\xdd" + FOUR_GIB,
    "text of four gigabytes": b"\xdb" + FOUR_GIB,
    "bytes of four gigabytes": b"\xc6" + FOUR_GIB,
    "a map": b"\xdf" + FOUR_GIB,
    "an extension": b"\xc9" + FOUR_GIB + b"\1",
    "a hundred thousand lists in one another": b"\x91" * 100_000,
    "lists of 65535 in one another": b"\xdc\xff\xff" * 40_000,
    "a list of a hundred thousand lists": b"\xdd" + struct.pack("!I", 100_000) + b"\x90" * 100_000,
    "a Have of so many ranges": b"\x93\x08\xc4\x20" + bytes(32) + b"\xdd" + FOUR_GIB,
}


def flipped(link: Bare) -> list[bytes]:
    frame = bytearray(link.frame(Ping(7)))
    frame[-1] ^= 1
    return [bytes(frame)]


def replayed(link: Bare) -> list[bytes]:
    return [link.frame(Ping(7))] * 2


def reordered(link: Bare) -> list[bytes]:
    return [link.frame(Ping(7)), link.frame(Ping(8))][::-1]


def left_out(link: Bare) -> list[bytes]:
    return [link.frame(Ping(7)), link.frame(Ping(8))][1:]


def shortened(link: Bare) -> list[bytes]:
    frame = link.frame(Ping(7))
    return [length(len(frame) - 4 - 1) + frame[4:-1]]


@pytest.mark.parametrize("tampered", [flipped, replayed, reordered, left_out, shortened])
async def test_frames_that_somebody_touched(victim: Victim, tampered: Callable[[Bare], list[bytes]]) -> None:
    async with bare(victim) as link:
        assert await link.answers(1)
        for frame in tampered(link):
            await sent(link.stream, frame)
        assert await hung_up_on(link.stream)
    await victim.serves()


async def test_a_connection_that_ends_within_a_frame(victim: Victim) -> None:
    async with bare(victim) as link:
        await sent(link.stream, link.frame(Ping(7))[:-3])
        await link.stream.send_eof()
        assert await hung_up_on(link.stream)
    await victim.serves()


@pytest.mark.parametrize("kind", ["control", "bulk"])
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
async def test_bombs_in_a_frame(victim: Victim, bomb: bytes, kind: Kind) -> None:
    with victim.needing_less_than(SPARE):
        async with bare(victim, kind) as link:
            header = struct.pack("!H", min(len(bomb), 0xFFFF)) if kind == "bulk" else b""
            await sent(link.stream, link.sealed(header + bomb))
            assert await hung_up_on(link.stream)


@pytest.mark.parametrize("bomb", [bomb for bomb in BOMBS.values() if len(bomb) < 4000], ids=len)
async def test_bombs_in_a_handshake(victim: Victim, bomb: bytes) -> None:
    me = identity(next(NUMBERS))
    noise = NoiseXX(initiator=True, static=me.noise_private, ephemeral=bytes([7]) * 32, prologue=PROLOGUE)
    with victim.needing_less_than(SPARE):
        async with await dialled(victim) as stream:
            first = noise.write(b"")
            await stream.send_all(length(len(first)) + first)
            noise.read((await stream.receive_some())[4:])
            last = noise.write(bomb)
            await stream.send_all(length(len(last)) + last)
            assert await hung_up_on(stream)


@pytest.mark.parametrize("kind", ["", "control", "bulk"], ids=["before the handshake", "control", "bulk"])
async def test_frames_that_claim_four_gigabytes(victim: Victim, kind: Kind) -> None:
    with victim.needing_less_than(SPARE):
        if kind:
            async with bare(victim, kind) as link:
                await sent(link.stream, FOUR_GIB + bytes(1000))
                assert await hung_up_on(link.stream)
        else:
            async with await dialled(victim) as stream:
                await sent(stream, FOUR_GIB + bytes(1000))
                assert await hung_up_on(stream)


async def test_another_protocol(victim: Victim) -> None:
    async with await dialled(victim) as stream:
        await sent(stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await hung_up_on(stream)
    await victim.serves()
