"""The plan, which fixes everything before the first token, and the manifest."""

from typing import Annotated, Literal

from pydantic import JsonValue

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
)
from evalharness.records.prospects import Prospects
from evalharness.records.record import Record
from evalharness.records.requests import GenerationRequest
from evalharness.records.suites import Sample, Suite


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
