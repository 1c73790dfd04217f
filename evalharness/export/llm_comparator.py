"""JSON for LLM Comparator, which shows two models side by side (https://github.com/PAIR-code/llm-comparator).

Its model A is our candidate and its model B our baseline, because its scores are positive if A is better. It expects
scores between -1.5 and 1.5.
"""

import json
import statistics
from collections.abc import Mapping, Sequence

from evalharness.export import Choices, Exported
from evalharness.export.votes import Vote, sign, votes_of
from evalharness.preferences import Pair, PairVerdict, Preferred, pairs_of
from evalharness.store import Run

LARGEST = 1.5
LABELS = {"candidate": "A is better", "baseline": "B is better", "tie": "same"}
Json = Mapping[str, object]


def to_llm_comparator(run: Run, choices: Choices) -> Exported:
    """All pairs with both completions; the score is null if the source has no verdict on a pair.

    People's and judges' verdicts are scaled to the range; a reward difference is divided by the standard deviation of
    all differences and clipped to the range. The rewards themselves are in the custom fields.

    Raises:
        SharingError: the source has no verdict on any pair.
    """
    votes = {vote.pair.key: vote for vote in votes_of(run, choices.source)}
    pairs, scale = pairs_of(run), _scale(list(votes.values()))
    fields = _Fields(run)
    found = {
        "metadata": {
            "source_path": f"evalharness {run.path.name}, preferences by {choices.source}",
            "custom_fields_schema": fields.schema,
        },
        "models": [{"name": run.plan.candidate}, {"name": run.plan.baseline}],
        "examples": [
            _example(number, pair, votes.get(pair.key), scale, fields.of(pair)) for number, pair in enumerate(pairs)
        ],
    }
    text = json.dumps(found, ensure_ascii=False, allow_nan=False, indent=1)
    without = len(pairs) - len(votes)
    note = f"{len(pairs)} pairs" + (f", {without} of them without a verdict by {choices.source}" if without else "")
    return Exported(text.encode("utf-8", "backslashreplace"), note)


def _scale(votes: Sequence[Vote]) -> float:
    """What one unit of a lead is worth on the range."""
    if votes[0].source != "reward":
        return LARGEST
    spread = statistics.pstdev([vote.lead for vote in votes]) or abs(votes[0].lead)
    return 1 / spread if spread else 1.0


def _score(lead: float, scale: float) -> float:
    return max(-LARGEST, min(LARGEST, lead * scale))


def _example(number: int, pair: Pair, vote: Vote | None, scale: float, fields: Json) -> Json:
    verdicts = vote.verdicts if vote else ()
    ratings = [rating for verdict in verdicts for rating in _ratings(verdict)]
    return {
        "index": number,
        "input_text": pair.sample.prompt,
        "tags": [pair.sample.category],
        "output_text_a": pair.candidate.text,
        "output_text_b": pair.baseline.text,
        "score": _score(vote.lead, scale) if vote else None,
        "individual_rater_scores": [{"index": index} | dict(rating) for index, rating in enumerate(ratings)],
        "rationale_list": [],
        "custom_fields": fields,
    }


def _ratings(verdict: PairVerdict) -> list[Json]:
    """One entry per rating; a judge rates once with B first and once with A first."""
    if verdict.source == "reward":
        return []
    given = verdict.by_order or (verdict.preferred,)
    return [_rating(one, verdict, order == 0 if verdict.by_order else None) for order, one in enumerate(given)]


def _rating(preferred: Preferred, verdict: PairVerdict, is_flipped: bool | None) -> Json:
    return {
        "score": LARGEST * sign(preferred),
        "rating_label": "both bad" if verdict.both_bad else LABELS[preferred],
        "is_flipped": is_flipped,
        "rationale": verdict.explanation or None,
        "custom_fields": {"rater": verdict.rater},
    }


class _Fields:
    """Further facts of a pair: its sample, and each side's labels and values."""

    def __init__(self, run: Run) -> None:
        self.table = run.observations
        compared = run.compared
        self.metrics = [metric.name for metric in compared.metrics]
        self.scorers = [name for name, labels in run.observations.labels.items() if labels.names]
        self.schema = [
            {"name": "sample_id", "type": "string"},
            {"name": "expected", "type": "category"},
            {"name": "cut by the token limit", "type": "per_model_boolean"},
            *({"name": f"{scorer}.label", "type": "per_model_category"} for scorer in self.scorers),
            *({"name": name, "type": "per_model_number"} for name in self.metrics),
        ]

    def of(self, pair: Pair) -> Json:
        """The custom fields of one pair; lists hold A's value, then B's."""
        sides = [(one.checkpoint, one.replicate, one.sample_id) for one in pair.requests[::-1]]
        completions = (pair.candidate, pair.baseline)
        return {
            "sample_id": pair.sample.id,
            "expected": pair.sample.expected,
            "cut by the token limit": [one.finish_reason == "length" for one in completions],
            **{f"{scorer}.label": [self.table.label(*side, scorer) for side in sides] for scorer in self.scorers},
            **{name: [self.table.value(*side, name) for side in sides] for name in self.metrics},
        }
