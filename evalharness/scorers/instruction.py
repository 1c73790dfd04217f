"""Instruction following: does the completion keep the sample's verifiable constraints?"""

from evalharness.completion.state import NON_ANSWERS
from evalharness.constraints import judge_all
from evalharness.records import Label, Metric, NamedChange, Sample, Score, ScorerFacts
from evalharness.scorers import Item, Scorer

METRICS = (
    Metric(
        name="instruction.prompt_strict",
        title="follows all constraints",
        description="Every constraint of the sample is followed, read strictly (IFEval's prompt-level strict "
        "accuracy).",
        kind="rate",
        better="higher",
        headline=True,
        needs_end=True,
        needs_constraints=True,
        changes=(NamedChange(verdict="lower", name="follows fewer instructions"),),
        flips="followed all instructions",
    ),
    Metric(
        name="instruction.prompt_loose",
        title="follows all constraints, read loosely",
        description="The same, ignoring the first or last line and asterisks.",
        kind="rate",
        better="higher",
        needs_end=True,
        needs_constraints=True,
    ),
    Metric(
        name="instruction.instruction_strict",
        title="share of constraints followed",
        description="Share of a sample's constraints that are followed, read strictly.",
        kind="mean",
        better="higher",
        needs_end=True,
        needs_constraints=True,
    ),
    Metric(
        name="instruction.instruction_loose",
        title="share of constraints followed, read loosely",
        description="The same, ignoring the first or last line and asterisks.",
        kind="mean",
        better="higher",
        needs_end=True,
        needs_constraints=True,
    ),
)


FACTS = ScorerFacts(
    name="instruction",
    metrics=METRICS,
    labels=(
        Label(name="followed", title="instructions followed"),
        Label(name="not followed", title="instructions not followed"),
        Label(name="no_answer", title="no answer", answers=False),
    ),
    unscored="samples without a constraint",
)


class InstructionFollowing(Scorer):
    """Checks a sample's constraints, strictly and loosely (IFEval, arXiv:2311.07911).

    A completion that is no answer (empty, an echo, a loop, a continuation, a self-dialogue) follows nothing, though
    a loop may well hold no comma. IFEval has no such rule. On the published GPT-4 responses it changes no verdict.
    """

    facts = FACTS
    version = "3"

    def score_item(self, item: Item) -> Score:
        """How many constraints are kept; unscored where the sample has none."""
        sample, completion = item.sample, item.completion
        if not sample.constraints:
            return self.unscored(item, "the sample has no constraint")
        state = item.state
        if state.name in NON_ANSWERS and not _asks_for_the_prompt(sample):
            values = dict.fromkeys((metric.value for metric in METRICS), 0.0)
            return self.scored(item, values, label="no_answer", explanation=state.reason)
        verdicts = judge_all(sample.constraints, completion.text)
        strict, loose = [verdict.strict for verdict in verdicts], [verdict.loose for verdict in verdicts]
        broken = [constraint.kind for constraint, kept in zip(sample.constraints, strict, strict=True) if not kept]
        values = {
            "prompt_strict": float(not broken),
            "prompt_loose": float(all(loose)),
            "instruction_strict": sum(strict) / len(strict),
            "instruction_loose": sum(loose) / len(loose),
        }
        return self.scored(
            item,
            values,
            label="not followed" if broken else "followed",
            explanation=f"broken: {', '.join(broken)}" if broken else f"kept all {len(strict)}",
        )


def _asks_for_the_prompt(sample: Sample) -> bool:
    """Whether a constraint wants the prompt repeated, which then is no echo."""
    return any(constraint.kind == "combination:repeat_prompt" for constraint in sample.constraints)
