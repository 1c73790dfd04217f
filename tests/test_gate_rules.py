"""Rules that cannot be judged are refused, with the mend, before anything is generated."""

from pathlib import Path

import pytest
from comparing import MEAN, RATE, make_plan

from evalharness.config import read_config, read_gate
from evalharness.errors import ConfigError
from evalharness.gate import check_rules
from evalharness.records import GateRule

EXPERIMENT = """
[checkpoint.base]
model = "replay/./a.jsonl"
variant = "base"
[checkpoint.instruct]
model = "replay/./b.jsonl"
variant = "instruct"
"""
COUNT = MEAN.model_copy(update={"name": "s.count", "lowest": 0.0})
RULE = '[[gate]]\nmetric = "style.loop"\nkind = "no_regression"\nbound = 0.02\n'


def read(tmp_path: Path, text: str):
    path = tmp_path / "evalharness.toml"
    path.write_text(text)
    return read_config(path)


def refused(*rules, suites=None):
    plan = make_plan(["a", "b"], categories=["open", "factual"])
    with pytest.raises(ConfigError) as caught:
        check_rules(rules, [RATE, MEAN, COUNT], suites or plan.suites, source="gates.toml")
    return caught.value


def rule(**changes):
    return GateRule(**{"metric": "s.hit", "kind": "no_regression", "bound": 0.02, **changes})


def test_rules_are_read_in_their_order_with_their_defaults(tmp_path):
    other = '[[gate]]\nmetric = "style.words"\nkind = "at_most"\nbound = 80\nmin_pairs = 5\ncategory = "open"\n'
    first, second = read(tmp_path, EXPERIMENT + RULE + other).gate
    assert (first.metric, first.kind, first.bound, first.min_pairs, first.max_failures) == (
        *("style.loop", "no_regression", 0.02),
        *(100, None),
    )
    assert (second.title, second.min_pairs) == ("style.words at_most 80 (open)", 5)


def test_a_file_of_rules_alone_can_be_read(tmp_path):
    path = tmp_path / "gates.toml"
    path.write_text(RULE)
    assert [rule.metric for rule in read_gate(path).rules] == ["style.loop"]
    path.write_text("seed = 1\n")
    with pytest.raises(ConfigError, match=r"gates\.toml has no gate rule"):
        read_gate(path)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("bound = nan", "bound: Input should be a finite number"),
        ("bound = true", "bound: Input should be a valid number"),
        ('bound = "0.02"', "bound: Input should be a valid number"),
        ("bound = 0.1\nmin_pairs = 0", "min_pairs: Input should be greater than or equal to 1"),
        ("bound = 0.1\nmin_pairs = -5", "min_pairs: Input should be greater than or equal to 1"),
        ("bound = 0.1\nmax_failures = 2", "max_failures: Input should be less than or equal to 1"),
        ("", "bound: Field required"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_with_file_and_rule(tmp_path, line, named):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, EXPERIMENT + RULE + RULE.replace("bound = 0.02", line))
    assert "evalharness.toml: [[gate]] 2" in caught.value.problem
    assert named in caught.value.problem


def test_a_misspelt_key_and_a_single_bracket_are_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, EXPERIMENT + RULE + "min_pair = 3\n")
    assert caught.value.fix == "write 'min_pairs'"
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, EXPERIMENT + RULE.replace("[[gate]]", "[gate]"))
    assert caught.value.fix == "write [[gate]], with two brackets"


@pytest.mark.parametrize(
    ("changes", "problem", "fix"),
    [
        ({"kind": "at_mots"}, "there is no kind of rule 'at_mots'", "write 'at_most'"),
        (
            {"bound": -0.02},
            "a margin is the largest loss that you accept, in either direction of the metric",
            "write 0.02",
        ),
        (
            {"kind": "at_most", "bound": 0.3, "direction": "lower"},
            "direction is only for no_regression",
            "remove direction",
        ),
        (
            {"max_failures": 0.1},
            "max_failures is 0.1, but a loss of 0.02 breaks the rule",
            "write max_failures = 0.02 or less",
        ),
        ({"metric": "s.hitt"}, "there is no metric 's.hitt'", "write 's.hit'"),
        ({"metric": "hit"}, "there is no metric 'hit'", "write 's.hit'"),
        ({"metric": "nothing"}, "there is no metric 'nothing'", "name one of s.hit, s.size, s.count"),
        ({"suite": "core"}, "there is no suite 'core'", "name one of t"),
        ({"category": "opn"}, "there is no category 'opn'", "write 'open'"),
        ({"bound": 2.0}, "bound is 2, but s.hit is a share between 0 and 1", "write 0.02 for 2 %"),
        ({"kind": "at_least", "bound": -1.0}, "a share between 0 and 1", "write a share"),
        ({"kind": "at_most", "bound": 0.0}, "no number of samples can show that s.hit is exactly 0", "as 0.02"),
        ({"kind": "at_least", "bound": 1.0}, "no number of samples can show that s.hit is exactly 1", "as 0.98"),
        ({"bound": 1.0}, "a bound of 1 is met by every checkpoint", "what you accept"),
        (
            {"metric": "s.count", "kind": "at_most", "bound": -3.0},
            "no bound of -3 can be decided: s.count is at least",
            "",
        ),
        (
            {"metric": "s.count", "kind": "at_least", "bound": 0.0},
            "no bound of 0 can be decided: s.count is at least",
            "",
        ),
        ({"metric": "s.size", "bound": 5.0}, "s.size has no better direction", 'direction = "higher"'),
        ({"direction": "lower"}, "direction is 'lower', but s.hit is better higher", "remove direction"),
    ],
)
def test_a_rule_that_does_not_go_with_the_run_is_refused_with_the_mend(changes, problem, fix):
    error = refused(rule(name="fine"), rule(**changes))
    assert error.problem.startswith("gates.toml: [[gate]] 2: ")
    assert problem in error.problem
    assert fix in error.fix


def test_a_suite_that_the_metrics_scorer_does_not_judge_is_refused():
    [suite] = make_plan(["a"]).suites
    other = suite.model_copy(update={"name": "other", "scorers": ("x",)})
    error = refused(rule(suite="other"), suites=(suite, other))
    assert "suite 'other' is not judged by 's'" in error.problem
    check_rules([rule(suite="other")], [RATE], (suite, other), extra_scorers=("s",))


def test_two_rules_of_one_name_are_refused_and_a_name_mends_it():
    assert "two rules are called 's.hit no_regression 0.02'" in refused(rule(), rule()).problem
    check_rules([rule(), rule(name="again")], [RATE], make_plan(["a"]).suites)
