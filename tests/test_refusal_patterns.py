"""One search for many patterns finds what each of them finds."""

import re
from collections.abc import Iterable
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from evalharness.scorers.refusal import premise, sentences, signs
from evalharness.scorers.refusal.patterns import alternatives, any_of


def begins_with_a_word(tree: Iterable[Any]) -> bool:
    """Whether the first character of every match of a parsed pattern is a letter or digit."""
    for operator, value in tree:
        if operator in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
            continue
        if operator is sre.LITERAL:
            return chr(value).isalnum()
        if operator is sre.IN:
            return all(what is sre.RANGE or argument is sre.CATEGORY_WORD for what, argument in value)
        if operator is sre.BRANCH:
            return all(map(begins_with_a_word, value[1]))
        if operator is sre.SUBPATTERN:
            return begins_with_a_word(value[-1])
        if operator is not sre.MAX_REPEAT or not begins_with_a_word(value[2]):
            return False
        if value[0]:
            return True
    return False


@pytest.mark.parametrize("joined", [sentences.SIGNS, sentences.SPOKEN_SIGNS, signs.LACK, premise.VERDICT])
def test_a_sign_that_begins_with_a_word_goes_on_with_one(joined: re.Pattern[str]) -> None:
    first = alternatives(joined.pattern)[0]
    for part in alternatives(first.removeprefix(r"\b(?=\w)(?:").removesuffix(")")):
        assert begins_with_a_word(parser.parse(part)), f"begin {part} with a letter, or without a word boundary"


@pytest.mark.parametrize(
    ("pattern", "fits"), [(r"\b, no", False), (r"\b(?:, )?no", False), (r"\b(?:so )?no", True), (r"\b[a-z]+", True)]
)
def test_what_begins_with_a_word_is_recognized(pattern: str, fits: bool) -> None:
    assert begins_with_a_word(parser.parse(pattern)) == fits


def test_patterns_are_divided_at_their_top_only() -> None:
    assert alternatives(r"\ba(?:b|c)|[|)]d|\|e") == [r"\ba(?:b|c)", "[|)]d", r"\|e"]
    assert any_of(r"^\W*no|\bof|\bin", r"\bat").pattern == r"\b(?=\w)(?:\bof|\bin|\bat)|^\W*no"
