"""The example run says what it said: comparing it again changes no number."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from same_numbers import changes_of, differences  # noqa: E402


def test_the_example_compared_again_is_equal():
    assert changes_of(ROOT / "reports" / "example") == []


def test_a_difference_is_named():
    old, new = {"a": [1, {"b": 2}], "c": 1}, {"a": [1, {"b": 3}], "d": 1}
    assert sorted(differences(old, new)) == [".a[1].b: 2 before, 3 after", ".c: only before"]
