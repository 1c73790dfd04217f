"""Instruction following: does the completion keep the sample's verifiable constraints?"""

from collections.abc import Sequence

from pydantic import JsonValue

from evalharness.completion.state import NON_ANSWERS
from evalharness.constraints import judge_all
from evalharness.records import Metric, Sample, Score
from evalharness.scorers import Item

METRICS = (
    Metric(
        name="instruction.prompt_strict",
        title="follows all constraints",
        description="Every constraint of the sample is kept, taken strictly (IFEval's prompt-level strict accuracy).",
        kind="rate",
        better="higher",
        headline=True,
        needs_end=True,
    ),
    Metric(
        name="instruction.prompt_loose",
        title="follows all constraints, read loosely",
        description="The same, where the first or last line and asterisks may be left out.",
        kind="rate",
        better="higher",
        needs_end=True,
    ),
    Metric(
        name="instruction.instruction_strict",
        title="share of constraints kept",
        description="Share of a sample's constraints that are kept, taken strictly.",
        kind="mean",
        better="higher",
        needs_end=True,
    ),
    Metric(
        name="instruction.instruction_loose",
        title="share of constraints kept, read loosely",
        description="The same, where the first or last line and asterisks may be left out.",
        kind="mean",
        better="higher",
        needs_end=True,
    ),
)


class InstructionFollowing:
    """Checks a sample's constraints, strictly and loosely (IFEval, arXiv:2311.07911).

    A completion that is no answer (empty, an echo, a loop, a continuation, a self-dialogue) follows nothing, though
    a loop may well hold no comma. IFEval has no such rule. On the published GPT-4 responses it changes no verdict.
    """

    name = "instruction"
    version = "3"
    metrics = METRICS

    @property
    def identity(self) -> dict[str, JsonValue]:
        """Nothing but the code decides."""
        return {}

    def score(self, items: Sequence[Item]) -> list[Score]:
        """One score for each item, in order; unscored where the sample has no constraint."""
        return [self._score_one(item) for item in items]

    def _score_one(self, item: Item) -> Score:
        sample, completion = item.sample, item.completion
        head = {"request_id": completion.request_id, "scorer": self.name, "version": self.version}
        if not sample.constraints:
            return Score(**head, status="unscored", explanation="the sample has no constraint")
        state = item.state
        if state.name in NON_ANSWERS and not _asks_for_the_prompt(sample):
            values = dict.fromkeys((metric.name.partition(".")[2] for metric in METRICS), 0.0)
            return Score(**head, status="scored", label="no_answer", values=values, explanation=state.reason)
        verdicts = judge_all(sample.constraints, completion.text)
        strict, loose = [one.strict for one in verdicts], [one.loose for one in verdicts]
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


def _asks_for_the_prompt(sample: Sample) -> bool:
    """Whether a constraint wants the prompt repeated, which then is no echo."""
    return any(one.kind == "combination:repeat_prompt" for one in sample.constraints)
