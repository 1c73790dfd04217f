"""Every kind of rule is one object in one file, with its own cases; nothing else knows a kind by its name."""

import ast
from pathlib import Path

import pytest
from comparing import RATE as METRIC
from gating import judged, rates, rule

import evalharness
from evalharness.gate.kinds import KINDS

PACKAGE = Path(evalharness.__file__).parent
CASES = [(name, case) for name, kind in KINDS.items() for case in kind.cases]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_kind_judges_its_own_cases(name, case):
    result = judged(rule(kind=name, bound=case.bound), rates(case.n, case.baseline), rates(case.n, case.candidate))
    assert result.verdict == case.verdict
    assert KINDS[name].asked(result.rule, METRIC) in result.reason


def test_every_kind_has_a_case_of_every_verdict():
    for kind in KINDS.values():
        assert {case.verdict for case in kind.cases} == {"pass", "fail", "undecided"}


def test_no_code_asks_a_rule_for_its_kind():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node).endswith("rule.kind"):
                where = path.relative_to(PACKAGE).as_posix()
                assert where in ("gate/kinds/__init__.py", "gate/rules.py"), f"{where}:{node.lineno} asks for rule.kind"
            if isinstance(node, ast.Constant) and node.value in KINDS and "gate/kinds" not in path.as_posix():
                raise AssertionError(f"{path}:{node.lineno} spells the kind {node.value}")
