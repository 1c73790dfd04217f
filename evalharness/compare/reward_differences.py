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
from evalharness.observations import Observations
from evalharness.records import (
    Interval,
    Label,
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


@dataclass(frozen=True)
class Rewarded:
    """A completion with the values needed here."""

    sample_id: str
    replicate: int
    reward: float | None
    state: Label | None
    answers: bool | None
    """Whether it is an answer, a refusal included; None if unclear or unknown."""
    length: int
    """In characters."""


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
    telling = next((scorer for scorer in scorers if scorer.chart == "states"), None)
    labels = telling.labels[::-1] if telling else ()
    for metric in rewards_among(scorers, table):
        sides = [_side(table, metric, scorers, name) for name in (baseline, candidate)]
        pairs = _pairs(table, sides)
        if pairs.ids:
            version = table.versions[metric.scorer][0]
            compared.append(_compared(metric.scorer, version, pairs, sides, (baseline, candidate), labels, seed))
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


def _side(table: Observations, metric: Metric, scorers: Sequence[ScorerFacts], checkpoint: str) -> list[Rewarded]:
    """The completions of a checkpoint, sample by sample, with what the scorers say of them."""
    rewards = table.cells(checkpoint, metric.name)
    states, answers = (_labels_in(table, scorers, chart, checkpoint) for chart in ("states", "expected"))
    return [
        Rewarded(
            table.sample_ids[sample],
            replicate,
            None if math.isnan(reward := float(rewards[replicate, sample])) else reward,
            states.get((replicate, sample)),
            label.answers if (label := answers.get((replicate, sample))) and label.name != "unclear" else None,
            int(table.lengths[table.place[checkpoint], replicate, sample]),
        )
        for sample, replicate in np.argwhere(table.completed(checkpoint).T).tolist()
    ]


def _labels_in(
    table: Observations, scorers: Sequence[ScorerFacts], chart: str, checkpoint: str
) -> dict[tuple[int, int], Label]:
    """The labels of the first scorer with such a chart, by replicate and sample."""
    facts = next((scorer for scorer in scorers if scorer.chart == chart and scorer.name in table.labels), None)
    if facts is None:
        return {}
    known, labels = {label.name: label for label in facts.labels}, table.labels[facts.name]
    codes = labels.codes[table.place[checkpoint]]
    named = {
        (replicate, sample): labels.names[codes[replicate, sample]]
        for replicate, sample in np.argwhere(codes >= 0).tolist()
    }
    return {cell: known[name] for cell, name in named.items() if name in known}


def _pairs(table: Observations, sides: Sequence[Sequence[Rewarded]]) -> Pairs:
    left, right = (_by_sample(side) for side in sides)
    ids = tuple(sorted(left.keys() & right.keys()))
    both = np.array([[*left[sample_id], *right[sample_id]] for sample_id in ids]).reshape(-1, 6)
    _, spread = _centre_and_spread(sides)
    return Pairs(
        ids,
        both[:, 3] - both[:, 0],
        both[:, 4] - both[:, 1],
        both[:, 5] - both[:, 2],
        table.groups[[table.position[sample_id] for sample_id in ids]],
        TIE_SPREADS * spread,
    )


def _by_sample(side: Sequence[Rewarded]) -> dict[str, tuple[float, float, float]]:
    """Mean reward, mean length and its mean logarithm of the completions that have a reward."""
    by_sample: dict[str, list[tuple[float, int]]] = {}
    for completion in side:
        if completion.reward is not None:
            by_sample.setdefault(completion.sample_id, []).append((completion.reward, completion.length))
    return {
        sample: (
            math.fsum(reward for reward, _ in known) / len(known),
            sum(size for _, size in known) / len(known),
            math.fsum(math.log1p(size) for _, size in known) / len(known),
        )
        for sample, known in by_sample.items()
    }


def _compared(
    scorer: str,
    version: str,
    pairs: Pairs,
    sides: Sequence[Sequence[Rewarded]],
    names: tuple[str, str],
    labels: Sequence[Label],
    seed: int,
) -> RewardComparison:
    controlled = control_length(
        pairs.difference, pairs.wins, pairs.length, pairs.groups, log_length=pairs.log_length, seed=seed
    )
    one_answer, contradicting = _contradictions(sides[0], sides[1], pairs.tolerance)
    centre, spread = _centre_and_spread(sides)
    win_rate_interval = share_interval(pairs.wins, pairs.groups)
    return RewardComparison(
        scorer=scorer,
        version=version,
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
        lengths=tuple(_length(name, side) for name, side in zip(names, sides, strict=True)),
        states=tuple(row for name, side in zip(names, sides, strict=True) for row in _by_state(name, side, labels)),
        n_one_answer=one_answer,
        n_contradicting=len(contradicting),
        contradicting=tuple(dict.fromkeys(contradicting))[:SHOWN],
        centre=centre,
        spread=spread,
    )


def _centre_and_spread(sides: Sequence[Sequence[Rewarded]]) -> tuple[float, float]:
    rewards = [completion.reward for side in sides for completion in side if completion.reward is not None]
    return (float(np.mean(rewards)), float(np.std(rewards))) if rewards else (0.0, 0.0)


def _by_state(checkpoint: str, side: Sequence[Rewarded], labels: Sequence[Label]) -> Iterator[RewardOfState]:
    for state in labels:
        there = [completion for completion in side if completion.state == state]
        rewards = [completion.reward for completion in there if completion.reward is not None]
        if there:
            yield RewardOfState(
                checkpoint=checkpoint,
                state=state.name,
                n=len(there),
                n_rewarded=len(rewards),
                mean=float(np.mean(rewards)) if rewards else None,
            )


def _contradictions(
    baseline: Sequence[Rewarded], candidate: Sequence[Rewarded], tolerance: float
) -> tuple[int, list[str]]:
    """Number of pairs of an answer and a non-answer, and the samples whose non-answer has the larger reward."""
    partners = {(completion.sample_id, completion.replicate): completion for completion in candidate}
    leads, n_pairs = [], 0
    for left in baseline:
        lead = _lead_of_the_non_answer(left, partners.get((left.sample_id, left.replicate)))
        if lead is not None:
            n_pairs += 1
            leads += [(-lead, left.sample_id)] if lead > tolerance else []
    return n_pairs, [sample for _, sample in sorted(leads)]


def _lead_of_the_non_answer(left: Rewarded, right: Rewarded | None) -> float | None:
    """How much larger the non-answer's reward is; None unless exactly one of the two is an answer."""
    if right is None or left.reward is None or right.reward is None or left.answers is None or right.answers is None:
        return None
    if left.answers == right.answers:
        return None
    return (right.reward - left.reward) * (1 if left.answers else -1)


# ---------------------------------------------------------------------------------------- correlations


def _length(checkpoint: str, side: Sequence[Rewarded]) -> RewardLength:
    known = [(completion.reward, completion.length) for completion in side if completion.reward is not None]
    rewards, lengths = np.array(known, dtype=np.float64).reshape(-1, 2).T
    return RewardLength(
        checkpoint=checkpoint,
        n=len(known),
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
