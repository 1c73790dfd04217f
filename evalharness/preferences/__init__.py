"""Which side of a pair is preferred: by people, by a judge model, by the reward, all in one form.

A reward prefers the side with the larger value. People and judges state their preference (`Preference` records).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from evalharness.records import Completion, Failure, GenerationRequest, Metric, Preference, Sample
from evalharness.store import Run

Source = Literal["reward", "judge", "human"]
Preferred = Literal["baseline", "candidate", "tie"]


@dataclass(frozen=True)
class Pair:
    """Two completions of one sample, the baseline's and the candidate's."""

    sample: Sample
    replicate: int
    requests: tuple[GenerationRequest, GenerationRequest]
    """The baseline's, then the candidate's."""
    outcomes: Mapping[str, Completion | Failure] = field(repr=False, compare=False)

    @property
    def baseline(self) -> Completion:
        """The baseline's completion, read on first use."""
        return self._completion(self.requests[0])

    @property
    def candidate(self) -> Completion:
        """The candidate's completion, read on first use."""
        return self._completion(self.requests[1])

    def _completion(self, request: GenerationRequest) -> Completion:
        outcome = self.outcomes[request.id]
        if not isinstance(outcome, Completion):
            raise TypeError(f"request {request.id} gave no completion")
        return outcome

    @property
    def key(self) -> tuple[str, int]:
        """Sample id and replicate."""
        return self.sample.id, self.replicate


@dataclass(frozen=True)
class PairVerdict:
    """A rater's verdict on a pair."""

    pair: Pair
    source: Source
    rater: str
    preferred: Preferred
    margin: float | None = None
    """How much larger the preferred side's reward is; None if the source has no sizes."""
    by_order: tuple[Preferred, ...] = ()


def pairs_of(run: Run, candidate: str | None = None) -> list[Pair]:
    """The pairs with a completion on both sides, in suite order.

    Args:
        candidate: the checkpoint to set against the baseline; the run's candidate by default.
    """
    samples, table, right = run.plan.samples, run.observations, candidate or run.plan.candidate
    both = table.completed(run.plan.baseline) & table.completed(right)
    partners = {(request.sample_id, request.replicate): request for request in run.requests_of(right)}
    return [
        Pair(
            samples[request.sample_id],
            request.replicate,
            (request, partners[request.sample_id, request.replicate]),
            run.outcomes,
        )
        for request in run.requests_of(run.plan.baseline)
        if both[request.replicate, table.position[request.sample_id]]
    ]


def values_of(run: Run, pair: Pair, metric: str) -> tuple[float, float] | None:
    """A metric of both completions, the baseline's first; None where one of them has none."""
    left, right = (
        run.observations.value(request.checkpoint, request.replicate, request.sample_id, metric)
        for request in pair.requests
    )
    return None if left is None or right is None else (left, right)


def verdicts_of(run: Run, source: Source, *, tolerance: float = 0.0, candidate: str | None = None) -> list[PairVerdict]:
    """All verdicts of a source, in suite order, without pairs that it does not judge.

    Args:
        tolerance: rewards that differ by no more than this are a tie.
        candidate: the checkpoint that is set against the baseline; the run's candidate by default.
    """
    pairs = pairs_of(run, candidate)
    if source == "reward":
        reward = reward_of(run)
        return [verdict for pair in pairs for verdict in _by_reward(run, pair, reward, tolerance)] if reward else []
    given: dict[tuple[str, int], list[Preference]] = {}
    for preference in run.preferences:
        if preference.source == source and (preference.baseline, preference.candidate) == (
            run.plan.baseline,
            candidate or run.plan.candidate,
        ):
            given.setdefault((preference.sample_id, preference.replicate), []).append(preference)
    return [_stated(pair, item) for pair in pairs for item in given.get(pair.key, ())]


def reward_of(run: Run) -> Metric | None:
    """The reward metric that expresses preferences: of the first scorer by name that has one; None without any."""
    rewards = (facts.reward for _, facts in sorted(run.facts.items()))
    return next((metric for metric in rewards if metric), None)


def _by_reward(run: Run, pair: Pair, reward: Metric, tolerance: float) -> Iterator[PairVerdict]:
    values = values_of(run, pair, reward.name)
    if values is None:
        return
    left, right = values
    preferred = preferred_by(left, right, tolerance=tolerance)
    yield PairVerdict(pair, "reward", "reward model", preferred, margin=abs(right - left))


def preferred_by(baseline: float, candidate: float, *, tolerance: float = 0.0) -> Preferred:
    """The side with the larger value; a tie if they differ by no more than the tolerance.

    >>> preferred_by(0.5, 1.5), preferred_by(1.0, 1.0), preferred_by(2.0, 1.0, tolerance=1.0)
    ('candidate', 'tie', 'tie')
    """
    if abs(candidate - baseline) <= tolerance:
        return "tie"
    return "candidate" if candidate > baseline else "baseline"


def _stated(pair: Pair, preference: Preference) -> PairVerdict:
    return PairVerdict(pair, preference.source, preference.rater, preference.preferred, by_order=preference.by_order)


def by_rater(verdicts: list[PairVerdict]) -> Mapping[str, list[PairVerdict]]:
    """The verdicts of each rater, raters in the order they first appear."""
    results: dict[str, list[PairVerdict]] = {}
    for verdict in verdicts:
        results.setdefault(verdict.rater, []).append(verdict)
    return results
