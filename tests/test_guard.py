"""The guard of the local listeners: what programs, pages and rebound names may have."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import UsageError
from swarm.guard import Denied, Guard, Head, check_listening

TOKEN = "right"
OURS = "http://127.0.0.1:7678"
FOLLOWED = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
"""What a browser says of a link that somebody followed from another site."""
GUARD = Guard(TOKEN, names=["models.corp"], reads=[("POST", re.compile(r"/lfs/.+/info/lfs/objects/batch"))])


def status(head: Head, guard: Guard = GUARD) -> int:
    denied = guard.judge(head)
    return denied.status if denied else 200


def get(host: str = "127.0.0.1:7678", target: str = "/hf/api/models/a", **headers: str) -> Head:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Head("GET", target, [("Host", host), *named])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:7678",
        "127.0.0.1",
        "[::1]:7678",
        "[::1]",
        "[::FFFF:127.0.0.1]:7678",
        "[fd00::5]:7678",
        "localhost:7678",
        "LOCALHOST.:7678",
        "swarm.localhost:7678",
        "192.168.1.5:7678",
        "models.corp:7678",
        "localhost:9000",
    ],
)
def test_programs_that_call_us_by_name_or_address(host: str) -> None:
    assert status(get(host)) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:7678",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "notlocalhost",
        "models.corp.evil.example",
        "2130706433",
        "0x7f.1",
        "127.1",
        "127.0.0.1.evil.example",
        "localhost..",
        ".localhost.evil.example",
        "[dead.beef]:7678",
        "[::1::]:7678",
    ],
)
def test_a_rebound_name_is_not_ours(host: str) -> None:
    assert status(get(host)) == 421


@pytest.mark.parametrize(
    "host",
    [
        *("", " ", "a b", "user@127.0.0.1", "127.0.0.1:99x", "[::1", "a" * 300, "a/b"),
        *("::1", "::1:7678", "[::1]7678", "[::1].evil.example", "[::1%25lo]:7678", "[localhost]", "[]"),
        *("127.0.0.1:", "127.0.0.1:7678:7678", "127.0.0.1:123456", "127.0.0.1, evil.example", ":7678"),
        *("127.0.0.1\n", "127.0.0.1\0", "①②⑦.0.0.1", "127.0.0.1#@evil.example"),
    ],
)
def test_hosts_that_are_none(host: str) -> None:
    assert status(get(host)) == 400


@pytest.mark.parametrize(
    "hosts",
    [[], ["127.0.0.1", "127.0.0.1"], ["127.0.0.1", "evil.example"], ["evil.example", "127.0.0.1"]],
)
@pytest.mark.parametrize("target", ["/", "http://127.0.0.1/"])
def test_a_host_is_named_once(hosts: list[str], target: str) -> None:
    spelt = ["Host", "hOST"]
    assert status(Head("GET", target, [(spelt[at], host) for at, host in enumerate(hosts)])) == 400


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://127.0.0.1:7678/x", 200),
        ("http://evil.example/x", 400),
        ("http://127.0.0.1:7678@evil.example/x", 400),
        ("http://127.0.0.1/x", 400),
        ("http://[::1]:7678/x", 400),
        ("HTTP://127.0.0.1:7678/x", 400),
        ("https://127.0.0.1:7678/x", 400),
        ("http://127.0.0.1:7678", 400),
        ("http://[/x", 400),
        ("//[", 200),
        ("*", 400),
        ("127.0.0.1:7678", 400),
        ("ftp://127.0.0.1:7678/x", 400),
    ],
)
def test_a_target_in_absolute_form_names_the_same_host(target: str, expected: int) -> None:
    assert status(get(target=target)) == expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:7678", 200),
        ("http://127.0.0.1:3000", 403),
        ("http://localhost:7678", 403),
        ("https://127.0.0.1:7678", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
        ("chrome-extension://abc", 403),
        ("http://127.0.0.1:7678/", 403),
    ],
)
def test_pages_of_other_origins(origin: str, expected: int) -> None:
    assert status(get(Origin=origin)) == expected


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("[::1]:7678", "http://[::1]:7678", 200),
        ("[::1]:7678", "http://[::1]", 403),
        ("[::1]:7678", "http://[::1]:80", 403),
        ("[::1]:7678", "http://::1:7678", 403),
        ("[::1]:7678", "http://127.0.0.1:7678", 403),
        ("[::1]", "http://[::1]", 200),
        ("localhost", "http://localhost", 200),
        ("localhost", "http://localhost:7678", 403),
        ("LOCALHOST.:7678", "http://localhost:7678", 200),
        ("evil.example:7678", "http://evil.example:7678", 421),
    ],
)
def test_a_page_of_ours_has_the_very_host_and_port(host: str, origin: str, expected: int) -> None:
    """The last is a rebound name: to the browser its page and this node are one origin."""
    assert status(get(host, Origin=origin)) == expected


@pytest.mark.parametrize(
    "origins", [[OURS, OURS], [OURS, "https://evil.example"], ["https://evil.example", OURS]]
)
def test_an_origin_is_said_once(origins: list[str]) -> None:
    headers = [("Host", "127.0.0.1:7678"), *(("Origin", origin) for origin in origins)]
    assert status(Head("GET", "/", headers)) == 403
    assert status(Head("POST", "/api/gc", [*headers, ("X-Swarm-Token", TOKEN)])) == 403


def test_one_good_word_of_a_browser_does_not_make_up_for_a_bad_one() -> None:
    sites = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")]
    assert status(Head("GET", "/", [("Host", "127.0.0.1"), *sites])) == 403


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}, 403),
        (FOLLOWED, 200),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}, 403),
        ({**FOLLOWED, "Origin": "null"}, 403),
        ({**FOLLOWED, "Origin": OURS}, 403),
    ],
)
def test_what_a_browser_says_about_who_asks(headers: dict[str, str], expected: int) -> None:
    assert status(get(**headers)) == expected


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get", "PROPFIND"])
def test_what_changes_state_takes_the_token(method: str) -> None:
    host = ("Host", "127.0.0.1:7678")
    assert status(Head(method, "/api/gc", [host])) == 401
    assert status(Head(method, "/api/gc", [host, ("X-Swarm-Token", "wrong")])) == 401
    assert status(Head(method, "/api/gc", [host, ("X-Swarm-Token", "righté")])) == 401
    assert status(Head(method, "/api/gc", [host, ("X-Swarm-Token", TOKEN)])) == 200
    assert status(Head(method, "/api/gc", [host, *[("X-Swarm-Token", TOKEN)] * 2])) == 401
    assert status(Head(method, "/api/gc", [host, ("Authorization", f"Bearer {TOKEN}")])) == 401


def test_the_token_is_no_pass_for_a_page() -> None:
    token = ("X-Swarm-Token", TOKEN)
    assert status(Head("POST", "/api/gc", [("Host", "evil.example"), token])) == 421
    origin = ("Origin", "https://evil.example")
    assert status(Head("POST", "/api/gc", [("Host", "127.0.0.1"), origin, token])) == 403


def test_a_post_that_only_reads() -> None:
    host = ("Host", "localhost:7678")
    assert status(Head("POST", "/lfs/org/model/info/lfs/objects/batch?x=1", [host])) == 200
    assert status(Head("POST", "/lfs/org/model/info/lfs/objects/batch/more", [host])) == 401
    assert status(Head("PUT", "/lfs/org/model/info/lfs/objects/batch", [host])) == 401
    from_elsewhere = [host, ("Origin", "https://evil.example")]
    assert status(Head("POST", "/lfs/org/model/info/lfs/objects/batch", from_elsewhere)) == 403


@given(
    st.text(max_size=30),
    st.text(max_size=60),
    st.lists(st.tuples(st.sampled_from(["Host", "Origin", "Sec-Fetch-Site", "X"]), st.text(max_size=40))),
)
def test_any_head_is_judged(method: str, target: str, headers: list[tuple[str, str]]) -> None:
    verdict = GUARD.judge(Head(method, target, headers))
    assert verdict is None or isinstance(verdict, Denied)


def test_an_empty_token_is_none() -> None:
    with pytest.raises(ValueError, match="everybody"):
        Guard("")


@pytest.mark.parametrize(
    ("host", "told", "may"),
    [
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("localhost", False, True),
        ("0.0.0.0", False, False),
        ("192.168.1.5", False, False),
        ("192.168.1.5", True, True),
        ("0.0.0.0", True, True),
        ("models.corp", True, True),
        ("other.corp", True, False),
    ],
)
def test_where_a_local_listener_may_listen(host: str, told: bool, may: bool) -> None:
    if may:
        check_listening(host, ["models.corp"], told=told)
    else:
        with pytest.raises(UsageError):
            check_listening(host, ["models.corp"], told=told)
