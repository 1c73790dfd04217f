"""Findings: the most important differences in plain sentences, and warnings."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from evalharness.compare.regressions import name_of, tuning_findings
from evalharness.formatting import (
    counted,
    format_interval,
    format_level,
    format_number,
    format_points,
    format_points_interval,
    format_rate,
    format_share,
    in_groups,
)
from evalharness.observations import Observations
from evalharness.records import Finding, Interval, Metric, PairedDifference, Plan, RunWarning
from evalharness.statistics import Floats

MOST_FINDINGS = 5
MOST_PER_SCORER = 2
SHOWN_SAMPLES = 5
TOO_WIDE = 1.0
"""An interval of a rate's difference that spans half of all that is possible."""


def findings_of(
    table: Observations,
    metrics: Sequence[Metric],
    differences: Sequence[PairedDifference],
    plan: Plan,
) -> list[Finding]:
    """Significant differences of headline metrics, regressions first; then others, up to five findings in all."""
    known = {metric.name: metric for metric in metrics}
    better = {metric.name: metric.better for metric in metrics}
    overall = [row for row in differences if row.category is None]
    names = {row.metric: None if _of_silence(row) else name_of(row, known, overall, plan) for row in overall}
    chosen = _chosen([row for row in overall if row.difference], better, names)
    findings = [finding_of(table, known[row.metric], row, names[row.metric], plan) for row in chosen]
    advice = replicate_advice(table, known, overall, plan.baseline, plan.candidate)
    tuning = tuning_findings(table, metrics, plan)
    return [*(findings or [_nothing(differences)]), *tuning, *([advice] if advice else [])]


def _chosen(
    differences: Sequence[PairedDifference], better: Mapping[str, str | None], names: Mapping[str, str | None]
) -> list[PairedDifference]:
    """Every significant headline difference and every named regression is included, except mirror images of another."""
    chosen: list[PairedDifference] = []
    per_scorer: Counter[str] = Counter()
    for row in sorted(differences, key=lambda row: _rank(row, better.get(row.metric))):
        scorer = row.metric.partition(".")[0]
        room = per_scorer[scorer] < MOST_PER_SCORER and len(chosen) < MOST_FINDINGS
        must = _shown(row) and (not row.exploratory or names[row.metric] is not None)
        if (room or must) and not any(_mirrors(row, other) for other in chosen):
            per_scorer[scorer] += 1
            chosen.append(row)
    return chosen


def _of_silence(row: PairedDifference) -> bool:
    """Whether a rate moved only because a side gave no answer: among what both answered it did not move that way."""
    among = row.among_answered
    return among is not None and (among.candidate_mean - among.baseline_mean) * (row.difference or 0.0) <= 0


def _shown(row: PairedDifference) -> bool:
    return row.verdict in ("higher", "lower")


def _mirrors(row: PairedDifference, other: PairedDifference) -> bool:
    """Whether two metrics of a scorer are mirror images, such as "refused" and "complied" can be."""
    same_scorer = row.metric.partition(".")[0] == other.metric.partition(".")[0]
    turned = (row.n_higher, row.n_equal, row.n_lower) == (other.n_lower, other.n_equal, other.n_higher)
    return same_scorer and turned and math.isclose(row.difference or 0.0, -(other.difference or 0.0))


def _rank(row: PairedDifference, better: str | None) -> tuple[bool, bool, bool, float, float]:
    """Headline before exploratory, significant before not, worse before better, then by p-value and by size."""
    p_value = 1.0 if row.p_value is None else row.p_value
    worse = _shown(row) and better is not None and row.verdict != better
    return row.exploratory, not _shown(row), not worse, p_value, -abs(row.difference or 0.0)


def finding_of(
    table: Observations, metric: Metric, difference: PairedDifference, name: str | None, plan: Plan
) -> Finding:
    """A difference in words, with the samples on which the two sides differ most.

    Args:
        difference: over all categories.
        name: of the regression that it is, if it is one.
    """
    says = _says_rate if metric.kind == "rate" else _says_mean
    title = f"{name[:1].upper()}{name[1:]}: " if name else ""
    parts = (says(metric, difference, plan), verdict_sentence(difference, metric), *caveats_of(difference))
    sentence = f"{title}{' '.join(parts)}"
    return Finding(name=name, sentence=sentence, metric=metric.name, sample_ids=_evidence(table, metric.name, plan))


