"""Base URLs, and which credential is shown to which."""

from __future__ import annotations

import pytest

from swarm.errors import UsageError
from swarm.upstreams.endpoint import HUB_URL, Endpoint, endpoints_for


def test_a_path_is_kept_and_the_last_slash_dropped() -> None:
    assert Endpoint("https://hub.opencsg.com/hf/").url == "https://hub.opencsg.com/hf"
    assert Endpoint("http://[::1]:8090/").url == "http://[::1]:8090"


@pytest.mark.parametrize(
    "url", ["hf-mirror.com", "", "ftp://x", "https://", "https://x?y=1", "https://x#y", "https://[::1"]
)
def test_what_is_no_base_url(url: str) -> None:
    with pytest.raises(UsageError):
        Endpoint(url)


def test_a_password_never_becomes_part_of_the_name() -> None:
    endpoint = Endpoint("https://ann:secret@mirror.test/hf")
    assert endpoint.url == "https://mirror.test/hf"
    assert endpoint.authorization == "Basic YW5uOnNlY3JldA=="
    assert "secret" not in repr(endpoint) + str(endpoint)


def test_a_token_is_not_shown_in_messages() -> None:
    endpoint = Endpoint("https://mirror.test", "hf_secret")
    assert endpoint.authorization == "Bearer hf_secret"
    assert "secret" not in repr(endpoint) + str(endpoint)


def test_a_token_reaches_the_hub_over_tls_alone() -> None:
    assert Endpoint("http://huggingface.co", "hf_x").authorization is None
    assert Endpoint("https://huggingface.co", "hf_x").authorization
    assert Endpoint("http://127.0.0.1:8090", "hf_x").authorization, "the user named this one"


def test_endpoints_by_their_urls() -> None:
    assert [one.url for one in endpoints_for([], None)] == [HUB_URL]
    named = endpoints_for(["https://b.test", "https://a.test/", "https://b.test/"], "hf_x")
    assert [one.url for one in named] == ["https://b.test", "https://a.test"]


@pytest.mark.parametrize(
    ("urls", "chosen"),
    [
        (["https://mirror.example"], 0),
        (["https://mirror.example", "https://other.example"], 0),
        (["https://mirror.example", "https://huggingface.co"], 1),
    ],
)
def test_a_token_is_for_the_hub_or_for_what_stands_for_it(urls: list[str], chosen: int) -> None:
    endpoints = endpoints_for(urls, "hf_secret")
    assert [endpoint.url for endpoint in endpoints] == urls
    assert [number for number, endpoint in enumerate(endpoints) if endpoint.authorization] == [chosen]


def test_a_credential_in_the_url_is_kept() -> None:
    (endpoint,) = endpoints_for(["https://ann:secret@mirror.test"], "hf_x")
    assert endpoint.authorization == "Basic YW5uOnNlY3JldA=="
