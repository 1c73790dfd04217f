"""Instruction following: does the completion keep the sample's verifiable constraints?"""

from collections.abc import Sequence

from evalharness.constraints import check, check_loose
from evalharness.records import Completion, Metric, Sample, Score

METRICS = (
    Metric(
        name="instruction.prompt_strict",
        title="follows all constraints",
        description="Every constraint of the sample is kept, taken strictly (IFEval's prompt-level strict accuracy).",
        kind="rate",
        better="higher",
        headline=True,
    ),
    Metric(
        name="instruction.prompt_loose",
        title="follows all constraints, read loosely",
        description="The same, where the first or last line and asterisks may be left out.",
        kind="rate",
        better="higher",
    ),
    Metric(
        name="instruction.instruction_strict",
        title="share of constraints kept",
        description="Share of a sample's constraints that are kept, taken strictly.",
        kind="mean",
        better="higher",
    ),
    Metric(
        name="instruction.instruction_loose",
        title="share of constraints kept, read loosely",
        description="The same, where the first or last line and asterisks may be left out.",
        kind="mean",
        better="higher",
    ),
)


class InstructionFollowing:
    """Checks a sample's constraints, strictly and loosely (IFEval, arXiv:2311.07911)."""

    name = "instruction"
    version = "1"
    metrics = METRICS

    def score(self, items: Sequence[tuple[Sample, Completion]]) -> list[Score]:
        """One score for each item, in order; unscored where the sample has no constraint."""
        return [self._score_one(sample, completion) for sample, completion in items]

    def _score_one(self, sample: Sample, completion: Completion) -> Score:
        head = {"request_id": completion.request_id, "scorer": self.name, "version": self.version}
        if not sample.constraints:
            return Score(**head, status="unscored", explanation="the sample has no constraint")
        strict = [check(one, completion.text) for one in sample.constraints]
        loose = [check_loose(one, completion.text) for one in sample.constraints]
        broken = [one.kind for one, kept in zip(sample.constraints, strict, strict=True) if not kept]
        return Score(
            **head,
            status="scored",
            label="not followed" if broken else "followed",
            values={
                "prompt_strict": float(not broken),
                "prompt_loose": float(all(loose)),
                "instruction_strict": sum(strict) / len(strict),
                "instruction_loose": sum(loose) / len(loose),
            },
            explanation=f"broken: {', '.join(broken)}" if broken else f"kept all {len(strict)}",
        )
