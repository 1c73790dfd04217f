"""Comparison of rewards, with length control: reward models tend to prefer length.

Each reward model is compared on its own. Between two models, only the agreement on the preferred side is computed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from evalharness.compare.groups import Groups
from evalharness.compare.length_control import control_length
from evalharness.compare.preference_summaries import share_interval, winner
from evalharness.errors import StoreError
from evalharness.observations import Mask, Observations, averaged
from evalharness.records import (
    Interval,
    LengthControl,
    Metric,
    RewardAgreement,
    RewardComparison,
    RewardLength,
    RewardOfState,
    ScorerFacts,
)
from evalharness.statistics import Floats
from evalharness.statistics.agreement import cohens_kappa

TIE_SPREADS = 1e-4
"""Rewards closer than this share of their standard deviation are a tie: the reward of a text varies that much with its
batch."""
SHOWN = 5
LOG1P = np.vectorize(math.log1p, otypes=[np.float64])
"""Numpy's own gives other last digits on other processors."""


@dataclass(frozen=True)
class Side:
    """The completions of a checkpoint as a reward model and the other scorers see them.

    Arrays have the shape (n_samples, n_replicates), NaN where there is nothing.
    """

    checkpoint: str
    reward: Floats
    length: Floats
    """In characters."""
    answers: Floats
    """1 for an answer, a refusal included, and 0 for none; NaN if unclear or unknown."""
    states: Mapping[str, Mask]
    """Which completions are in a state, by its name."""

    @cached_property
    def there(self) -> Mask:
        """Which completions have a reward."""
        return ~np.isnan(self.reward)

    def mean(self, of: Floats) -> Floats:
        """The mean over the replicates that have a reward, shape (n_samples,); NaN without any."""
        return averaged(np.where(self.there, of, np.nan).T)


@dataclass(frozen=True)
class Pairs:
    """The samples that have a reward on both sides, means over replicates, in the order of their ids."""

    ids: tuple[str, ...]
    difference: Floats
    """Candidate minus baseline, shape (n_pairs,)."""
    length: Floats
    """The same of the length in characters."""
    log_length: Floats
    """The same of its logarithm."""
    groups: Groups
    tolerance: float

    @cached_property
    def wins(self) -> Floats:
        """1 where the candidate's reward is larger, 0.5 for a tie, 0 where the baseline's is."""
        return 0.5 + 0.5 * np.sign(np.where(np.abs(self.difference) <= self.tolerance, 0.0, self.difference))

    @cached_property
    def verdicts(self) -> dict[str, str]:
        """The preferred side by sample id."""
        names = {0.0: "baseline", 0.5: "tie", 1.0: "candidate"}
        return {sample_id: names[float(win)] for sample_id, win in zip(self.ids, self.wins, strict=True)}


def rewards_among(scorers: Sequence[ScorerFacts], table: Observations) -> list[Metric]:
    """The rewards among the metrics of those scorers that gave scores, in the order of their names.

    Raises:
        StoreError: the scores of one scorer come from two reward models.
    """
    versions = table.versions
    rewards = [
        scorer.reward
        for scorer in sorted(scorers, key=lambda scorer: scorer.name)
        if scorer.name in versions and scorer.reward
    ]
    for metric in rewards:
        if len(versions[metric.scorer]) > 1:
            raise StoreError(
                f"the {metric.scorer} scores come from several reward models or versions of the scorer "
                f"({', '.join(sorted(versions[metric.scorer]))}), and only rewards of the same model are comparable",
                fix="score all completions with one of them: evalharness score RUN",
            )
    return rewards


def rewards_of(
    table: Observations, baseline: str, candidate: str, scorers: Sequence[ScorerFacts], *, seed: int
) -> list[RewardComparison]:
    """Compare the baseline with one candidate by each reward model that gave both sides a reward.

    Args:
        scorers: which of them give rewards, which labels are states, and which say that there is no answer.
    """
    compared = []
    for metric in rewards_among(scorers, table):
        sides = [_side(table, metric, scorers, name) for name in (baseline, candidate)]
        pairs = _pairs(table, sides)
        if pairs.ids:
            compared.append(_compared(metric.scorer, table, pairs, sides, seed))
    return compared


def reward_agreement(
    table: Observations, baseline: str, candidate: str, scorers: Sequence[ScorerFacts], *, seed: int
) -> list[RewardAgreement]:
    """How often each two reward models prefer the same side of the pairs that both judged."""
    verdicts: dict[str, dict[str, str]] = {}
    groups = dict(zip(table.sample_ids, table.groups.tolist(), strict=True))
    metrics = rewards_among(scorers, table)
    for metric in metrics if len(metrics) > 1 else ():
        sides = [_side(table, metric, (), name) for name in (baseline, candidate)]
        verdicts[metric.scorer] = _pairs(table, sides).verdicts
    agreements = [_agreement(left, right, verdicts, groups, seed) for left, right in combinations(verdicts, 2)]
    return [agreement for agreement in agreements if agreement is not None]


def _agreement(
    left: str, right: str, verdicts: Mapping[str, dict[str, str]], groups: Mapping[str, int], seed: int
) -> RewardAgreement | None:
    shared = [sample for sample in verdicts[left] if sample in verdicts[right]]
    if not shared:
        return None
    kappa = cohens_kappa(
        [verdicts[left][sample] for sample in shared],
        [verdicts[right][sample] for sample in shared],
        groups=[groups[sample] for sample in shared],
        seed=seed,
    )
    ends = None if kappa.low is None or kappa.high is None else Interval(low=kappa.low, high=kappa.high)
    return RewardAgreement(
        scorers=(left, right), n_pairs=len(shared), same=kappa.agreed, kappa=kappa.value, interval=ends
    )


