"""`at_least` and `at_most`: the candidate's own mean keeps a bound. Each mirrors the other."""

from dataclasses import dataclass
from typing import Any

from evalharness.formatting import format_mean
from evalharness.gate.kinds.rule_kind import RESAMPLES, Case, Direction, Sides, mean_of
from evalharness.records import GateRule, Interval, Metric
from evalharness.statistics import Estimate, Floats, share


@dataclass(frozen=True)
class Level:
    """A bound of the candidate alone. Where higher is good, the loss is 1 - rate, or the negative of a mean."""

    name: str
    direction: Direction
    beyond: str
    """Where the samples against the rule are."""
    cases: tuple[Case, ...]
    counts: str = "samples"
    needs_baseline: bool = False

    def problem(self, rule: GateRule, metric: Metric) -> tuple[str, str] | None:
        """A bound that no number of samples can show, or that every checkpoint meets."""
        if rule.direction is not None:
            return f"direction is only for no_regression; {self.name} already implies it", "remove direction"
        if metric.kind == "rate" and self.limit(rule, metric) == 0:
            share_ = (
                f"{'largest' if rule.bound == 0 else 'smallest'} share that you accept, such as "
                f"{abs(rule.bound - 0.02):g}"
            )
            return (
                f"no number of samples can show that {rule.metric} is exactly {rule.bound:g}",
                f"write the {share_}",
            )
        if metric.kind == "rate" and self.limit(rule, metric) == 1:
            return f"a bound of {rule.bound:g} is met by every checkpoint", "write what you accept"
        lowest, highest = metric.bounds
        if metric.kind == "mean" and not lowest < rule.bound < highest:
            between = f"is at least {lowest:g}" if rule.bound <= lowest else f"is at most {highest:g}"
            return f"no bound of {rule.bound:g} can be decided: {rule.metric} {between}", "write what you accept"
        return None

    def good(self, rule: GateRule, metric: Metric) -> Direction:
        """What the kind says."""
        del rule, metric
        return self.direction

    def limit(self, rule: GateRule, metric: Metric) -> float:
        """The bound."""
        return float(self._turned(rule.bound, metric))

    def loss(
        self, rule: GateRule, metric: Metric, sides: Sides, *, seed: int, n_resamples: int = RESAMPLES
    ) -> Estimate | None:
        """The candidate's mean."""
        del rule
        values = self._turned(sides.candidate, metric)
        if not values.size:
            return None
        if metric.kind == "rate":
            return share(values, sides.groups)
        return mean_of(values, sides.groups, seed=seed, is_difference=False, n_resamples=n_resamples)

    def losses(self, rule: GateRule, metric: Metric, sides: Sides) -> Floats:
        """How far each sample is beyond the bound."""
        losses: Floats = self._turned(sides.candidate, metric) - self.limit(rule, metric)
        return losses

    def shown(self, loss: float, rule: GateRule, metric: Metric) -> float:
        """The mean itself."""
        del rule
        return float(self._turned(loss, metric))

    def asked(self, rule: GateRule, metric: Metric) -> str:
        """The bound."""
        unit = f" {metric.unit}" if metric.unit else ""
        bound = f"{100 * rule.bound:g} %" if metric.kind == "rate" else f"{rule.bound:,g}{unit}"
        return f"{self.name.replace('_', ' ')} {bound}"

    def in_words(self, value: float, interval: Interval | None, metric: Metric) -> str:
        """A level with its interval."""
        level, span = format_mean(metric.kind, value, interval, digits=1)
        return f"{level} (95 % interval {span})"

    def against(self, n: int, of: int) -> str:
        """How many samples are on the wrong side."""
        return f"{n:,} of {of:,} samples are {self.beyond} the bound"

    def _turned(self, value: Any, metric: Metric) -> Any:
        if self.direction == "lower":
            return value
        return 1 - value if metric.kind == "rate" else -value


AT_MOST = Level(
    "at_most",
    "lower",
    "above",
    (
        Case(bound=0.1, baseline=0, candidate=10, n=400, verdict="pass"),
        Case(bound=0.1, baseline=0, candidate=80, n=400, verdict="fail"),
        Case(bound=0.1, baseline=0, candidate=40, n=400, verdict="undecided"),
    ),
)
AT_LEAST = Level(
    "at_least",
    "higher",
    "below",
    (
        Case(bound=0.9, baseline=0, candidate=390, n=400, verdict="pass"),
        Case(bound=0.9, baseline=0, candidate=320, n=400, verdict="fail"),
        Case(bound=0.9, baseline=0, candidate=360, n=400, verdict="undecided"),
    ),
)
