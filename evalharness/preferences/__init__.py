"""Which side of a pair is preferred: by people, by a judge model, by the reward, all in one form.

A reward prefers the side that it gives the larger value. People and judges said so themselves (`Preference` records).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from evalharness.records import Completion, GenerationRequest, Metric, Preference, Sample
from evalharness.store import Run

Source = Literal["reward", "judge", "human"]
Preferred = Literal["baseline", "candidate", "tie"]
SOURCES: tuple[Source, ...] = ("reward", "judge", "human")


@dataclass(frozen=True)
class Pair:
    """Two completions of one sample, the baseline's and the candidate's."""

    sample: Sample
    replicate: int
    baseline: Completion
    candidate: Completion
    requests: tuple[GenerationRequest, GenerationRequest]
    """The baseline's, then the candidate's."""

    @property
    def key(self) -> tuple[str, int]:
        """Sample id and replicate."""
        return self.sample.id, self.replicate


@dataclass(frozen=True)
class PairVerdict:
    """What one rater makes of one pair."""

    pair: Pair
    source: Source
    rater: str
    preferred: Preferred
    margin: float | None = None
    """How much larger the preferred side's reward is; None where the source knows no size."""
    both_bad: bool = False
    explanation: str = ""
    by_order: tuple[Preferred, ...] = ()


def pairs_of(run: Run, candidate: str | None = None) -> list[Pair]:
    """The pairs of which both sides have a completion, in suite order.

    Args:
        run: a run.
        candidate: the checkpoint to set against the baseline; the run's candidate by default.
    """
    samples, right = run.plan.samples, candidate or run.plan.candidate
    partners = {(one.sample_id, one.replicate): one for one in run.requests_of(right)}
    found = []
    for request in run.requests_of(run.plan.baseline):
        partner = partners.get((request.sample_id, request.replicate))
        left = run.outcomes.get(request.id)
        other = None if partner is None else run.outcomes.get(partner.id)
        if partner is not None and isinstance(left, Completion) and isinstance(other, Completion):
            found.append(Pair(samples[request.sample_id], request.replicate, left, other, (request, partner)))
    return found


def value_of(run: Run, request_id: str, scorer: str, name: str) -> float | None:
    """One value of one completion; None where the scorer gave none."""
    values = (one.values.get(name) for one in run.scores_of(request_id) if one.scorer == scorer)
    return next((value for value in values if value is not None), None)


def verdicts_of(run: Run, source: Source, *, tolerance: float = 0.0, candidate: str | None = None) -> list[PairVerdict]:
    """All verdicts of one source, in suite order; pairs that it does not judge are left out.

    Args:
        run: a run.
        source: who judged.
        tolerance: rewards that are no further apart than this are a tie.
        candidate: the checkpoint that is set against the baseline; the run's candidate by default.
    """
    pairs = pairs_of(run, candidate)
    if source == "reward":
        reward = reward_of(run)
        return [verdict for pair in pairs for verdict in _by_reward(run, pair, reward, tolerance)] if reward else []
    given: dict[tuple[str, int], list[Preference]] = {}
    for one in run.preferences:
        if one.source == source and (one.baseline, one.candidate) == (
            run.plan.baseline,
            candidate or run.plan.candidate,
        ):
            given.setdefault((one.sample_id, one.replicate), []).append(one)
    return [_stated(pair, one) for pair in pairs for one in given.get(pair.key, ())]


def reward_of(run: Run) -> Metric | None:
    """The reward that prefers a side: that of the first scorer by name that gives one; None without any."""
    rewards = (facts.reward for _, facts in sorted(run.facts.items()))
    return next((metric for metric in rewards if metric), None)


def _by_reward(run: Run, pair: Pair, reward: Metric, tolerance: float) -> Iterator[PairVerdict]:
    left, right = (value_of(run, request.id, reward.scorer, reward.value) for request in pair.requests)
    if left is None or right is None:
        return
    preferred = preferred_by(left, right, tolerance=tolerance)
    yield PairVerdict(pair, "reward", "reward model", preferred, margin=abs(right - left))


def preferred_by(baseline: float, candidate: float, *, tolerance: float = 0.0) -> Preferred:
    """The side with the larger value; a tie where they are no further apart than the tolerance.

    >>> preferred_by(0.5, 1.5), preferred_by(1.0, 1.0), preferred_by(2.0, 1.0, tolerance=1.0)
    ('candidate', 'tie', 'tie')
    """
    if abs(candidate - baseline) <= tolerance:
        return "tie"
    return "candidate" if candidate > baseline else "baseline"


def _stated(pair: Pair, one: Preference) -> PairVerdict:
    return PairVerdict(
        pair,
        one.source,
        one.rater,
        one.preferred,
        both_bad=one.both_bad,
        explanation=one.explanation,
        by_order=one.by_order,
    )


def by_rater(verdicts: list[PairVerdict]) -> Mapping[str, list[PairVerdict]]:
    """The verdicts of each rater, raters in the order they first appear."""
    found: dict[str, list[PairVerdict]] = {}
    for one in verdicts:
        found.setdefault(one.rater, []).append(one)
    return found
