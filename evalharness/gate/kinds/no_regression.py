"""`no_regression`: the candidate is not worse than the baseline by more than the bound, pair by pair."""

from evalharness.formatting import format_change
from evalharness.gate.kinds.rule_kind import RESAMPLES, Case, Direction, Sides, mean_of
from evalharness.records import GateRule, Interval, Metric
from evalharness.statistics import Estimate, Floats, rate_difference


class NoRegression:
    """A non-inferiority test (Piaggio et al. 2012, JAMA 308:2594) of the paired difference."""

    name = "no_regression"
    counts = "pairs"
    needs_baseline = True
    cases = (
        Case(bound=0.05, baseline=200, candidate=200, n=400, verdict="pass"),
        Case(bound=0.05, baseline=200, candidate=140, n=400, verdict="fail"),
        Case(bound=0.05, baseline=200, candidate=182, n=400, verdict="undecided"),
    )

    def problem(self, rule: GateRule, metric: Metric) -> tuple[str, str] | None:
        """A bound or a direction that makes no sense."""
        if rule.bound < 0:
            what = "the largest loss that you accept, in either direction of the metric"
            return f"bound is {rule.bound:g}, but a margin is {what}", f"write {-rule.bound:g}"
        if metric.kind == "rate" and rule.bound == 1:
            return "a bound of 1 is met by every checkpoint", "write what you accept"
        if metric.better is None and rule.direction is None:
            return (
                f"{metric.name} has no better direction",
                'add direction = "higher" or direction = "lower"',
            )
        if metric.better and rule.direction and metric.better != rule.direction:
            return f"direction is {rule.direction!r}, but {metric.name} is better {metric.better}", "remove direction"
        return None

    def good(self, rule: GateRule, metric: Metric) -> Direction:
        """The metric's own direction, or the rule's."""
        return metric.better or rule.direction or "higher"

    def limit(self, rule: GateRule, metric: Metric) -> float:
        """The margin."""
        del metric
        return rule.bound

    def loss(
        self, rule: GateRule, metric: Metric, sides: Sides, *, seed: int, n_resamples: int = RESAMPLES
    ) -> Estimate | None:
        """The paired difference, positive where the candidate is worse."""
        lost = self._sign(rule, metric) * (sides.candidate - sides.baseline)
        if not lost.size:
            return None
        if metric.kind == "rate":
            return rate_difference(lost, sides.groups, replicates=sides.replicates)
        return mean_of(lost, sides.groups, seed=seed, is_difference=True, n_resamples=n_resamples)

    def losses(self, rule: GateRule, metric: Metric, sides: Sides) -> Floats:
        """How much worse the candidate is on each sample."""
        losses: Floats = self._sign(rule, metric) * (sides.candidate - sides.baseline)
        return losses

    def shown(self, loss: float, rule: GateRule, metric: Metric) -> float:
        """Candidate minus baseline."""
        return self._sign(rule, metric) * loss

    def asked(self, rule: GateRule, metric: Metric) -> str:
        """The largest change that is allowed."""
        unit = f" {metric.unit}" if metric.unit else ""
        bound = f"{100 * rule.bound:g} points" if metric.kind == "rate" else f"{rule.bound:,g}{unit}"
        return f"no worse by more than {bound}"

    def in_words(self, value: float, interval: Interval | None, metric: Metric) -> str:
        """A difference with its interval."""
        change, span = format_change(metric.kind, value, interval, digits=1)
        return f"{change} (95 % interval {span})"

    def against(self, n: int, of: int) -> str:
        """How many got worse."""
        return f"{n:,} of {of:,} pairs got worse"

    def _sign(self, rule: GateRule, metric: Metric) -> int:
        return -1 if self.good(rule, metric) == "higher" else 1


NO_REGRESSION = NoRegression()
