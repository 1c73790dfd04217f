"""Preferences of people and judges, people's agreement with other raters, and how each judge was asked."""

from collections.abc import Iterator, Mapping, Sequence

from evalharness.formatting import format_share, format_share_interval
from evalharness.preferences import (
    Pair,
    PairVerdict,
    Preferred,
    by_rater,
    pairs_of,
    preferred_by,
    values_of,
    verdicts_of,
)
from evalharness.records import Comparison, Judging, Metric, PreferenceSummary
from evalharness.report.charts.labels import Part, draw_bar
from evalharness.report.hidden_characters import marked
from evalharness.report.view import View, typeset
from evalharness.report.words import format_in_words
from evalharness.statistics.agreement import cohens_kappa
from evalharness.store import Run

KINDS = {"human": "a person", "judge": "a judge model"}
SHOWN_FAILURES = 5
LONGEST_PROMPT = 8_000
"""Characters of a judge's prompt that are printed."""


def make_preferences(run: Run, comparison: Comparison, links: Mapping[str, str]) -> View | None:
    """The preferences of a run; None if there are none."""
    if not comparison.preferences and not run.judgings:
        return None
    return View(
        rows=tuple(_row(preference, comparison) for preference in comparison.preferences),
        agreements=make_agreements(run, comparison),
        judges=tuple(_judge(judging, links) for judging in run.judgings),
    )


def _row(summary: PreferenceSummary, comparison: Comparison) -> View:
    parts = (
        Part("prefers-baseline", f"prefers {comparison.baseline}", summary.baseline),
        Part("prefers-tie", "tie", summary.ties - summary.both_bad),
        Part("prefers-neither", "both bad", summary.both_bad),
        Part("prefers-candidate", f"prefers {comparison.candidate}", summary.candidate),
    )
    names = {"candidate": comparison.candidate, "baseline": comparison.baseline}
    return View(
        rater=summary.rater,
        kind=KINDS[summary.source],
        n=summary.n,
        drawing=draw_bar(parts),
        share="–" if summary.candidate_share is None else typeset(format_share(summary.candidate_share)),
        interval=typeset(format_share_interval(summary.interval)) if summary.interval else "",
        ahead=f"{names[summary.verdict]} is preferred" if summary.verdict in names else "undecided",
        notes=_notes(summary),
    )


def _notes(summary: PreferenceSummary) -> str:
    failed = f"{summary.n_failed:,} without a verdict" if summary.n_failed else ""
    turned = f"{summary.n_inconsistent:,} changed with the order" if summary.n_inconsistent else ""
    first = "" if summary.first_share is None else f"{format_share(summary.first_share)} for the side shown first"
    decided = ""
    if summary.decided_share is not None and summary.ties:
        between = format_share_interval(summary.decided_interval)
        decided = f"{format_share(summary.decided_share)} ({between}) of the pairs without a tie"
    return ", ".join(note for note in (decided, failed, turned, first) if note)


# -------------------------------------------------------------------------------------------- judgings


def _judge(judging: Judging, links: Mapping[str, str]) -> View:
    failures = judging.failures[:SHOWN_FAILURES]
    cut = len(judging.prompt_text) - LONGEST_PROMPT
    how = "greedy" if judging.generation.temperature == 0 else f"temperature {judging.generation.temperature:g}"
    return View(
        rater=judging.rater,
        model=judging.judge.checkpoint.model,
        prompted=f"{judging.judge.checkpoint.prompt_format}: {format_in_words(judging.judge)}",
        generation=f"{how}, at most {judging.generation.max_tokens:,} tokens, seed {judging.generation.seed}",
        prompt=marked(judging.prompt_text[:LONGEST_PROMPT]) + (f"… ({cut:,} more characters)" if cut > 0 else ""),
        notes=judging.notes,
        failures=tuple((failure.sample_id, links.get(failure.sample_id, ""), failure.reason) for failure in failures),
        more=len(judging.failures) - len(failures),
    )


