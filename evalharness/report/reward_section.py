"""Results of the reward models, with their known weaknesses: length, non-answers, and disagreement between models."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from evalharness.formatting import format_interval, format_number, format_share, format_share_interval
from evalharness.records import Comparison, LengthControl, RewardAgreement, RewardComparison, ScorerFacts
from evalharness.report.view import View
from evalharness.store import Run

SHOWN_CONTRADICTIONS = 5


def make_rewards(run: Run, comparison: Comparison, links: Mapping[str, str]) -> tuple[View, ...]:
    """The facts of each reward model."""
    models = {scorer.name: _model(scorer.identity) for scorer in run.scorers}
    telling = next((facts for facts in run.facts.values() if facts.chart == "states"), None)
    return tuple(
        _facts(reward, models.get(reward.scorer, ""), comparison, links, telling) for reward in comparison.rewards
    )


def _model(identity: Mapping[str, JsonValue]) -> str:
    return ": ".join(str(identity[key]) for key in ("model", "note") if key in identity)


def _facts(
    reward: RewardComparison, model: str, comparison: Comparison, links: Mapping[str, str], telling: ScorerFacts | None
) -> View:
    known = [(sample_id, links[sample_id]) for sample_id in reward.contradicting if sample_id in links]
    return View(
        scorer=reward.scorer,
        version=reward.version,
        model=model,
        sentences=tuple(_sentences(reward, comparison)),
        contradicting=tuple(known[:SHOWN_CONTRADICTIONS]),
        states=tuple(
            (
                state.checkpoint,
                telling.title_of(state.state) if telling else state.state,
                state.n,
                state.n_rewarded,
                "–" if state.mean is None else format_number(state.mean),
            )
            for state in reward.states
        ),
    )


def _sentences(reward: RewardComparison, comparison: Comparison) -> Iterator[str]:
    share, between = format_share(reward.win_rate), format_share_interval(reward.win_rate_interval)
    yield (
        f"{comparison.candidate} has the larger reward in {reward.wins:,} of {reward.n_pairs:,} pairs, "
        f"{comparison.baseline} in {reward.losses:,}; {reward.ties:,} are ties."
    )
    wins = f"{comparison.candidate} wins {share} of the pairs (95 % interval {between})"
    yield f"Counting a tie as half a win, {wins}: {_ahead(reward, comparison)}."
    more = "longer" if reward.length_difference >= 0 else "shorter"
    yield f"Its completions are {format_number(abs(reward.length_difference))} characters {more} on average."
    yield (
        _at_equal_length(reward.length_control)
        if reward.length_control
        else f"No length-controlled figure: {reward.no_length_control}"
    )
    if reward.n_one_answer:
        yield (
            f"In {reward.n_contradicting:,} of {reward.n_one_answer:,} pairs of an answer and a non-answer, the "
            "non-answer has the larger reward."
        )
    for side in reward.lengths:
        if side.spearman is not None:
            yield (
                f"For {side.checkpoint}, the rank correlation of reward and length is {side.spearman:.2f} (0: "
                "unrelated; 1: the longer, the larger; -1: the longer, the smaller)."
            )


def _ahead(reward: RewardComparison, comparison: Comparison) -> str:
    names = {"candidate": f"{comparison.candidate} wins more", "baseline": f"{comparison.baseline} wins more"}
    return names.get(reward.win_verdict, "undecided")


def _at_equal_length(control: LengthControl) -> str:
    difference = format_number(control.difference, signed=True)
    share, between = format_share(control.win_rate), format_share_interval(control.win_rate_interval)
    said = (
        f"At equal length, a regression predicts a reward difference of {difference} (95 % interval "
        f"{format_interval(control.interval)}) and a win rate of {share} (95 % interval {between})."
    )
    return f"{said} {control.note}".rstrip()


def agreement_in_words(agreements: Sequence[RewardAgreement]) -> tuple[str, ...]:
    """How often each two reward models prefer the same side."""
    return tuple(
        f"{' and '.join(agreement.scorers)} agree on {format_share(agreement.same)} of {agreement.n_pairs:,} pairs"
        + (
            "."
            if agreement.kappa is None
            else f", kappa {agreement.kappa:.2f} ({format_interval(agreement.interval)})."
        )
        for agreement in agreements
    )
