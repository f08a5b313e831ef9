"""Views of progress: what stands in a log, on a terminal, and that a lost terminal stops nothing."""

import io

from rich.console import Console

from swarm.cli import progress
from swarm.cli.live import LiveView, render
from swarm.cli.progress import LINE_SECONDS, LineView, Silence
from swarm.cli.tally import Tally
from swarm.sources import Source
from swarm.transfer.requests import FileProgress, Progress, SourceProgress

MB = 1_000_000
HUB = SourceProgress(Source("upstream", "https://hub"), 20 * MB, 20 * MB)
PEER = SourceProgress(Source("peer", "abcdefghijklmnop"), 80 * MB, 80 * MB)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A terminal that went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_the_view_suits_where_it_goes() -> None:
    assert isinstance(progress.view(quiet=True, stream=Terminal()), Silence)
    assert isinstance(progress.view(quiet=False, stream=Terminal()), LiveView)
    assert isinstance(progress.view(quiet=False, stream=io.StringIO()), LineView)


def test_lines_in_a_log() -> None:
    now, stream = 0.0, io.StringIO()
    with LineView(stream, clock=lambda: now) as view:
        view(Progress("resolving"))
        while now < 2 * LINE_SECONDS:
            done = int(100 * MB * now)
            view(Progress("fetching", bytes=done, total=2000 * MB, sources=(HUB, PEER)))
            now += 1
        view(
            Progress(
                "fetching", bytes=1000 * MB, total=2000 * MB, message="upstream https://x failed\ngoing on"
            )
        )
        view(Progress("done", bytes=2000 * MB, total=2000 * MB))
    assert stream.getvalue().splitlines() == [
        "asking what is in it",
        "fetching 0 % of 2.00 GB, 0 B/s; peer abcdefghij 80.0 MB/s, upstream https://hub 20.0 MB/s",
        "fetching 25 % of 2.00 GB, 100 MB/s, 15 s left; "
        "peer abcdefghij 80.0 MB/s, upstream https://hub 20.0 MB/s",
        "upstream https://x failed",
        "going on",
        "fetching 50 % of 2.00 GB, 100 MB/s, 10 s left",
        "done 100 % of 2.00 GB",
    ]


def test_many_sources_are_cut_short() -> None:
    many = tuple(SourceProgress(Source("peer", f"node-{n}"), n, float(n)) for n in range(9))
    text = progress.name_sources(many)
    assert text.startswith("peer node-8 8 B/s, peer node-7")
    assert text.endswith("3 more")


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    view = LineView(Gone())
    view(Progress("resolving"))
    view(Progress("fetching"))


def test_what_stands_on_a_terminal() -> None:
    tally = Tally()
    files = (FileProgress("a/weights.bin", 25 * MB, 100 * MB), FileProgress("done.json", 5, 5))
    tally.take(Progress("fetching", bytes=0, total=200 * MB), 0)
    tally.take(Progress("fetching", bytes=50 * MB, total=200 * MB, files=files, sources=(HUB, PEER)), 1)
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as captured:
        console.print(render(tally, 1))
    whole, bar, weights, sources = captured.get().splitlines()
    assert whole.rstrip() == "fetching 25 % of 200 MB, 50.0 MB/s, 3.0 s left"
    assert bar.startswith("━")
    assert weights.startswith("a/weights.bin ")
    assert weights.endswith(" 25.0 MB / 100 MB")
    assert sources.rstrip() == "peer abcdefghij 80.0 MB/s, upstream https://hub 20.0 MB/s"


def test_a_terminal_keeps_messages_and_nothing_else() -> None:
    terminal = Terminal()
    with LiveView(terminal) as view:
        view(Progress("fetching", bytes=1, total=2, message="upstream [x] failed"))
    assert "upstream [x] failed" in terminal.getvalue()


def test_a_lost_terminal_stops_nothing() -> None:
    class GoneTerminal(Gone):
        def isatty(self) -> bool:
            return True

    with progress.view(quiet=False, stream=GoneTerminal()) as view:
        view(Progress("fetching", bytes=1, total=2, message="a note"))