# ------------------------------------------------------- agreement of people with every other rater of the same pairs
# A scorer prefers the side that is better on more of its headline rates; it has no preference where these balance.

FEWEST_COMMON = 2
"""Pairs that two raters must share before their agreement is a number."""

Opinions = Mapping[tuple[str, int], Preferred]
"""What one rater prefers, by sample id and replicate."""


def make_agreements(run: Run, comparison: Comparison) -> tuple[View, ...]:
    """Every person against every other rater of the same pairs; none where no person rated."""
    people = {name: _opinions(given) for name, given in by_rater(verdicts_of(run, "human")).items()}
    if not people:
        return ()
    others = list(_others(run, comparison))
    agreements = (
        _agreement(run, person, given, name, kind, theirs)
        for person, given in people.items()
        # Each two people stand together once.
        for name, kind, theirs in [
            *others,
            *((name, "a person", opinions) for name, opinions in people.items() if name > person),
        ]
    )
    return tuple(row for row in agreements if row)


def _others(run: Run, comparison: Comparison) -> Iterator[tuple[str, str, Opinions]]:
    for name, given in by_rater(verdicts_of(run, "judge")).items():
        yield name, "a judge model", _opinions(given)
    pairs = pairs_of(run)
    rewards = {reward.scorer: reward.tie_tolerance for reward in comparison.rewards}
    for scorer, tolerance in rewards.items():
        reward = run.facts_of(scorer).reward
        if reward:
            yield scorer, "a reward model", _by_metrics(run, pairs, [reward], tolerance)
    for scorer, metrics in _judging_scorers(comparison.metrics).items():
        if scorer not in rewards:
            titles = "; ".join(f"{metric.title}: {metric.better}" for metric in metrics)
            yield scorer, f"a scorer, by {len(metrics)} rates ({titles})", _by_metrics(run, pairs, metrics)


def _judging_scorers(metrics: Sequence[Metric]) -> dict[str, list[Metric]]:
    """The headline rates of each scorer that say which direction is better."""
    results: dict[str, list[Metric]] = {}
    for metric in metrics:
        if metric.headline and metric.kind == "rate" and metric.better:
            results.setdefault(metric.scorer, []).append(metric)
    return results


def _opinions(given: Sequence[PairVerdict]) -> Opinions:
    return {verdict.pair.key: verdict.preferred for verdict in given}


def _by_metrics(run: Run, pairs: Sequence[Pair], metrics: Sequence[Metric], tolerance: float = 0.0) -> Opinions:
    """Pairs of which both sides have a value of at least one of the metrics."""
    leads = {pair.key: list(_leads(run, pair, metrics)) for pair in pairs}
    return {key: preferred_by(0.0, sum(found), tolerance=tolerance) for key, found in leads.items() if found}


def _leads(run: Run, pair: Pair, metrics: Sequence[Metric]) -> Iterator[float]:
    """For each metric, by how much the candidate does better."""
    for metric in metrics:
        if values := values_of(run, pair, metric.name):
            left, right = values
            yield left - right if metric.better == "lower" else right - left


def _agreement(run: Run, person: str, given: Opinions, other: str, kind: str, theirs: Opinions) -> View | None:
    """Kappa over the pairs that both judged; None where they share too few."""
    samples = run.plan.samples
    common = [key for key in given if key in theirs]
    if len(common) < FEWEST_COMMON:
        return None
    kappa = cohens_kappa(
        [given[key] for key in common],
        [theirs[key] for key in common],
        groups=[samples[key[0]].group for key in common],
        seed=run.compared.seed,
    )
    between = "" if kappa.low is None or kappa.high is None else f"{kappa.low:.2f} to {kappa.high:.2f}"
    value = "–" if kappa.value is None else f"{kappa.value:.2f}"
    return View(
        person=person,
        other=other,
        kind=kind,
        pairs=len(common),
        same=typeset(format_share(kappa.agreed)),
        kappa=typeset(value),
        interval=typeset(between),
    )
