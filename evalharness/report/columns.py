"""All checkpoints side by side: each headline metric with its interval."""

from collections.abc import Mapping
from itertools import groupby

from evalharness.records import Checkpoint, Comparison, Metric, Summary
from evalharness.report.links import samples_where
from evalharness.report.provenance import model_in_words
from evalharness.report.typeset import typeset
from evalharness.report.view import View
from evalharness.store import Run
from evalharness.text import format_interval, format_number, format_share, format_share_interval

NOTHING = View(level="–", interval="", n="", opens="")


def make_columns(run: Run, comparison: Comparison, roles: Mapping[str, str]) -> View | None:
    """The table; None if there are no checkpoints other than baseline and candidate."""
    if len(roles) < 3:
        return None
    weights = {checkpoint.name: checkpoint.identity.weights_digest for checkpoint in run.plan.checkpoints}
    resolved = {checkpoint.name: checkpoint.checkpoint for checkpoint in run.plan.checkpoints}
    first = list(dict.fromkeys(weights[name] for name in roles))
    # Runs stand in the order in which they were given, as in the trend above them.
    paired = bool(run.manifest.paired_from)
    names = list(roles) if paired else sorted(roles, key=lambda name: first.index(weights[name]))
    columns = {
        (summary.metric, summary.checkpoint): summary for summary in comparison.summaries if summary.category is None
    }
    return View(
        groups=tuple(_group(list(same), resolved) for _, same in groupby(names, key=weights.__getitem__)),
        columns=tuple(View(checkpoint=name, role=roles[name], format=resolved[name].prompt_format) for name in names),
        rows=tuple(
            (metric.title, tuple(_cell(columns.get((metric.name, name)), metric, roles[name]) for name in names))
            for metric in comparison.metrics
            if metric.headline
        ),
    )


def _group(names: list[str], resolved: Mapping[str, Checkpoint]) -> tuple[str, int]:
    return model_in_words(resolved[names[0]]), len(names)


def _cell(summary: Summary | None, metric: Metric, role: str) -> View:
    if summary is None or summary.mean is None:
        return NOTHING
    rate = metric.kind == "rate"
    level = format_share(summary.mean) if rate else format_number(summary.mean)
    between = format_share_interval(summary.interval) if rate else format_interval(summary.interval)
    return View(
        level=typeset(level),
        interval=typeset(between) if summary.interval else "",
        n=typeset(f"{summary.n:,} samples" if summary.n > 1 else "1 sample"),
        opens=""
        if role == "baseline"
        else samples_where(metric=metric.name, verdict="differ", right=summary.checkpoint),
    )
