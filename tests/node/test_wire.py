"""The grammar of the control socket, both ways."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm import errors
from swarm.node import wire
from swarm.transfer.requests import GetRequest, GetResult, Progress
from tests.node.fakes import PROGRESS, RESULT

requests = st.builds(
    GetRequest,
    hub=st.just("hf"),
    repo=st.text(),
    revision=st.none() | st.text(),
    files=st.lists(st.text()).map(tuple),
    offline=st.booleans(),
)


@given(requests)
def test_a_request_crosses_unchanged(request: GetRequest) -> None:
    (line,) = wire.Lines(wire.MAX_CALL).feed(wire.encode(wire.plain(request)))
    assert wire.build(GetRequest, wire.decode(line)) == request


@pytest.mark.parametrize("value", [RESULT, PROGRESS, RESULT._replace(ref=None, seconds=0.0)])
def test_an_answer_crosses_unchanged(value: object) -> None:
    (line,) = wire.Lines(wire.MAX_ANSWER).feed(wire.encode({"result": wire.plain(value)}))
    assert wire.build(type(value), wire.decode(line)["result"]) == value


@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b""))), st.data())
def test_lines_come_out_however_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cutter, out = wire.Lines(1000), []
    while stream:
        length = data.draw(st.integers(1, len(stream)))
        out += cutter.feed(stream[:length])
        stream = stream[length:]
    assert out == lines


def test_a_line_has_a_limit_however_it_comes() -> None:
    cutter = wire.Lines(10)
    assert cutter.feed(b"0123456789") == []
    with pytest.raises(wire.BadLine):
        cutter.feed(b"x")
    with pytest.raises(wire.BadLine):
        wire.Lines(10).feed(b"0123456789x\n")


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_lines_that_are_no_object(line: bytes) -> None:
    with pytest.raises(wire.BadLine):
        wire.decode(line)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"hub": 1}, "hub"),
        ({"files": "a"}, "files"),
        ({"files": [1]}, "files"),
        ({"offline": 1}, "offline"),
        ({"repo_type": "kernel"}, "repo_type"),
        ({"revision": 5}, "revision"),
    ],
)
def test_a_field_of_another_type_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(wire.BadLine, match=field):
        wire.build(GetRequest, {"hub": "hf", "repo": "r"} | change)


def test_versions_next_to_each_other_understand_one_another() -> None:
    assert wire.build(GetRequest, {"hub": "hf", "repo": "r", "new": 1}) == GetRequest("hf", "r")
    with pytest.raises(wire.BadLine, match="repo is missing"):
        wire.build(GetRequest, {"hub": "hf"})
    with pytest.raises(wire.BadLine, match="not an object"):
        wire.build(GetResult, 3)


def test_whole_numbers_are_floats_where_floats_are_meant() -> None:
    source = {"source": {"kind": "peer", "name": "n"}, "bytes": 1, "rate": 2}
    built = wire.build(Progress, {"phase": "fetching", "sources": [source]})
    assert type(built.sources[0].rate) is float


@pytest.mark.parametrize("cls", errors.SwarmError.__subclasses__())
def test_errors_keep_their_class_and_words(cls: type[errors.SwarmError]) -> None:
    told = wire.told_error(wire.error_answer(cls("what", "next"))["error"])
    assert (type(told), told.message, told.advice) == (cls, "what", "next")


def test_an_unexpected_error_stays_one() -> None:
    assert type(wire.told_error({"exit_code": 1, "message": "m", "advice": ""})) is errors.SwarmError
    with pytest.raises(wire.BadLine):
        wire.told_error({"message": "m"})


def test_the_cause_is_found_in_groups() -> None:
    cause = errors.NoSource("none")
    assert wire.find_cause(ExceptionGroup("", [ValueError(), ExceptionGroup("", [cause])])) is cause
    assert wire.find_cause(ExceptionGroup("", [ValueError()])) is None
    assert wire.find_cause(cause) is cause


def test_a_token_does_not_show_in_a_request() -> None:
    assert "secret" not in repr(GetRequest("hf", "r", token="secret"))
