"""Checkpoints of several runs, compared as if they were one run.

Only samples that are identical in all runs are paired. Other differences between the runs are reported in the lint,
and rejected if they make a comparison invalid: different generation settings, or scores of different scorer versions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from evalharness.errors import StoreError
from evalharness.observations import NO_SCORE
from evalharness.prompting.lint import lint_pair
from evalharness.records import (
    Completion,
    DeterminismCheck,
    Failure,
    GenerationConfig,
    GenerationRequest,
    LintFinding,
    Notice,
    Plan,
    ResolvedCheckpoint,
    Sample,
    Score,
    Spent,
    Suite,
    digest,
)
from evalharness.store import Run

Event = Completion | Failure | Notice | DeterminismCheck | Spent
SAMPLING_ONLY = ("top_p", "top_k")
"""Settings without effect on greedy generation. The seed and the context length never make a pair invalid."""


@dataclass(frozen=True)
class Side:
    """A checkpoint of a run, under its name in the pairing."""

    run: Run
    checkpoint: str
    name: str
    replicate: int | None = None
    """Only this checkpoint; None means all."""

    @cached_property
    def resolved(self) -> ResolvedCheckpoint:
        """The checkpoint, renamed."""
        [resolved] = [checkpoint for checkpoint in self.run.plan.checkpoints if checkpoint.name == self.checkpoint]
        return resolved.model_copy(update={"checkpoint": resolved.checkpoint.model_copy(update={"name": self.name})})

    @cached_property
    def requests(self) -> list[GenerationRequest]:
        """The checkpoint's requests, with the ids that they had."""
        asked = self.run.requests_of(self.checkpoint)
        return [request for request in asked if self.replicate is None or request.replicate == self.replicate]

    @cached_property
    def versions(self) -> dict[str, str]:
        """The scorers that judged it, with their versions."""
        table = self.run.observations
        judged = {name for name in table.versions if (table.scored(self.checkpoint, name) != NO_SCORE).any()}
        return {name: versions[-1] for name, versions in table.versions.items() if name in judged}

    @cached_property
    def new_ids(self) -> dict[str, str]:
        """A new id for each request id, because both runs may have made the same request to the same weights."""
        return {request.id: digest([self.name, request.id]).removeprefix("sha256:")[:32] for request in self.requests}


@dataclass(frozen=True)
class Pairing:
    """The content of a run directory besides its manifest."""

    plan: Plan
    events: Iterable[Event]
    """To be read once, as `scores`."""
    scores: Iterable[Score]


def narrowed(run: Run, checkpoint: str) -> Run:
    """A run without the requests to its other checkpoints."""
    requests = tuple(request for request in run.plan.requests if request.checkpoint == checkpoint)
    return replace(run, plan=run.plan.model_copy(update={"requests": requests}), _observed=[])


def sides_of(runs: Sequence[Run], baseline: str | None, candidate: str | None) -> list[Side]:
    """One checkpoint of each run, by default its candidate; the first run's is the baseline.

    Args:
        runs: the baseline's run, then the candidates'.
        baseline: the checkpoint of the first run; its candidate by default.
        candidate: the checkpoint of the others; their candidates by default.

    Raises:
        StoreError: a run lacks the checkpoint, or a checkpoint is on both sides.
    """
    wanted = [(run, (candidate if number else baseline) or run.plan.candidate) for number, run in enumerate(runs)]
    for run, name in wanted:
        names = [checkpoint.name for checkpoint in run.plan.checkpoints]
        if name not in names:
            raise StoreError(f"{run.path} has no checkpoint {name!r}", fix=f"name one of {', '.join(names)}")
    unique = len({name for _, name in wanted}) == len(wanted)
    sides = [Side(run, name, name if unique else f"{run.path.resolve().name}:{name}") for run, name in wanted]
    if len({side.name for side in sides}) < len(sides):
        raise StoreError("the same checkpoint of a run is given twice", fix="give each run, or each checkpoint, once")
    return sides


def pair_runs(baseline: Side, candidates: Sequence[Side]) -> Pairing:
    """Merge the sides into one plan with their outcomes and scores.

    Raises:
        StoreError: the runs share no sample, or were made under conditions that make a comparison invalid.
    """
    sides = (baseline, *candidates)
    for side in sides:
        _refuse_unscored(side)
    for side in candidates:
        _refuse_other_generation(baseline, side)
        _refuse_other_versions(baseline, side)
    shared = _shared_samples(sides)
    plan = Plan(
        suites=tuple(_suites(baseline, shared)),
        checkpoints=tuple(side.resolved for side in sides),
        baseline=baseline.name,
        candidate=candidates[0].name,
        requests=tuple(request for side in sides for request in _requests(side, shared)),
        lint=(*_lint(sides, shared), *lint_pair([side.resolved for side in sides])),
    )
    scorers = {name for name in baseline.versions if all(name in side.versions for side in candidates)}
    return Pairing(
        plan,
        events=(event for side in sides for event in _events(side, shared)),
        scores=(score for side in sides for score in _scores(side, shared, scorers)),
    )


# ------------------------------------------------------------------------------------------- refusals


def _refuse_other_generation(first: Side, other: Side) -> None:
    left, right = (_what_matters(side.requests[0].config) for side in (first, other))
    differ = [f"{name} {left.get(name)} and {right.get(name)}" for name in left if left[name] != right.get(name)]
    if differ:
        raise StoreError(
            f"{first.run.path} and {other.run.path} were generated differently: {', '.join(differ)}",
            fix="generate one of them again with the settings of the other; otherwise the difference would include "
            "the settings",
        )


