"""Gate rules and what they came to."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from evalharness.records.intervals import Interval
from evalharness.records.privacy import CheckpointName, Public, SampleId, Sentence
from evalharness.records.record import Record

GateVerdict = Literal["pass", "fail", "undecided"]
Limit = Annotated[float, Field(ge=0.0, le=1.0, strict=True)]
"""A share, written as a number and not as text."""


class GateRule(Record):
    """One condition that a candidate must be shown to meet: a `[[gate]]` table of the configuration."""

    metric: Public
    kind: Literal["no_regression", "at_least", "at_most"]
    bound: Annotated[float, Field(strict=True, allow_inf_nan=False)]
    """In the metric's unit: the largest loss that is accepted (`no_regression`), or the value that must be kept."""
    direction: Literal["higher", "lower"] | None = None
    """What is better, for a `no_regression` rule on a metric that does not say so itself."""
    category: Public | None = None
    """None: all categories together."""
    suite: Public | None = None
    """None: all suites together."""
    min_pairs: int = Field(100, ge=1, strict=True)
    """Fewest independent pairs (or samples, for `at_least` and `at_most`); samples of one group count once."""
    max_failures: Limit = 0.02
    """Largest share of the samples without a completion."""
    max_unscored: Limit = 0.02
    """Largest share of the samples with a completion that the scorer gave no value."""
    max_truncated: Limit | None = None
    """Largest share cut by the token limit; None: 0.1 where the metric needs the whole completion, else no limit."""
    name: Sentence = ""

    @model_validator(mode="after")
    def _can_be_met(self) -> "GateRule":
        if self.kind == "no_regression" and self.bound < 0:
            raise ValueError(
                f"bound is {self.bound:g}, but a margin is the largest loss that is accepted, whichever way the metric "
                f"counts: write {-self.bound:g}"
            )
        if self.kind != "no_regression" and self.direction is not None:
            raise ValueError(f"direction is for no_regression; {self.kind} says itself which side is good")
        return self

    @property
    def title(self) -> str:
        """The rule's own name, or one made of what it says."""
        where = ", ".join(part for part in (self.suite, self.category) if part is not None)
        return self.name or f"{self.metric} {self.kind} {self.bound:g}" + (f" ({where})" if where else "")


class GateSample(Record):
    """A sample that speaks against a rule, with its values (means over replicates)."""

    sample_id: SampleId
    baseline: float | None
    """None where the baseline has no value."""
    candidate: float


class GateResult(Record):
    """What a rule came to."""

    rule: GateRule
    verdict: GateVerdict
    reason: Sentence
    """One sentence with the figures."""
    n: int = Field(ge=0)
    """Pairs (`no_regression`), or the candidate's samples that have a value."""
    estimate: float | None
    """Candidate minus baseline (`no_regression`), or the candidate's mean."""
    interval: Interval | None
    """95 %, of the estimate, already widened by `noise`."""
    noise: float = 0.0
    """How far the metric moves between two runs of one checkpoint, as an A/A test measured it."""
    needed: int | None = None
    """About how many pairs or samples would settle what is undecided, were the estimate to stay (80 % power)."""
    n_against: int = 0
    """`no_regression`: pairs in which the candidate is worse; else the candidate's samples beyond the bound."""
    against: tuple[GateSample, ...] = ()
    """The worst of them first, `gate.MOST_AGAINST` at most."""


def overall_verdict(verdicts: Iterable[GateVerdict]) -> GateVerdict:
    """`fail` where any failed, else `undecided` where any is, else `pass`.

    >>> overall_verdict(["pass", "undecided"]), overall_verdict(["undecided", "fail"]), overall_verdict(["pass"])
    ('undecided', 'fail', 'pass')
    """
    found = set(verdicts)
    return "fail" if "fail" in found else "undecided" if "undecided" in found else "pass"


class GateReport(Record):
    """All rules of a gate, judged on one run."""

    verdict: GateVerdict
    baseline: CheckpointName
    candidate: CheckpointName
    results: tuple[GateResult, ...] = Field(min_length=1)
    evidence_digest: Public = ""
    """Of the comparison that it was made from."""

    @model_validator(mode="after")
    def _follows_from_its_rules(self) -> "GateReport":
        follows = overall_verdict(result.verdict for result in self.results)
        if self.verdict != follows:
            raise ValueError(f"the rules come to {follows!r} and not to {self.verdict!r}")
        return self
