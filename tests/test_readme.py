"""The two READMEs say the same, as far as that can be seen: headings, commands, links, promises."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = (
    (ROOT / name).read_text(encoding="utf-8").replace("(README.zh-CN.md)", "(README.md)")
    for name in ("README.md", "README.zh-CN.md")
)


def test_as_many_headings() -> None:
    english, chinese = (re.findall(r"^#+ ", text, re.M) for text in (ENGLISH, CHINESE))
    assert english == chinese


def test_the_same_commands_to_copy() -> None:
    english, chinese = (re.findall(r"```(\w+)\n(.*?)```", text, re.S) for text in (ENGLISH, CHINESE))
    assert english == chinese


def test_the_same_commands_in_each_row() -> None:
    english, chinese = (
        [re.findall(r"`[^`]*`", row) for row in re.findall(r"^\|.*$", text, re.M)]
        for text in (ENGLISH, CHINESE)
    )
    assert english == chinese


def test_the_same_links_which_lead_somewhere() -> None:
    english, chinese = (re.findall(r"\]\(([^)]*)\)", text) for text in (ENGLISH, CHINESE))
    assert english == chinese
    assert [link for link in english if not (ROOT / link).exists()] == []


def test_as_many_promises() -> None:
    english, chinese = (re.findall(r"^\d+\. ", text, re.M) for text in (ENGLISH, CHINESE))
    assert english == chinese
