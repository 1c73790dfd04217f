"""The plan, which fixes everything before the first token, and the manifest."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from evalharness.records.checkpoints import ResolvedCheckpoint
from evalharness.records.privacy import (
    CheckpointName,
    CommandLine,
    LintText,
    MachineFact,
    Private,
    Public,
    RunName,
    SampleId,
    Sentence,
)
from evalharness.records.record import Record, Share
from evalharness.records.requests import GenerationRequest
from evalharness.records.suites import Sample, Suite


class Chances(Record):
    """The chance of each verdict if the candidate is no different from the baseline."""

    passes: Share
    undecided: Share
    fails: Share


class RuleProspect(Record):
    """Whether the planned samples can decide a gate rule."""

    title: Sentence
    counts: Public
    """What `n` counts: `pairs` or `samples`."""
    n: int = Field(ge=0)
    """Independent pairs or samples that the rule will have, if nothing is missing."""
    assumed: Public
    """What the chances rest on, in words."""
    chances: Chances | None
    """None if too little is known of the metric."""
    needed: int | None
    """Pairs or samples with which all rules together pass with 80 % chance, if each has as many as it needs."""


class MetricProspect(Record):
    """What the planned pairs can show of a headline metric."""

    metric: Public
    is_rate: bool
    n: int = Field(ge=0)
    """Independent pairs."""
    spread: float
    """Standard deviation of the paired differences that is assumed."""
    margin: float
    """The change that matters, in the metric's unit."""
    to_show: int
    """Pairs that show a change as large as the margin, with 80 % chance."""
    to_exclude: int
    """Pairs that show that the change is smaller than the margin, with 80 % chance, if nothing changed."""
    smallest: float | None
    """The smallest change that the planned pairs show with 80 % chance; None if there are too few for any."""


class Prospects(Record):
    """What a plan can decide, from stated assumptions."""

    rules: tuple[RuleProspect, ...] = ()
    gate: Chances | None = None
    """Of the gate as a whole; None without rules, or if a rule's chances are not known."""
    metrics: tuple[MetricProspect, ...] = ()

    @property
    def costliest(self) -> RuleProspect | None:
        """The rule that needs the most pairs; of several, the one that has fewest."""
        known = [rule for rule in self.rules if rule.needed is not None]
        return max(known, key=lambda rule: (rule.needed or 0, -rule.n), default=None)


class LintFinding(Record):
    """A mistake in how a checkpoint is prompted."""

    code: Public
    """Such as `double-bos`."""
    level: Literal["error", "warning", "note"]
    checkpoint: CheckpointName | None
    """None if it concerns the comparison."""
    message: LintText
    fix: LintText
    sample_ids: tuple[SampleId, ...] = ()


class Estimate(Record):
    """The resources that a run needs, per checkpoint."""

    checkpoint: CheckpointName
    requests: int
    prompt_tokens: int | None
    completion_tokens_at_most: int
    memory_bytes: int | None
    """As `ResolvedCheckpoint.memory_bytes`."""


class Plan(Record):
    """Everything that generation needs, fixed before the first token."""

    suites: tuple[Suite, ...]
    checkpoints: tuple[ResolvedCheckpoint, ...]
    baseline: CheckpointName
    candidate: CheckpointName
    requests: tuple[GenerationRequest, ...] = ()
    """In a run directory they have a file of their own."""
    lint: tuple[LintFinding, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    prospects: Prospects | None = None
    """What it can decide; of `evalharness plan` alone."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """What is compared with the baseline: the candidate first, then any other checkpoint."""
        others = (checkpoint.name for checkpoint in self.checkpoints)
        return (self.candidate, *(name for name in others if name not in (self.baseline, self.candidate)))

    @property
    def samples(self) -> dict[str, Sample]:
        """All samples by id, in suite order."""
        return {sample.id: sample for suite in self.suites for sample in suite.samples}

    def part(self, shard: str | None) -> "Plan":
        """The plan with the requests of one shard alone: of 3/8, every eighth sample from the third."""
        if shard is None:
            return self
        number, count = map(int, shard.split("/"))
        mine = set(list(self.samples)[number - 1 :: count])
        return self.model_copy(update={"requests": tuple(one for one in self.requests if one.sample_id in mine)})


class Manifest(Record):
    """Where a run came from. `format_version` is bumped when a run file changes its meaning."""

    format_version: int
    evalharness_version: Public
    created: Public
    """ISO 8601, UTC."""
    command: CommandLine
    """The command line, or `python` when called from Python."""
    config: Annotated[dict[str, JsonValue], Private("config")]
    """The resolved configuration, which is enough to repeat the run."""
    seed: int
    versions: dict[Public, Public]
    hardware: dict[MachineFact, MachineFact]
    paired_from: tuple[RunName, ...] = ()
    """The runs that a comparison combines; empty for a run that generated its own completions."""
    merged_from: tuple[RunName, ...] = ()
    """The shards that were merged into this run."""
