"""What the API of a hub says of a repository, in the forms there are, or in none."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.manifest import BadManifest, Blob, File
from swarm.upstreams.endpoint import Endpoint
from swarm.upstreams.listing import MAX_SIBLINGS, next_page, parse_info, parse_page
from swarm.upstreams.trouble import BadAnswer

COMMIT = "0123456789" * 4
HOME = Endpoint("https://mirror.test/hf")
ASKED = "https://mirror.test/hf/api/models/ns/m/tree/main?recursive=true"

TREE_NAMES = ["path", "size", "oid", "lfs", "type"]
NAMES = [*TREE_NAMES, "sha", "id", "gated", "siblings", "rfilename", "blobId", "sha256"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                [
                    "path",
                    "size",
                    "oid",
                    "lfs",
                    "type",
                    "sha",
                    "id",
                    "gated",
                    "siblings",
                    "rfilename",
                    "blobId",
                ]
            )
            | st.text(),
            inner,
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("told", "is_open"),
    [
        ({}, True),
        ({"private": False, "gated": False}, True),
        ({"private": True}, False),
        ({"gated": "auto"}, False),
        ({"gated": "manual", "private": False}, False),
    ],
)
def test_what_is_open(told: dict[str, object], is_open: bool) -> None:
    info = parse_info({"id": "ns/m", "sha": COMMIT, **told})
    assert (info.name, info.commit, info.open) == ("ns/m", COMMIT, is_open)


@pytest.mark.parametrize(
    "value", [None, [], {}, {"sha": None}, {"sha": "main"}, {"sha": COMMIT.upper() + "G"}]
)
def test_info_without_a_commit(value: object) -> None:
    with pytest.raises(BadAnswer):
        parse_info(value)


SMALL = {"rfilename": "a/config.json", "blobId": "1" * 40, "size": 5}
LARGE = {
    "rfilename": "model.bin",
    "blobId": "2" * 40,
    "size": 7,
    "lfs": {"sha256": "3" * 64, "size": 7, "pointerSize": 126},
}


def test_an_info_that_tells_all_of_its_files() -> None:
    files = parse_info(
        {"sha": COMMIT, "siblings": [SMALL | {"lfs": None}, LARGE, SMALL | {"rfilename": "b"}]}
    ).files
    assert files == (
        File("a/config.json", Blob("git-sha1", bytes.fromhex("1" * 40), 5)),
        File("model.bin", Blob("sha256", bytes.fromhex("3" * 64), 7)),
        File("b", Blob("git-sha1", bytes.fromhex("1" * 40), 5)),
    )


@pytest.mark.parametrize(
    "siblings",
    [
        None,
        "x",
        [],
        [SMALL, {"rfilename": "b"}],
        [SMALL, "x"],
        [LARGE | {"lfs": {"size": 7}}],
        [LARGE | {"lfs": {"sha256": "3", "size": 7}}],
        [SMALL | {"blobId": "main"}],
        [SMALL | {"size": -1}],
        [SMALL | {"rfilename": f"{number}"} for number in range(MAX_SIBLINGS)],
    ],
    ids=lambda value: str(value)[:40],
)
def test_any_other_info_leaves_the_files_to_the_tree(siblings: object) -> None:
    assert parse_info({"sha": COMMIT, "siblings": siblings}).files is None


def test_folders_and_submodules_are_no_files() -> None:
    entries = [
        {"type": "directory", "path": "a", "oid": "0" * 40, "size": 0},
        {"type": "submodule", "path": "b", "oid": "0" * 40},
        {"type": "file", "path": "a/c", "oid": "1" * 40, "size": 5},
    ]
    assert [file.path for file in parse_page(entries)] == ["a/c"]


def test_large_files_are_named_by_their_content_and_not_by_their_pointer() -> None:
    lfs = {"oid": "ab" * 32, "size": 700, "pointerSize": 134}
    (file,) = parse_page([{"type": "file", "path": "x", "oid": "1" * 40, "size": 134, "lfs": lfs}])
    assert (str(file.blob), file.blob.size) == (f"sha256:{'ab' * 32}", 700)


@settings(deadline=None)
@given(VALUES)
def test_anything_is_either_read_or_refused(value: object) -> None:
    for parse in (parse_info, parse_page):
        try:
            parse(value)
        except (BadAnswer, BadManifest):
            continue


def following(link: str, answered: str = ASKED) -> str | None:
    return next_page(HOME, ASKED, httpx.URL(answered), {"link": link})


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("", None),
        ('<https://mirror.test/hf/x?cursor=1>; rel="prev"', None),
        ('<https://mirror.test/hf/x?cursor=1>; rel="next"', "https://mirror.test/hf/x?cursor=1"),
        ("<https://mirror.test/hf/x?cursor=1>; rel=next", "https://mirror.test/hf/x?cursor=1"),
        ('<?cursor=2>; rel="next"', "https://mirror.test/hf/api/models/ns/m/tree/main?cursor=2"),
        ('</hf/y>; rel="prev", </hf/x?c=3>; rel="next"', "https://mirror.test/hf/x?c=3"),
        (
            '<https://huggingface.co/api/models/ns/m/tree/main?recursive=true&cursor=Zm9v>; rel="next"',
            "https://mirror.test/hf/api/models/ns/m/tree/main?recursive=true&cursor=Zm9v",
        ),
        (
            '<http://mirror.test/x?cursor=1>; rel="next"',
            "https://mirror.test/hf/api/models/ns/m/tree/main?cursor=1",
        ),
    ],
)
def test_the_next_page(link: str, url: str | None) -> None:
    assert following(link) == url


def test_a_page_that_came_from_elsewhere_leads_back_to_the_endpoint() -> None:
    """A mirror that redirects listings to the hub: the hub's link is absolute, on the hub."""
    found = following('</api/models/ns/m/tree/main?cursor=2>; rel="next"', "https://huggingface.co/api/x")
    assert found == "https://mirror.test/hf/api/models/ns/m/tree/main?cursor=2"


def test_a_link_that_is_no_url() -> None:
    with pytest.raises(BadAnswer):
        following('<https://[::1>; rel="next"')
