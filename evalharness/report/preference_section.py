"""Preferences of people and judges, people's agreement with other raters, and how each judge was asked."""

from collections.abc import Mapping

from evalharness.records import Comparison, Judging, PreferenceSummary
from evalharness.report.charts.labels import Part, draw_bar
from evalharness.report.hidden_characters import marked
from evalharness.report.raters import make_agreements
from evalharness.report.view import View, typeset
from evalharness.report.words import format_in_words
from evalharness.store import Run
from evalharness.text import format_share, format_share_interval

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
