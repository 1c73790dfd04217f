"""From evidence to a verdict with its reason; why these: docs/decisions 0008 and 0017."""

from collections.abc import Iterator
from dataclasses import dataclass

from evalharness.compare.groups import Groups
from evalharness.formatting import format_number, format_share, in_groups
from evalharness.gate.evidence import Evidence
from evalharness.gate.kinds import Sides, kind_of
from evalharness.records import GateResult, GateVerdict, Interval
from evalharness.statistics import Betting, Estimate, RateDifference, Share, betting, smallest_p

MOST_AGAINST = 50
"""Most samples against a rule that are stored in its result."""
NEEDS_WHOLE = 0.1
"""Default largest share of truncated completions, for metrics that need the whole completion."""
MOST_MISSING = 0.02
"""Default largest share that may be missing, or the rule's limit if that is smaller."""
PASS_LEVEL = 0.025
"""One-sided, of every rule: all must pass, so nothing is adjusted (intersection-union test; Berger 1982)."""
FAIL_LEVEL = 0.04
"""One-sided, shared by all rules: any may fail. With rare events the bounds miss by up to a quarter more, so that a
gate of candidates that are all at their bounds fails in at most 5 %."""


@dataclass(frozen=True)
class Decision:
    """When the bounds of a loss decide a rule."""

    limit: float
    """What the loss must stay below."""
    n_rules: int
    """Verdicts of the whole gate, which share the level of a failure."""
    noise: float = 0.0

    @property
    def fail_level(self) -> float:
        """One-sided."""
        return min(PASS_LEVEL, FAIL_LEVEL / self.n_rules)

    def kept(self, loss: Estimate | None) -> bool:
        """Whether the loss is shown to be within the limit."""
        return loss is not None and loss.high(PASS_LEVEL) + self.noise < self.limit

    def broken(self, loss: Estimate | None, n_groups: int) -> bool:
        """Whether it is shown to be beyond: by exact bounds for rates, which hold for rare events; never for means of
        fewer groups than a sign test needs.
        """
        if loss is None or loss.value - self.noise <= self.limit:
            return False
        match loss:
            case RateDifference():
                low = loss.surely_above(self.fail_level)
            case Share() | Betting():
                low = loss.low(self.fail_level)
            case _:
                if smallest_p(n_groups) >= 2 * self.fail_level:
                    return False
                low = loss.low(self.fail_level)
        return low - self.noise > self.limit


def judge(
    evidence: Evidence,
    *,
    title: str,
    candidate: str,
    n_rules: int,
    noise: float = 0.0,
    seed: int = 0,
    rank: Groups | None = None,
    unlike: str = "",
) -> GateResult:
    """Pass if the evidence shows that the bound is kept, fail if it shows that it is broken, else undecided.

    Args:
        n_rules: verdicts of the whole gate, which share the level of a failure.
        noise: how far the metric moves between two runs of the same checkpoint beyond sampling error.
        rank: which place each group has in the order of generation, if that was to stop when the gate is settled.
        unlike: why the sides are not known to be generated alike; empty if they are.
    """
    judgement = _Judgement(evidence, n_rules, noise, seed, rank, unlike)
    verdict, reason = judgement.verdict()
    against, kind = evidence.against(), kind_of(evidence.rule)
    return GateResult(
        rule=evidence.rule,
        title=title,
        candidate=candidate,
        asked=kind.asked(evidence.rule, evidence.metric),
        counts=kind.counts,
        verdict=verdict,
        reason=reason,
        n=evidence.observed.n,
        n_missing=evidence.missing.n,
        estimate=judgement.shown,
        interval=judgement.interval(judgement.observed),
        worst=judgement.interval(judgement.worst) if evidence.missing.n else None,
        noise=noise,
        n_against=len(against),
        against=tuple(against[:MOST_AGAINST]),
        headline=kind.against(len(against), evidence.observed.n),
    )