def _what_matters(config: GenerationConfig) -> dict[str, object]:
    ignored = {"seed", "context_length", *(SAMPLING_ONLY if config.temperature == 0 else ())}
    return config.model_dump(exclude=ignored)


def _refuse_unscored(side: Side) -> None:
    """Raised before anything is written, and names the run without scores."""
    table = side.run.observations
    unscored = table.completed(side.checkpoint)
    for scorer in table.versions:
        unscored = unscored & (table.scored(side.checkpoint, scorer) == NO_SCORE)
    for sample_id in table.ids(np.array(unscored.any(axis=0)))[:1]:
        raise StoreError(
            f"{side.run.path} has no score of sample {sample_id!r}: it was stopped before it was scored",
            fix=f"evalharness run --out {side.run.path} --resume",
        )


def _refuse_other_versions(first: Side, other: Side) -> None:
    for scorer, version in first.versions.items():
        if other.versions.get(scorer, version) != version:
            has_flag = scorer in first.run.facts and first.run.facts[scorer].model_help
            with_one_model = f", both with the same --{scorer}-model" if has_flag else ""
            raise StoreError(
                f"{scorer} scores of version {version} ({first.run.path}) and of version {other.versions[scorer]} "
                f"({other.run.path}) cannot be compared",
                fix=f"evalharness score {first.run.path}; evalharness score {other.run.path}{with_one_model}",
            )


# -------------------------------------------------------------------------------------------- matching


def _shared_samples(sides: Sequence[Side]) -> dict[str, Sample]:
    """By id, the samples that are the same in all runs."""
    first, *rest = (side.run.plan.samples for side in sides)
    shared = {name: value for name, value in first.items() if all(other.get(name) == value for other in rest)}
    if not shared:
        raise StoreError(
            f"{' and '.join(str(side.run.path) for side in sides)} share no sample",
            fix="compare runs of the same suite and version",
        )
    return shared


def _suites(side: Side, shared: dict[str, Sample]) -> Iterator[Suite]:
    for suite in side.run.plan.suites:
        kept = tuple(sample for sample in suite.samples if sample.id in shared)
        if len(kept) == len(suite.samples):
            yield suite
        elif kept:
            yield suite.model_copy(
                update={"samples": kept, "digest": digest([suite.digest, [sample.id for sample in kept]])}
            )


def _requests(side: Side, shared: dict[str, Sample]) -> Iterator[GenerationRequest]:
    for request in side.requests:
        if request.sample_id in shared:
            yield request.model_copy(update={"id": side.new_ids[request.id], "checkpoint": side.name})


def _events(side: Side, shared: dict[str, Sample]) -> Iterator[Event]:
    for request in side.requests:
        outcome = side.run.outcomes.get(request.id)
        if request.sample_id in shared and outcome:
            yield outcome.model_copy(update={"request_id": side.new_ids[request.id]})
    remarks: list[Notice | DeterminismCheck | Spent] = [*side.run.notices, *side.run.determinism, *side.run.spent]
    for event in remarks:
        if event.checkpoint == side.checkpoint:
            yield event.model_copy(update={"checkpoint": side.name})


def _scores(side: Side, shared: dict[str, Sample], scorers: set[str]) -> Iterator[Score]:
    for request in side.requests:
        if request.sample_id in shared:
            for score in side.run.scores_of(request.id):
                if score.scorer in scorers:
                    yield score.model_copy(update={"request_id": side.new_ids[request.id]})


# ------------------------------------------------------------------------------------------------ lint


def _lint(sides: Sequence[Side], shared: dict[str, Sample]) -> Iterator[LintFinding]:
    """Other differences between the runs that do not make the pairs invalid."""
    for side in sides:
        samples = side.run.plan.samples
        others = [other.run.plan.samples for other in sides if other is not side]
        alone = tuple(sample for sample in samples if not all(sample in other for other in others))
        changed = tuple(sample for sample in samples if sample not in shared and sample not in alone)
        if alone:
            message = f"{len(alone)} of {len(samples)} samples of {side.run.path.name} are not in every run; left out"
            yield _finding("samples-on-one-side", "warning", message, sides, alone)
        if changed and side is sides[0]:
            message = f"{len(changed)} samples have a different text or expectation in another run; left out"
            yield _finding("samples-changed", "warning", message, sides, changed)
    counts = Counter(name for side in sides for name in side.versions)
    for name in (name for name, count in counts.items() if count < len(sides)):
        yield _finding("scorer-on-one-side", "warning", f"not every run has scores of {name}; they are left out", sides)
    for what, facts_of in (("evalharness", _evalharness), ("machine", _machine), ("replicates", _replicates)):
        said = dict.fromkeys(facts_of(side) for side in sides)
        if len(said) > 1:
            yield _finding(f"different-{what}", "note", f"the runs differ in {what}: {' and '.join(said)}", sides)


def _evalharness(side: Side) -> str:
    return side.run.manifest.evalharness_version


def _machine(side: Side) -> str:
    identity = side.resolved.identity
    versions = [f"{name} {version}" for name, version in identity.versions.items()]
    processor = side.run.manifest.hardware.get("processor", "unknown")
    return ", ".join(filter(None, [processor, identity.device, identity.dtype, *versions]))


def _replicates(side: Side) -> str:
    return str(1 + max(request.replicate for request in side.requests))


def _finding(
    code: str, level: str, message: str, sides: Sequence[Side], sample_ids: tuple[str, ...] = ()
) -> LintFinding:
    runs = " and ".join(side.run.path.name for side in sides)
    return LintFinding.model_validate(
        {
            "code": code,
            "level": level,
            "checkpoint": None,
            "message": message,
            "fix": f"run {runs} on the same suites and settings, unless this is intended",
            "sample_ids": sample_ids,
        }
    )
