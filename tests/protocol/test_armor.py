"""Words of text: what comes out is what went in, and half a word is told from a whole one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.armor import BadArmor, unwrap, wrap
from protocol.limits import MAX_ARMOR
from tests.protocol.strategies import values


@given(values)
def test_round_trip(value: object) -> None:
    word = wrap("swarmx1", value)
    assert re.fullmatch(r"swarmx1_[\w-]+", word, re.ASCII)
    assert unwrap("swarmx1", f"  {word}\n") == value


@given(st.data())
def test_a_word_that_lost_or_changed_something(data: st.DataObject) -> None:
    word = wrap("swarmx1", [b"1234567890", 7])
    place = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("abcXYZ019-_"))
    for wrong in (word[:place], word[:place] + letter + word[place + 1 :]):
        if wrong != word:
            with pytest.raises(BadArmor):
                unwrap("swarmx1", wrong)


@pytest.mark.parametrize("text", ["", "swarmx1_", "swarmx1_AAAA", "swarmx1_é", "swarmx1_" + "A" * MAX_ARMOR])
def test_what_is_no_word(text: str) -> None:
    with pytest.raises(BadArmor):
        unwrap("swarmx1", text)


@given(st.text(max_size=40))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(BadArmor):
        unwrap("swarmx1", f"swarmx1_{text}")
