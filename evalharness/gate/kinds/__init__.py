"""Kinds of rules: one object in a file of its own, and an entry in `KINDS`. No other code uses a kind's name."""

from collections.abc import Mapping

from evalharness.gate.kinds.level import AT_LEAST, AT_MOST
from evalharness.gate.kinds.no_regression import NO_REGRESSION
from evalharness.gate.kinds.rule_kind import Case, Kind, Sides
from evalharness.records import GateRule

__all__ = ["KINDS", "Case", "Kind", "Sides", "kind_of"]

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (NO_REGRESSION, AT_LEAST, AT_MOST)}


def kind_of(rule: GateRule) -> Kind:
    """The kind of a rule that `check_rules` has passed."""
    return KINDS[rule.kind]
