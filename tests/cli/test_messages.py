"""The catalogue: complete, and with the fields of the original."""

import ast
import string
from pathlib import Path

import pytest

import swarm.cli
from swarm.cli import messages
from swarm.cli.get import ORIGINS
from swarm.cli.messages_zh import MESSAGES
from swarm.cli.progress import PHASES


def said() -> set[str]:
    """Every sentence the command can say: literal arguments of `tr`, and the tables it is called with."""
    sentences = {*PHASES.values(), *ORIGINS.values(), "local", "peer", "upstream"}
    for path in Path(swarm.cli.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name("tr"), args=[ast.Constant(str(text))]):
                    sentences.add(text)
    return sentences


def fields(text: str) -> set[tuple[str | None, str | None]]:
    return {(name, form) for _, name, form, _ in string.Formatter().parse(text) if name is not None}


def test_the_catalogue_has_every_sentence_and_no_other() -> None:
    assert set(MESSAGES) == said()


@pytest.mark.parametrize("text", MESSAGES)
def test_a_translation_has_the_same_fields(text: str) -> None:
    assert fields(MESSAGES[text]) == fields(text)


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "c"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({}, ""),
    ],
)
def test_the_language_is_that_of_messages(environ: dict[str, str], code: str) -> None:
    assert messages.language(environ) == code


def test_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_catalogue", lambda: MESSAGES)
    assert messages.tr("{time} left", time="3:00") == "剩余 3:00"
    assert messages.tr("not in the catalogue {x}", x=1) == "not in the catalogue 1"
