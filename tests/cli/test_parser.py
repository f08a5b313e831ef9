"""The command line itself: what is understood, and what is said of mistakes."""

import pytest

from swarm import __version__
from swarm.cli import main
from swarm.cli.parser import COMMANDS
from tests.cli.command import Command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "needs a command"),
        (["--json"], "unrecognized arguments: --json"),
        (["gett"], "Did you mean `swarm get`?"),
        (["zzzz"], "`swarm --help` lists the commands"),
        (["get"], "required: REPO"),
        (["get", "--offlin", "a/b"], "unrecognized arguments: --offlin"),
        (["get", "a/b", "--repo-type", "kernel"], "invalid choice: 'kernel'"),
        (["get", "a/b/c"], "cannot be a repository"),
        (["get", "../b"], "cannot be a repository"),
        (["get", "a..b"], "cannot be a repository"),
        (["get", "https://huggingface.co/a/b"], "cannot be a repository"),
        (["get", "a/b@"], "No revision"),
        (["get", "a/b@v1", "--revision", "v2"], "Two revisions"),
        (["get", "datasets/a/b", "--repo-type", "model"], "is a dataset"),
        (["get", "a/b", "f", "--include", "*.json"], "Files are named and patterns given"),
        (["get", "a/b", "--endpoint", "hf-mirror.com"], "--endpoint"),
        (["get", "a/b", "--hub", "npm"], "--hub"),
        (["get", "a/b", "--to", "/dev/null"], "is not a folder"),
        (["daemon", "--quota", "much"], "--quota"),
        (["demo", "--nodes", "0"], "1 to 32 nodes"),
        (["demo", "--size", "x"], "'x' is not a size"),
    ],
)
def test_mistakes_are_told_in_a_sentence_or_two(command: Command, words: list[str], said: str) -> None:
    ran = command(*words)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert len(ran.err.splitlines()) <= 2
    assert command.embedded == []


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"swarm {__version__}\n"


def test_help_lists_every_command_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    listed = capsys.readouterr().out.partition("commands:\n")[2]
    assert [line.split()[0] for line in listed.splitlines()] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--json" in text
    assert "--quiet" in text
    usage = text.partition("\n\n")[0].splitlines()
    assert usage[0].startswith(f"usage: swarm {name} ")
    assert all(len(line) <= 80 for line in usage)