class _Judgement:
    """Four estimates for a rule: as observed, with missing values at their worst or best, with silence as a loss."""

    def __init__(
        self, evidence: Evidence, n_rules: int, noise: float, seed: int, rank: Groups | None, unlike: str
    ) -> None:
        self.evidence, self.noise, self.seed, self.rank = evidence, noise, seed, rank
        self.unlike = unlike if kind_of(evidence.rule).needs_baseline else ""
        self.rule, self.metric = evidence.rule, evidence.metric
        self.kind = kind_of(self.rule)
        self.decision = Decision(self.kind.limit(self.rule, self.metric), n_rules, noise)
        missing = evidence.missing.n > 0
        self.observed = self._loss(evidence.observed)
        self.worst = self._loss(evidence.filled("worst")) if missing else self.observed
        self.best = self._loss(evidence.filled("best")) if missing else self.observed
        self.guarded = None if evidence.guarded is None else self._loss(evidence.guarded)

    def _loss(self, sides: Sides) -> Estimate | None:
        low, high = self.metric.bounds
        if self.rank is None or not self.metric.is_bounded:
            return self.kind.loss(self.rule, self.metric, sides, seed=self.seed)
        if not sides.n:
            return None
        losses = self.kind.losses(self.rule, self.metric, sides)
        if self.kind.needs_baseline:
            return betting(losses, sides.groups, self.rank, (low - high, high - low))
        ends = sorted((low, high) if self.kind.good(self.rule, self.metric) == "lower" else (-high, -low))
        if self.metric.kind == "rate":
            ends = [0.0, 1.0]
        return betting(losses + self.decision.limit, sides.groups, self.rank, (ends[0], ends[1]))

    def _kept(self, loss: Estimate | None) -> bool:
        return self.decision.kept(loss)

    def _broken(self, loss: Estimate | None) -> bool:
        return self.decision.broken(loss, self.evidence.observed.n_groups)

    @property
    def shown(self) -> float | None:
        """The estimate in the reader's units."""
        return None if self.observed is None else self.kind.shown(self.observed.value, self.rule, self.metric)

    def interval(self, loss: Estimate | None) -> Interval | None:
        """95 % interval in the reader's units, widened by the noise."""
        if loss is None:
            return None
        ends = loss.low(PASS_LEVEL) - self.noise, loss.high(PASS_LEVEL) + self.noise
        low, high = sorted(self.kind.shown(end, self.rule, self.metric) for end in ends)
        lowest, highest = self.metric.bounds
        if self.kind.needs_baseline:
            lowest, highest = lowest - highest, highest - lowest
        return Interval(low=low, high=high).within(lowest, highest)

    def verdict(self) -> tuple[GateVerdict, str]:
        """The verdict with its reason."""
        said = self._said()
        if self._broken(self.observed) and self._broken(self.best):
            if self.guarded is not None and self._kept(self.guarded):
                return (
                    "undecided",
                    f"{said}; would fail, but the baseline gave no answer on samples where it could have done worse",
                )
            if self.unlike:
                return "undecided", f"{said}; would fail, but {self.unlike}"
            return "fail", f"{said}, and the whole interval is beyond the bound"
        doubts = "; ".join(self._doubts())
        if not self._kept(self.observed):
            return "undecided", f"{said}, and the interval contains the bound" + (f"; {doubts}" if doubts else "")
        if doubts:
            return "undecided", f"{said}; would pass, but {doubts}"
        return "pass", f"{said}, and the whole interval is within the bound"

    def _said(self) -> str:
        if self.observed is None or self.shown is None:
            return f"{self._of()} give no interval; required: {self.kind.asked(self.rule, self.metric)}"
        measured = self.kind.in_words(self.shown, self.interval(self.observed), self.metric)
        unit = f" {self.metric.unit}" if self.metric.unit and self.metric.kind == "mean" else ""
        noise = f", widened by a shared noise of {format_number(self.noise)}" if self.noise else ""
        return f"{measured}{unit}{noise} on {self._of()}; required: {self.kind.asked(self.rule, self.metric)}"

    def _of(self) -> str:
        sides = self.evidence.observed
        counted = f"{sides.n:,} {self.kind.counts if sides.n != 1 else self.kind.counts.removesuffix('s')}"
        return in_groups(counted, sides.n, sides.n_groups)

    def _doubts(self) -> Iterator[str]:
        """What prevents a rule from passing, whatever its interval."""
        n_groups = self.evidence.observed.n_groups
        if n_groups < self.rule.min_pairs:
            few = f"{n_groups:,} independent {self.kind.counts} are fewer"
            yield f"{few} than the required {self.rule.min_pairs:,}"
        if self.unlike:
            yield self.unlike
        yield from self._too_much_missing()
        if self._kept(self.observed) and not self._kept(self.worst):
            yield (
                f"{self.evidence.missing.n:,} {self.kind.counts} lack a value, and at their worst "
                f"{self._worst_in_words()} would not pass"
            )
        if self.guarded is not None and not self._kept(self.guarded):
            yield f"silence does not count as passing: {self._silence()}"

    def _worst_in_words(self) -> str:
        if self.worst is None:
            return "they"
        return self.kind.in_words(
            self.kind.shown(self.worst.value, self.rule, self.metric), self.interval(self.worst), self.metric
        )

    def _silence(self) -> str:
        assert self.evidence.silent is not None
        old, new = ((side == 1).mean() if side.size else 0.0 for side in self.evidence.silent)
        return (
            f"no answer in {format_share(float(new))} of the candidate's completions, {format_share(float(old))} before"
        )

    def _too_much_missing(self) -> Iterator[str]:
        rule, missing = self.rule, self.evidence.missing
        most = (
            min(MOST_MISSING, self.decision.limit)
            if self.metric.kind == "rate" and self.decision.limit > 0
            else MOST_MISSING
        )
        limits = (
            (missing.failures, rule.max_failures, most, "have no completion"),
            (missing.unscored, rule.max_unscored, most, "have a completion without a value"),
            (
                missing.truncated,
                rule.max_truncated,
                NEEDS_WHOLE if self.metric.needs_end else 1.0,
                "were truncated at the token limit",
            ),
        )
        for share, given, default, what in limits:
            allowed = default if given is None else given
            if share > allowed:
                yield f"{100 * share:.3g} % {what} and {100 * allowed:g} % may"
