"""Single values of the configuration."""

import pytest

from swarm.config import values
from swarm.config.values import HostPort


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1:8000", HostPort("10.0.0.1", 8000)),
        ("10.0.0.1", HostPort("10.0.0.1", 7677)),
        (":8000", HostPort("", 8000)),
        ("8000", HostPort("", 8000)),
        (8000, HostPort("", 8000)),
        ("0", HostPort("", 0)),
        ("[::1]:8000", HostPort("::1", 8000)),
        ("[::1]", HostPort("::1", 7677)),
        ("fe80::1", HostPort("fe80::1", 7677)),
        ("node-3:80", HostPort("node-3", 80)),
    ],
)
def test_host_and_port(text: object, expected: HostPort) -> None:
    assert values.host_port(text, host="", port=7677) == expected


@pytest.mark.parametrize("text", ["a:b", "a:65536", "70000", "[::1]8000", "[::1]:x"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        values.host_port(text, host="", port=7677)


def test_an_address_is_shown_as_it_can_be_dialled() -> None:
    assert str(HostPort("::1", 80)) == "[::1]:80"
    assert str(HostPort("10.0.0.1", 80)) == "10.0.0.1:80"


@pytest.mark.parametrize("off", ["off", "none", "No", False])
def test_a_listener_can_be_switched_off(off: object) -> None:
    assert values.optional_host_port(off, host="127.0.0.1", port=7678) is None


def test_true_is_no_address() -> None:
    with pytest.raises(ValueError, match="true is not an address"):
        values.optional_host_port(True, host="127.0.0.1", port=7678)


@pytest.mark.parametrize(
    ("word", "value"), [("1", True), ("YES", True), ("on", True), ("0", False), ("", False)]
)
def test_switches_read_as_huggingface_hub_reads_them(word: str, value: bool) -> None:
    assert values.boolean(word) is value


def test_a_switch_that_is_neither() -> None:
    with pytest.raises(ValueError, match="neither"):
        values.boolean("maybe")


def test_lists_by_comma_or_as_lists() -> None:
    assert values.words(" a, b ,,c") == ("a", "b", "c")
    assert values.words(["a", "b"]) == ("a", "b")


@pytest.mark.parametrize(
    "url",
    ["hf-mirror.com", "ftp://x", "https://", "https://u:p@x", "https://x?a=b", "https://x/\ty", " https://x"],
)
def test_what_is_no_endpoint(url: str) -> None:
    with pytest.raises(ValueError, match=r"not an http|has more than"):
        values.url(url)


def test_an_endpoint_may_have_a_path() -> None:
    assert values.url("http://host:8080/any/prefix/") == "http://host:8080/any/prefix"


@pytest.mark.parametrize("token", ["hf_a b", "hf_é", "hf_\nX"])
def test_a_bad_token_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(ValueError, match="copy it again") as caught:
        values.token(token)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hub.test/a", "https://hub.test/a"),
        ("https://user:secret@hub.test/a", "https://…@hub.test/a"),
        ("https://user:sec/r?e@t@hub.test", "https://…@hub.test"),
        ("https://hub.test/a?token=secret", "https://hub.test/a?…"),
        ("https://hub.test#secret", "https://hub.test?…"),
        ("secret@hub.test", "…@hub.test"),
        ("", ""),
    ],
)
def test_what_may_be_told_of_a_url(url: str, shown: str) -> None:
    assert values.without_secrets(url) == shown
