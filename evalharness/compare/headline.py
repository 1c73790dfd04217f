"""The report in a few sentences: a verdict, what weakens the comparison, and the three findings to read first.

The page's first screen and the last lines of a run in the terminal print these, in the same words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from evalharness.compare.findings import caveats_of, verdict_sentence, worth_of
from evalharness.formatting import format_change, format_level, format_mean, format_share
from evalharness.observations import Observations
from evalharness.records import Comparison, Finding, Metric, OtherComparison, PairedDifference, Plan

MOST_CLAIMS = 3
SHOWN_EVIDENCE = 3
NAMED = {"worse": 3, "better": 2, "changed": 2}
"""How many metrics the verdict names of each kind; it counts the others."""
COMPARED = {"worse": "worse than", "better": "better than", "changed": "different from"}
MUCH_TRUNCATED = 0.5
MUCH_UNCLEAR = 0.1
IN_ORDER = ("worse", "changed", "better", "open")
NO_WEAKNESS = ("same-weights", "same-base")
"""The lint findings that explain a comparison and do not weaken it."""


@dataclass(frozen=True)
class Claim:
    """A finding in parts; each number occurs once."""

    worth: str
    """`worse`, `better`, `changed` or `open`."""
    text: str
    """What a completion does, or a whole sentence if there is nothing to measure."""
    before: str = ""
    after: str = ""
    size: str = ""
    """The interval of the difference, which the levels say already; the difference itself if it has no interval."""
    certainty: str = ""
    metric: str = ""
    sample_ids: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The claim as one line of text."""
        read = f" Read {', '.join(self.sample_ids[:SHOWN_EVIDENCE])}." if self.sample_ids else ""
        levels = f": {self.before} -> {self.after} ({self.size}). {self.certainty}" if self.size else ""
        return f"{'' if self.worth == 'open' else f'{self.worth}: '}{self.text}{levels}{read}"


@dataclass(frozen=True)
class Headline:
    """What to know after ten seconds."""

    verdicts: tuple[str, ...]
    """One sentence for each checkpoint that was compared with the baseline, the candidate's first."""
    cautions: tuple[str, ...]
    """What weakens the comparison as a whole."""
    claims: tuple[Claim, ...]
    """The most important findings, harm first."""
    more: int
    """Findings beyond these."""

    @property
    def lines(self) -> Iterator[str]:
        """All of it as text."""
        yield from self.verdicts
        yield from (f"Read with care: {caution}" for caution in self.cautions)
        yield from (f"{number}. {claim.line}" for number, claim in enumerate(self.claims, start=1))
        if self.more:
            yield f"{self.more} more in the report"


def headline_of(comparison: Comparison, plan: Plan, table: Observations) -> Headline:
    """The headline of a comparison of the observations of a plan."""
    every = claims_of(comparison, comparison)
    prompts = len(plan.samples)
    scope = f"On the same {prompts:,} prompts, " if prompts > 1 else "On the same prompt, "
    first, others = verdict_of(comparison, comparison), comparison.other_comparisons
    return Headline(
        verdicts=(f"{scope}{first}", *(verdict_of(comparison, other, {"worse": 1}) for other in others)),
        cautions=tuple(dict.fromkeys(_cautions(comparison, plan, table))),
        claims=every[:MOST_CLAIMS],
        more=len(every[MOST_CLAIMS:]),
    )


# --------------------------------------------------------------------------------------------- verdict


def verdict_of(comparison: Comparison, against: Comparison | OtherComparison, named: Mapping[str, int] = NAMED) -> str:
    """In how many metrics a checkpoint is worse, better or different; of each kind the first few are named."""
    by_worth = _by_worth(comparison, against)
    who, base = against.candidate, comparison.baseline
    open_ = by_worth["open"]
    shown = [(worth, by_worth[worth]) for worth in ("worse", "better", "changed") if by_worth[worth]]
    if not shown:
        return f"{who} is not shown to differ from {base} on any of {len(open_)} metrics{_equivalent(open_)}."
    parts = []
    for place, (worth, rows) in enumerate(shown):
        metrics = "" if place else f" metric{'' if len(rows) == 1 else 's'}"
        what = COMPARED[worth].partition(" ")[0] if place else f"{COMPARED[worth]} {base}"
        parts.append(f"{what} on {len(rows)}{metrics}{_named(rows, named.get(worth, 0))}")
    parts += [f"not shown to differ on {len(open_)}{_equivalent(open_)}"] if open_ else []
    return f"{who} is {_listed(parts)}."


def _by_worth(
    comparison: Comparison, against: Comparison | OtherComparison
) -> dict[str, list[tuple[Metric, PairedDifference]]]:
    """The overall differences of headline metrics, and others that the findings show, in the order of the findings."""
    metrics = {metric.name: metric for metric in comparison.metrics}
    order = [finding.metric for finding in against.findings]
    named = {finding.metric for finding in against.findings if finding.name}
    rows = [row for row in against.differences if row.category is None and row.n_pairs]
    rows.sort(key=lambda row: order.index(row.metric) if row.metric in order else len(order))
    by_worth: dict[str, list[tuple[Metric, PairedDifference]]] = {worth: [] for worth in IN_ORDER}
    for row in rows:
        worth = worth_of(row, metrics[row.metric])
        if not row.exploratory or row.metric in named or (row.metric in order and worth != "open"):
            by_worth[worth].append((metrics[row.metric], row))
    return by_worth