def _says_rate(metric: Metric, row: PairedDifference, plan: Plan) -> str:
    baseline, candidate, difference = row.baseline_mean or 0.0, row.candidate_mean or 0.0, row.difference or 0.0
    left, right = format_rate(baseline, row.n_pairs), format_rate(candidate, row.n_pairs)
    interval = f", {_level(row)} interval {format_points_interval(row.interval)}" if row.interval else ""
    size = f"{format_points(difference)}{interval}"
    return f"{plan.baseline} {metric.title} in {left}, {plan.candidate} in {right} ({size})."


def _says_mean(metric: Metric, row: PairedDifference, plan: Plan) -> str:
    unit = f" {metric.unit}" if metric.unit else ""
    left, right = format_number(row.baseline_mean), format_number(row.candidate_mean)
    interval = f", {_level(row)} interval {format_interval(row.interval)}" if row.interval else ""
    size = format_number(row.difference, signed=True)
    title = metric.title[:1].upper() + metric.title[1:]
    return f"{title}: {plan.baseline} {left}{unit}, {plan.candidate} {right}{unit} ({size}{interval})."


def _level(row: PairedDifference) -> str:
    return format_level(row.level)


def worth_of(difference: PairedDifference, metric: Metric) -> str:
    """`better`, `worse`, `changed` where neither direction is better, or `open` where no difference is shown."""
    if difference.verdict not in ("higher", "lower"):
        return "open"
    if metric.better is None:
        return "changed"
    return "better" if difference.verdict == metric.better else "worse"


def verdict_sentence(row: PairedDifference, metric: Metric) -> str:
    """What the interval says, in one sentence that claims no more than it does."""
    pairs = in_groups(counted(row.n_pairs, "pair"), row.n_pairs, row.n_groups)
    alone = ", tested on its own" if row.exploratory else ""
    match row.verdict:
        case "higher" | "lower":
            return f"Significant on {pairs}{alone}."
        case "equivalent":
            return f"Equivalent within {format_margin(row.margin or 0.0, metric)}, on {pairs}{alone}."
        case _:
            if row.interval is None:
                return f"Undecided: no interval for {pairs}."
            wide = ", the interval is too wide for a conclusion" if too_wide(row, metric) else ""
            return f"Undecided on {pairs}{wide}{alone}.{_could_show(row, metric)}"


def _could_show(row: PairedDifference, metric: Metric) -> str:
    """What so many pairs show, whatever was observed; empty if that is nothing."""
    size = row.minimum_detectable_effect
    if size is None:
        return ""
    return f" So many pairs show a difference of {format_margin(size, metric)} with 80 % chance."


def format_margin(margin: float, metric: Metric) -> str:
    """The largest change that does not matter."""
    if metric.kind == "rate":
        return format_points(margin, digits=1).lstrip("+")
    return f"{format_number(margin)} {metric.unit}".rstrip()


def too_wide(row: PairedDifference, metric: Metric) -> bool:
    """Whether an interval of a rate says next to nothing: it spans half of all differences that are possible."""
    return metric.kind == "rate" and row.interval is not None and row.interval.high - row.interval.low >= TOO_WIDE


def caveats_of(row: PairedDifference) -> Iterator[str]:
    """What is not in the rates, and what it could change."""
    if row.bounds is not None:
        yield (
            f"Values are missing in {row.n_missing_baseline:,} and {row.n_missing_candidate:,} samples; whatever they "
            f"are, the difference over all samples is {range_in_words(row.bounds)}."
        )
    if row.among_answered is not None:
        among = row.among_answered
        left, right = format_share(among.baseline_mean), format_share(among.candidate_mean)
        yield f"Among the {among.n_pairs:,} samples to which both responded: {left} and {right}."
    if row.label_errors is not None:
        moved = f"the difference in these samples is {range_in_words(row.label_errors)}"
        chance = "The interval allows for chance alone. " if row.interval else ""
        yield f"{chance}If labels are wrong as often as in validation, {moved}."


def range_in_words(between: Interval) -> str:
    """A range of a difference of rates.

    >>> range_in_words(Interval(low=0.1, high=0.25))
    'between +10 and +25 points'
    """
    low, high = format_points(between.low), format_points(between.high)
    return low if low == high else f"between {low.removesuffix(' points')} and {high}"


def _evidence(table: Observations, metric: str, plan: Plan) -> tuple[str, ...]:
    """The samples on which the two sides differ most, those that differ as the means do first."""
    difference = table.column(plan.candidate, metric) - table.column(plan.baseline, metric)
    sizes = np.nan_to_num(difference)[table.suite_order]
    opposed = sizes * sizes.sum() < 0
    ranked = np.lexsort((-np.abs(sizes), opposed))[:SHOWN_SAMPLES]
    return tuple(table.sample_ids[table.suite_order[place]] for place in ranked if sizes[place])