# ----------------------------------------------------------------------------------------------- parts


def _side(table: Observations, metric: Metric, scorers: Sequence[ScorerFacts], checkpoint: str) -> Side:
    place, completed = table.place[checkpoint], table.completed(checkpoint).T
    answers, states = np.full(completed.shape, np.nan), dict[str, Mask]()
    for chart in ("expected", "states"):
        facts = next((scorer for scorer in scorers if scorer.chart == chart and scorer.name in table.labels), None)
        if facts is None:
            continue
        for label in facts.labels[::-1]:
            here = table.labels[facts.name].are(label.name)[place].T & completed
            if chart == "states":
                states[label.name] = here
            elif label.name != "unclear":
                answers[here] = label.answers
    reward = np.where(completed, table.cells(checkpoint, metric.name).T, np.nan)
    return Side(checkpoint, reward, np.where(completed, table.lengths[place].T, np.nan), answers, states)


def _pairs(table: Observations, sides: Sequence[Side]) -> Pairs:
    left, right = sides
    both = np.flatnonzero(left.there.any(axis=1) & right.there.any(axis=1)).tolist()
    places = sorted(both, key=table.sample_ids.__getitem__)
    reward, length = (
        right.mean(right.reward) - left.mean(left.reward),
        right.mean(right.length) - left.mean(left.length),
    )
    log_length = right.mean(LOG1P(right.length)) - left.mean(LOG1P(left.length))
    ids = tuple(table.sample_ids[place] for place in places)
    _, spread = _centre_and_spread(sides)
    groups = table.groups[places]
    return Pairs(ids, reward[places], length[places], log_length[places], groups, TIE_SPREADS * spread)


def _compared(scorer: str, table: Observations, pairs: Pairs, sides: Sequence[Side], seed: int) -> RewardComparison:
    controlled = control_length(
        pairs.difference, pairs.wins, pairs.length, pairs.groups, log_length=pairs.log_length, seed=seed
    )
    one_answer, contradicting = _contradictions(table, sides, pairs.tolerance)
    centre, spread = _centre_and_spread(sides)
    win_rate_interval = share_interval(pairs.wins, pairs.groups)
    return RewardComparison(
        scorer=scorer,
        version=table.versions[scorer][0],
        n_pairs=len(pairs.ids),
        n_groups=np.unique(pairs.groups).size,
        wins=int((pairs.wins == 1).sum()),
        ties=int((pairs.wins == 0.5).sum()),
        losses=int((pairs.wins == 0).sum()),
        tie_tolerance=pairs.tolerance,
        win_rate=float(pairs.wins.mean()),
        win_rate_interval=win_rate_interval,
        win_verdict=winner(win_rate_interval),
        length_difference=float(pairs.length.mean()),
        length_control=controlled if isinstance(controlled, LengthControl) else None,
        no_length_control=controlled if isinstance(controlled, str) else "",
        lengths=tuple(map(_length, sides)),
        states=tuple(row for side in sides for row in _by_state(side)),
        n_one_answer=one_answer,
        n_contradicting=len(contradicting),
        contradicting=tuple(dict.fromkeys(contradicting))[:SHOWN],
        centre=centre,
        spread=spread,
    )


def _centre_and_spread(sides: Sequence[Side]) -> tuple[float, float]:
    rewards = np.concatenate([side.reward[side.there] for side in sides])
    return (float(np.mean(rewards)), float(np.std(rewards))) if rewards.size else (0.0, 0.0)


def _by_state(side: Side) -> Iterator[RewardOfState]:
    for state, here in side.states.items():
        rewards = side.reward[here & side.there]
        if here.any():
            yield RewardOfState(
                checkpoint=side.checkpoint,
                state=state,
                n=int(here.sum()),
                n_rewarded=rewards.size,
                mean=float(np.mean(rewards)) if rewards.size else None,
            )


def _contradictions(table: Observations, sides: Sequence[Side], tolerance: float) -> tuple[int, list[str]]:
    """Number of pairs of an answer and a non-answer, and the samples whose non-answer has the larger reward."""
    left, right = sides
    # How much larger the reward of the non-answer is; NaN unless exactly one of the two is an answer.
    leads = (right.reward - left.reward) * (left.answers - right.answers)
    leads[left.answers == right.answers] = np.nan
    cells = np.argwhere(leads > tolerance).tolist()
    larger = sorted((-float(leads[sample, replicate]), table.sample_ids[sample]) for sample, replicate in cells)
    return int((~np.isnan(leads)).sum()), [sample_id for _, sample_id in larger]


# ---------------------------------------------------------------------------------------- correlations


def _length(side: Side) -> RewardLength:
    rewards, lengths = side.reward[side.there], side.length[side.there]
    return RewardLength(
        checkpoint=side.checkpoint,
        n=rewards.size,
        pearson=_correlation(rewards, lengths),
        spearman=_correlation(_ranks(rewards), _ranks(lengths)),
    )


def _correlation(left: Floats, right: Floats) -> float | None:
    if left.size < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(np.clip(np.corrcoef(left, right)[0, 1], -1, 1))


def _ranks(numbers: Floats) -> Floats:
    """Each number's rank; equal numbers share the mean of theirs."""
    _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[places]
    return ranks
