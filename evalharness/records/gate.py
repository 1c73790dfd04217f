"""Gate rules and their results."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from evalharness.records.privacy import CheckpointName, Digest, Public, SampleId, Sentence
from evalharness.records.record import Interval, Record
from evalharness.records.requests import GenerationConfig

GateVerdict = Literal["pass", "fail", "undecided"]
Limit = Annotated[float, Field(ge=0.0, le=1.0, strict=True)]
"""A share, as a number and not as text."""


class GateRule(Record):
    """One condition that a candidate must be shown to meet: a `[[gate]]` table of the configuration."""

    metric: Public
    """Such as `style.loop`; `evalharness list scorers` shows all."""
    kind: Public
    """`no_regression`, `at_least` or `at_most` (docs/ci.md)."""
    bound: Annotated[float, Field(strict=True, allow_inf_nan=False)]
    """In the metric's unit: the largest loss that is accepted (`no_regression`), or the value that must be kept."""
    direction: Literal["higher", "lower"] | None = None
    """The better direction, for a `no_regression` rule on a metric without one."""
    category: Public | None = None
    """None: all categories together."""
    suite: Public | None = None
    """None: all suites together."""
    candidate: CheckpointName | None = None
    """The checkpoint that is judged; None: every checkpoint but the baseline."""
    min_pairs: int = Field(100, ge=1, strict=True)
    """Fewest independent pairs (or samples) with which the rule may pass; samples of a group count once."""
    max_failures: Limit | None = None
    """Largest share of completions that may be missing; None: 0.02, or less if the bound is smaller."""
    max_unscored: Limit | None = None
    """Largest share of completions without a value; None: the same."""
    max_truncated: Limit | None = None
    """Largest share truncated at the token limit; None: 0.1 if the metric needs the whole completion, else no limit."""
    name: Sentence = ""
    """Its title in the report; made from the other keys if left out."""

    @property
    def title(self) -> str:
        """The rule's own name, or a name made from its fields."""
        where = ", ".join(part for part in (self.suite, self.category) if part is not None)
        return self.name or f"{self.metric} {self.kind} {self.bound:g}" + (f" ({where})" if where else "")


class GateSample(Record):
    """A sample that counts against a rule, with its values (means over replicates)."""

    sample_id: SampleId
    baseline: float | None
    """None where the baseline has no value."""
    candidate: float


class GateResult(Record):
    """The result of a rule."""

    rule: GateRule
    title: Sentence
    """The rule's title, with the candidate if the gate judged several."""
    candidate: CheckpointName
    asked: Public
    """What the rule requires, in words."""
    counts: Public
    """What `n` counts: `pairs` or `samples`."""
    verdict: GateVerdict
    reason: Sentence
    """One sentence with the figures."""
    n: int = Field(ge=0)
    """Pairs, or the candidate's samples, that have a value."""
    n_missing: int = Field(0, ge=0)
    """Samples that lack a value that the rule needs."""
    estimate: float | None
    """Candidate minus baseline, or the candidate's mean."""
    interval: Interval | None
    """95 %, of the estimate, already widened by `noise`."""
    worst: Interval | None = None
    """The same with every missing value at its worst for the candidate; None if none is missing."""
    noise: float = 0.0
    """How far the metric moves between two runs of the same checkpoint beyond sampling error."""
    n_against: int = 0
    """Pairs in which the candidate is worse, or its samples beyond the bound."""
    headline: Public = ""
    """`n_against` in words."""
    against: tuple[GateSample, ...] = ()
    """The worst of them first, `gate.MOST_AGAINST` at most."""


def overall_verdict(verdicts: Iterable[GateVerdict]) -> GateVerdict:
    """`fail` where any failed, else `undecided` where any is, else `pass`.

    >>> overall_verdict(["pass", "undecided"]), overall_verdict(["undecided", "fail"]), overall_verdict(["pass"])
    ('undecided', 'fail', 'pass')
    """
    result = set(verdicts)
    return "fail" if "fail" in result else "undecided" if "undecided" in result else "pass"


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
            raise ValueError(f"the rules give {follows!r}, not {self.verdict!r}")
        return self


DeterminismClass = Literal["identical text", "batch-sensitive", "sampling"]


class AATest(Record):
    """How much a checkpoint differs from itself, for a generation configuration and some suites."""

    checkpoint: CheckpointName
    identity_digest: Digest
    suites: dict[Public, Public]
    """Names with digests."""
    scorers: dict[Public, Public]
    """Names with versions."""
    generation: GenerationConfig
    determinism: DeterminismClass
    """`identical text`: greedy, and unaffected by the batch; `batch-sensitive`: affected by the batch; `sampling`:
    random.
    """
    n: int = Field(ge=0)
    """Completions that were generated in two different batch sizes."""
    n_changed: int = Field(ge=0)
    """Completions among them whose text changed."""
    noise: dict[Public, Annotated[float, Field(ge=0.0, allow_inf_nan=False)]]
    """By metric, how far two runs differ in 95 % of cases beyond what samples explain; 0 where no test finds it."""
