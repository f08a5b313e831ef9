"""Units: what people write is what they get, and what makes no sense is refused."""

import pytest

from swarm.config.units import (
    parse_rate,
    parse_seconds,
    parse_size,
    parse_span,
    show_duration,
    show_rate,
    show_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500", 500),
        ("1k", 1000),
        ("20GB", 20_000_000_000),
        ("20 GiB", 20 << 30),
        ("1.5 TiB", 3 << 39),
        ("0.5MB", 500_000),
        ("none", None),
        ("0", None),
        ("Unlimited", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20MB/s", 20_000_000),
        ("20M", 20_000_000),
        ("1MiB/s", 1 << 20),
        ("200Mbit/s", 25_000_000),
        ("200mbps", 25_000_000),
        ("1Gbit", 125_000_000),
        ("1bit/s", 1),
        ("off", None),
    ],
)
def test_rates(text: str, rate: int | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["fast", "-1", "1XB", "10MB/h", "1e9", "1,5GB", "MB"])
def test_what_is_no_rate_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match=r"20MB/s"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["20MB/s", "20Mbit", "much"])
def test_what_is_no_size_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match="500GB"):
        parse_size(text)


def test_seconds() -> None:
    assert parse_seconds("1.5s") == 1.5
    assert parse_seconds("0") == 0
    with pytest.raises(ValueError, match="seconds"):
        parse_seconds("soon")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5 h", 5400), ("7D", 604_800)])
def test_time_spans(text: str, seconds: float) -> None:
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "1w", "-1h", "h"])
def test_what_is_no_time_span_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match="12h or 7d"):
        parse_span(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9_996, "10.0 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (5_204_000_000, "5.20 GB"),
        (4e15, "4000 TB"),
    ],
)
def test_sizes_are_shown_with_three_digits(count: float, text: str) -> None:
    assert show_size(count) == text
    assert show_rate(count) == text + "/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1:00"), (187, "3:07"), (3723, "1:02:03")],
)
def test_durations(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text
