"""Combines all verdicts on a pair, for training data and tools that need one row per pair."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from evalharness.errors import SharingError
from evalharness.preferences import Pair, PairVerdict, Preferred, Source, reward_of, verdicts_of
from evalharness.store import Run

FIXES = {
    "reward": "score the run with a scorer that gives rewards: evalharness list scorers",
    "judge": "ask a judge: evalharness judge RUN --model MODEL",
    "human": "rate in the report and import the ratings: evalharness rate import RUN FILE",
}
SIGN: dict[Preferred, int] = {"candidate": 1, "tie": 0, "baseline": -1}


@dataclass(frozen=True)
class Vote:
    """The verdicts on one pair, taken together."""

    pair: Pair
    source: Source
    raters: tuple[str, ...]
    lead: float
    """Positive for the candidate. Of a reward, the difference; else the mean of the verdicts, each -1, 0 or 1."""

    @property
    def preferred(self) -> Preferred:
        """The side that leads."""
        return "tie" if self.lead == 0 else "candidate" if self.lead > 0 else "baseline"


def votes_of(run: Run, source: Source) -> list[Vote]:
    """A vote for each pair with a verdict of this source, in suite order.

    Raises:
        SharingError: the source has no verdicts.
    """
    votes = list(_grouped(verdicts_of(run, source, tolerance=_tolerance(run))))
    if not votes:
        raise SharingError(
            f"{run.path} has no preferences by {source}", fix=FIXES[source].replace("RUN", str(run.path))
        )
    return votes


def _tolerance(run: Run) -> float:
    """The largest reward difference that counts as a tie, as in the comparison."""
    compared, reward = run.comparison.rewards if run.comparison else (), reward_of(run)
    return next(
        (
            reward_comparison.tie_tolerance
            for reward_comparison in compared
            if reward and reward_comparison.scorer == reward.scorer
        ),
        0.0,
    )


def _grouped(verdicts: Sequence[PairVerdict]) -> Iterator[Vote]:
    for _, given in groupby(verdicts, key=lambda verdict: verdict.pair.key):
        same = tuple(given)
        raters = tuple(dict.fromkeys(verdict.rater for verdict in same))
        yield Vote(same[0].pair, same[0].source, raters, sum(map(_lead, same)) / len(same))


def _lead(verdict: PairVerdict) -> float:
    if verdict.margin is not None:
        return verdict.margin * SIGN[verdict.preferred]
    # A judge that prefers a side in one order only is half sure of it.
    given = verdict.by_order or (verdict.preferred,)
    return sum(SIGN[preferred] for preferred in given) / len(given)
