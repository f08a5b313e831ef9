"""What the command says, in the language of the user: English, or Chinese where the locale says so.

The English sentence is the key, so the code reads as what is printed. Fields are those of str.format.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache


def tr(text: str, **values: object) -> str:
    """`text` in the user's language, with its fields filled in."""
    sentence = _catalogue().get(text, text)
    return sentence.format(**values) if values else sentence


def language(environ: Mapping[str, str]) -> str:
    """The language code of the locale messages are in (POSIX: LC_ALL over LC_MESSAGES over LANG)."""
    locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return locale.partition("_")[0].partition(".")[0].lower()


@cache
def _catalogue() -> Mapping[str, str]:
    if language(os.environ) != "zh":
        return {}
    from swarm.cli.messages_zh import MESSAGES

    return MESSAGES
