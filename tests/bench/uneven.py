"""One node of eight is slow, late, or stops reading: what does it cost the others?

Each scenario is a fan-out with seven good receivers and an eighth that is not; the baseline is the same
with the seven alone. "Seven" is when the last of those is done. The late one asks at half of the bound,
and is measured against the time its own link needs. The slow one is not waited for.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

from tests.bench.bench import MIB, Bench, Option, parse
from tests.bench.clock import Finish, race
from tests.bench.nodes import Hub, Node, fan_out
from tests.bench.payload import model
from tests.bench.table import Column, Figures, Target
from tests.lan.harness import Lan

OPTIONS = (
    Option("receivers", 8, 8, "nodes that want it, the odd one among them"),
    Option("mbit", 200, 200, "speed of a link, Mbit/s"),
    Option("slow_mbit", 20, 20, "speed of the slow one's link, Mbit/s"),
    Option("mib", 512, 128, "size of the model, MiB"),
)
BASELINE, SLOW, LATE, STOPPED = "the good ones alone", "one is slow", "one joins late", "one stops reading"
COLUMNS = (
    Column("good", "last good one, s"),
    Column("bound", "÷ bound", ".3f"),
    Column("good", "÷ alone", ".3f", to=BASELINE),
    Column("late", "late one ÷ its link's time", ".3f"),
)
TARGETS = (
    Target(SLOW, "÷ alone", "at most", 1.05),
    Target(LATE, "÷ alone", "at most", 1.05),
    Target(LATE, "late one ÷ its link's time", "at most", 1.10),
    Target(STOPPED, "÷ alone", "at most", 1.05),
)


class Uneven:
    """The scenarios, on a LAN that each of them gets anew. The odd node is the last one."""

    def __init__(self, root: Path, receivers: int, mbit: int, slow_mbit: int, mib: int) -> None:
        self.root = root
        self.receivers = receivers
        self.mbit = mbit
        self.slow_mbit = slow_mbit
        model(root, mib)
        self.bound = mib * MIB * 8 / mbit / 1e6

    def alone(self, folder: Path) -> Figures:
        return self._run(
            folder, lambda good, _: list(race([node.get() for node in good]).finishes), odd=False
        )

    def slow(self, folder: Path) -> Figures:
        def run(good: list[Node], odd: Node) -> list[Finish]:
            odd.host.shape(self.slow_mbit)
            return self._without_waiting(good, odd)

        return self._run(folder, run)

    def stopped(self, folder: Path) -> Figures:
        def run(good: list[Node], odd: Node) -> list[Finish]:
            stop = threading.Timer(self.bound / 2, odd.process.signal, (signal.SIGSTOP,))
            stop.start()
            try:
                return self._without_waiting(good, odd)
            finally:
                stop.cancel()
                odd.process.kill()  # nsenter, which stands before it, has stopped as well: close() would wait

        return self._run(folder, run)

    def late(self, folder: Path) -> Figures:
        late: list[Finish] = []

        def run(good: list[Node], odd: Node) -> list[Finish]:
            jobs = [*(node.get() for node in good), odd.get(after=self.bound / 2)]
            *finishes, last = race(jobs).finishes
            late.append(last)
            return finishes

        return {**self._run(folder, run), "late": late[0].took / self.bound}

    def _without_waiting(self, good: list[Node], odd: Node) -> list[Finish]:
        job = odd.get()
        odd.host.popen(job.command, env=job.env)
        return list(race([node.get() for node in good]).finishes)

    def _run(
        self, folder: Path, run: Callable[[list[Node], Node], list[Finish]], *, odd: bool = True
    ) -> dict[str, float]:
        hosts = 1 + self.receivers - (not odd)
        with Lan(folder=folder / "lan", hosts=hosts, mbit=self.mbit) as lan:
            hub = Hub(lan.wan, self.root)
            _seed, receivers = fan_out(lan, hub, self.mbit)
            good = receivers[: self.receivers - 1]
            last = max(finish.at for finish in run(good, receivers[-1]))
            return {"good": last, "bound": last / self.bound}


def main() -> None:
    options = parse(__doc__, OPTIONS)
    with Bench(options, COLUMNS, TARGETS) as bench:
        root = bench.folder / "repositories"
        lan = Uneven(root, options.receivers, options.mbit, options.slow_mbit, options.mib)
        bench.add(BASELINE, lan.alone)
        bench.add(SLOW, lan.slow)
        bench.add(LATE, lan.late)
        bench.add(STOPPED, lan.stopped)
        bench.run()


if __name__ == "__main__":
    main()