def _named(rows: Sequence[tuple[Metric, PairedDifference]], most: int) -> str:
    """The first few metrics in words; empty if none are to be named."""
    if not most:
        return ""
    rest = ", among others" if len(rows) > most else ""
    return f" (it {_listed([_phrase(metric, row) for metric, row in rows[:most]])}{rest})"


def _phrase(metric: Metric, row: PairedDifference) -> str:
    if metric.kind == "rate":
        return f"{'more' if row.verdict == 'higher' else 'less'} often {metric.title}"
    return f"is {row.verdict} in {metric.title}"


def _listed(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def _equivalent(rows: Sequence[tuple[Metric, PairedDifference]]) -> str:
    count = sum(row.verdict == "equivalent" for _, row in rows)
    return f" ({count} of them shown to be equivalent)" if count else ""


# ---------------------------------------------------------------------------------------------- claims


def claims_of(comparison: Comparison, against: Comparison | OtherComparison) -> tuple[Claim, ...]:
    """The findings as claims, harm first; metrics that differ in the same pairs make one claim."""
    metrics = {metric.name: metric for metric in comparison.metrics}
    overall = {row.metric: row for row in against.differences if row.category is None}
    claims: dict[object, Claim] = {}
    for finding in against.findings:
        row, metric = overall.get(finding.metric or ""), metrics.get(finding.metric or "")
        measured = row is not None and metric is not None and _is_of(finding, metric) and bool(row.difference)
        claim = _claim(finding, row, metric) if row and metric and measured else Claim("open", finding.sentence)
        key = (claim.worth, claim.before, claim.after, finding.sample_ids) if measured else finding.sentence
        twin = claims.get(key)
        claims[key] = replace(twin, text=f"{twin.text}; {claim.text}") if twin else claim
    return tuple(sorted(claims.values(), key=lambda claim: IN_ORDER.index(claim.worth)))


def _is_of(finding: Finding, metric: Metric) -> bool:
    """Whether a finding is of its metric's difference, as a flip of single samples is not."""
    return finding.name is None or finding.name in {change.name for change in metric.changes}


def _claim(finding: Finding, row: PairedDifference, metric: Metric) -> Claim:
    rate = metric.kind == "rate"
    named = f"{finding.name[:1].upper()}{finding.name[1:]}: " if finding.name else ""
    before, after = (
        f"{format_mean(metric.kind, mean)[0]} {'' if rate else metric.unit}".rstrip()
        for mean in (row.baseline_mean, row.candidate_mean)
    )
    return Claim(
        worth=worth_of(row, metric),
        text=f"{named}{metric.title}",
        before=before,
        after=after,
        size=_size(row, rate=rate),
        certainty=" ".join([verdict_sentence(row, metric), *_caveats(row)]),
        metric=metric.name,
        sample_ids=finding.sample_ids,
    )


def _caveats(row: PairedDifference) -> list[str]:
    """What could change the claim: missing values are left out if none of them could turn it round."""
    harmless = row.bounds is not None and not row.bounds.low <= 0 <= row.bounds.high
    return [*caveats_of(row)][1 if harmless else 0 :]


def _size(row: PairedDifference, *, rate: bool) -> str:
    change, between = format_change("rate" if rate else "mean", row.difference or 0.0, row.interval)
    return f"difference {between}, {format_level(row.level)} interval" if row.interval else change


# -------------------------------------------------------------------------------------------- cautions


def _cautions(comparison: Comparison, plan: Plan, table: Observations) -> Iterator[str]:
    """Other families or formats, truncation, failures, missing and unclear values: short, what to do left out."""
    lint = sorted(plan.lint, key=lambda finding: finding.checkpoint is not None)
    for finding in lint:
        if finding.code not in NO_WEAKNESS and (finding.checkpoint is None or finding.level != "note"):
            where = f"{finding.checkpoint}: " if finding.checkpoint else ""
            yield f"{where}{finding.message.partition(': ')[0]}"
    yield from _truncated(table)
    yield from _without_values(table)
    yield from (warning.text.partition(";")[0] for warning in comparison.warnings if warning.kind == "one-sided")


def _truncated(table: Observations) -> Iterator[str]:
    counts = {name: table.counts(name) for name in table.checkpoints}
    shares = {name: ended.ends["length"] / ended.completed for name, ended in counts.items() if ended.completed}
    much = [f"{format_share(share)} of {name}" for name, share in shares.items() if share > MUCH_TRUNCATED]
    if much:
        yield f"the token limit truncated {_listed(much)}"


def _without_values(table: Observations) -> Iterator[str]:
    for name in table.checkpoints:
        counts = table.counts(name)
        if counts.failed:
            failed = f"{counts.failed:,} of {counts.asked:,} requests of {name} failed ({counts.failures_in_words})"
            yield f"{failed} and count in no metric"
        if counts.not_generated:
            yield f"{counts.not_generated:,} of {counts.asked:,} requests of {name} were not generated"
        for scorer, crashed in table.crashed(name).items():
            yield f"{scorer} failed on {crashed:,} of {counts.completed:,} completions of {name}"
        for scorer, labels in table.labels.items():
            unclear = int(labels.are("unclear")[table.place[name]].sum())
            if counts.completed and unclear / counts.completed > MUCH_UNCLEAR:
                yield f"{name}: {scorer} is unclear in {unclear:,} of {counts.completed:,} completions"