def _nothing(differences: Sequence[PairedDifference]) -> Finding:
    """No mean differs. That nothing differs is only true where no pair does either."""
    rows = [row for row in differences if row.category is None and row.n_pairs]
    if not rows:
        return Finding(sentence="No sample has a score on both sides, so nothing can be compared.", metric=None)
    most = max(rows, key=lambda row: row.n_higher + row.n_lower)
    if most.n_higher or most.n_lower:
        sentence = (
            f"No average differs, but single pairs do: {most.metric} is higher in {most.n_higher:,} and lower in "
            f"{most.n_lower:,} of {most.n_pairs:,} pairs."
        )
        return Finding(sentence=sentence, metric=most.metric)
    missing = sum(row.n_missing_baseline + row.n_missing_candidate for row in rows)
    scope = " that have values on both sides" if missing else ""
    pairs = max(row.n_pairs for row in rows)
    return Finding(sentence=f"No metric differs between the two sides, in {pairs:,} pairs{scope}.", metric=None)


# -------------------------------------------------------------------------------------------- warnings


def warnings_of(plan: Plan, table: Observations) -> Iterator[RunWarning]:
    """What a reader must know before trusting a number."""
    for checkpoint in plan.checkpoints:
        counts = table.counts(checkpoint.name)
        if counts.failed:
            failed = f"{counts.failed} of {counts.asked} requests failed ({counts.failures_in_words})"
            yield RunWarning(kind="failed", text=f"{checkpoint.name}: {failed} and are excluded from all metrics")
        if counts.not_generated:
            left = f"{counts.not_generated} of {counts.asked} requests were not generated yet"
            yield RunWarning(kind="not generated", text=f"{checkpoint.name}: {left}")
        if cut := counts.ends["length"]:
            share = format_share(cut / counts.completed)
            truncated = f"{cut} of {counts.completed} completions ({share}) were truncated at the token limit"
            yield RunWarning(kind="truncated", text=f"{checkpoint.name}: {truncated}")
        for scorer, crashed in table.crashed(checkpoint.name).items():
            failed = f"{scorer} failed on {crashed} of {counts.completed} completions; its scores say why"
            yield RunWarning(kind="crashed", text=f"{checkpoint.name}: {failed}")
        if unknown := counts.completed - counts.ends.total():
            ending = f"the finish reason of {unknown} of {counts.completed} completions was not recorded"
            yield RunWarning(kind="unknown ending", text=f"{checkpoint.name}: {ending}")
    for finding in plan.lint:
        if finding.level != "note":
            where = finding.checkpoint or "comparison"
            yield RunWarning(kind="lint", text=f"{where}: {finding.message} [{finding.code}]")


FEWEST = 10
"""Samples with all replicates, for a share of the variance to mean something."""


def replicate_advice(
    table: Observations, metrics: Mapping[str, Metric], rows: Sequence[PairedDifference], baseline: str, candidate: str
) -> Finding | None:
    """For the undecided headline metric that is nearest to a decision; None without one, or without replicates."""
    undecided = [row for row in rows if row.verdict == "undecided" and not row.exploratory and row.p_value is not None]
    for row in sorted(undecided, key=lambda row: row.p_value or 0.0):
        share = share_of_sampling(table.cells(candidate, row.metric) - table.cells(baseline, row.metric))
        if share is not None:
            return Finding(sentence=_in_words(metrics[row.metric], share, len(table.state[0])), metric=None)
    return None


def share_of_sampling(differences: Floats) -> float | None:
    """The share of the variance of samples' mean differences that comes from sampling each completion, 0 to 1.

    One-way analysis of variance, samples as groups of replicates (Searle et al. 1992, chapter 3).

    Args:
        differences: shape (n_replicates, n_samples), NaN where a value is missing.
    """
    complete = differences[:, ~np.isnan(differences).any(axis=0)]
    replicates, samples = complete.shape
    if replicates < 2 or samples < FEWEST:
        return None
    of_means = float(complete.mean(axis=0).var(ddof=1))
    within = float(complete.var(axis=0, ddof=1).mean()) / replicates
    return min(within / of_means, 1.0) if of_means > 0 else None


def _in_words(metric: Metric, share: float, replicates: int) -> str:
    by_replicates, by_prompts = 1 - math.sqrt(1 - share / 2), 1 - math.sqrt(0.5)
    of_sampling, of_prompts = format_share(share), format_share(1 - share)
    return (
        f"More prompts or more replicates? With {replicates} replicates, {of_sampling} of the variance of "
        f"{metric.name} comes from sampling, {of_prompts} from the prompts. Twice the prompts would narrow the "
        f"interval by {format_share(by_prompts)}, twice the replicates by {format_share(by_replicates)}."
    )
