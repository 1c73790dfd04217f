"""`judge`: ask a local model which side of each pair it prefers."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalharness.cli.options import JSON, RUN, Interrupted
from evalharness.cli.terminal import say

if TYPE_CHECKING:
    from pydantic import JsonValue

    from evalharness.preferences.judge.asking import JudgeSettings
    from evalharness.records import PreferenceSummary
    from evalharness.store import Run


@click.command()
@RUN
@click.option("--model", required=True, metavar="MODEL", help="The judge, such as ollama/NAME, hf/org/name.")
@click.option(
    "--format",
    "prompt_format",
    type=click.Choice(["auto", "chat", "icl"]),
    default="auto",
    show_default=True,
    help="How the judge is prompted: as a chat, or with few-shot examples if it has no chat template.",
)
@click.option(
    "--max-tokens", default=8, show_default=True, type=click.IntRange(min=1), help="Longest answer, in tokens."
)
@click.option("-M", "option", multiple=True, metavar="KEY=VALUE", help="Backend option of the judge.")
@click.option("--again", is_flag=True, help="Judge again what already has a verdict.")
@click.option(
    "--labels",
    type=click.IntRange(min=1),
    metavar="N",
    help="Instead: what each of N completions did, as one more reader of the refusal labels.",
)
@JSON
def judge(
    run: Path,
    model: str,
    prompt_format: str,
    max_tokens: int,
    option: tuple[str, ...],
    again: bool,
    labels: int | None,
    as_json: bool,
) -> None:
    """Ask a local model which side of each pair is better.

    Each pair is asked in both orders; if the verdict changes with the order, the pair is a tie. An answer that is not
    a readable verdict counts as failed. Compares and reports too; a second call asks only about pairs without a
    verdict. With --labels it says of single completions what they did, in the order in which people rate them, with the
    choices in both orders; the report shows where it differs from the scorer and from people.
    """
    from evalharness import pipeline
    from evalharness.cli.display import show_record
    from evalharness.cli.progress import make_progress
    from evalharness.preferences.judge.asking import JudgeSettings

    settings = JudgeSettings.model_validate(
        {"model": model, "prompt_format": prompt_format, "max_tokens": max_tokens, "options": _options(option)}
    )
    if labels:
        _label(run, settings, labels, again)
        return
    try:
        judged = pipeline.judge(run, settings, again=again, progress=make_progress())
    except KeyboardInterrupt:
        raise Interrupted("interrupted; verdicts so far are saved, and the same command asks for the rest") from None
    summary = _latest(judged)
    show_record(summary, lambda shown: _summary_text(judged, shown), as_json)
    say(f"Report: {judged.path / 'report.html'}", err=True)
    _refuse_no_verdict(judged, summary)


def _label(run: Path, settings: "JudgeSettings", most: int, again: bool) -> None:
    from evalharness import pipeline
    from evalharness.cli.progress import make_progress

    try:
        labelled, name, failed = pipeline.label(run, settings, most=most, again=again, progress=make_progress())
    except KeyboardInterrupt:
        raise Interrupted("interrupted; labels so far are saved, and the same command asks for the rest") from None
    labels = [rating.label for rating in labelled.ratings if rating.rater == name]
    unclear = labels.count("unclear")
    say(f"{name}: {len(labels)} completions labelled ({unclear} unclear), {failed} without a readable answer")
    say(f"Report: {labelled.path / 'report.html'}", err=True)


def _refuse_no_verdict(run: "Run", summary: "PreferenceSummary") -> None:
    from evalharness.errors import BackendError

    if summary.n_failed and not summary.n:
        first = run.judgings[-1].failures[0].reason
        raise BackendError(
            f"{summary.rater} gave no verdict on any of {summary.n_failed} pairs; the first: {first}",
            fix="use a larger model, or allow longer answers: --max-tokens 64",
        )


def _options(given: tuple[str, ...]) -> "dict[str, JsonValue]":
    from evalharness.cli.flags import parsed_value
    from evalharness.errors import ConfigError

    options: dict[str, JsonValue] = {}
    for option in given:
        key, equals, value = option.partition("=")
        if not equals or not key:
            raise ConfigError(f"-M {option}: not of the form KEY=VALUE", fix="write -M dtype=bfloat16")
        options[key] = parsed_value(value)
    return options


def _latest(run: "Run") -> "PreferenceSummary":
    """What the judge that was just asked prefers."""
    rater = run.judgings[-1].rater
    return next(
        preference
        for preference in run.compared.preferences
        if (preference.source, preference.rater) == ("judge", rater)
    )


def _summary_text(run: "Run", summary: "PreferenceSummary") -> str:
    from evalharness.formatting import format_share, format_share_interval, one_line

    lines = [f"{summary.rater}: {summary.n} pairs judged, {summary.n_failed} failed"]
    if summary.candidate_share is not None:
        share = f"{format_share(summary.candidate_share)} ({format_share_interval(summary.interval)})"
        lines += [
            f"  prefers {run.plan.candidate} on {summary.candidate}, {run.plan.baseline} on {summary.baseline}, "
            f"neither on {summary.ties} ({summary.n_inconsistent} of them changed with the order)",
            f"  {run.plan.candidate} wins {share} of the pairs, a tie counting half",
        ]
    lines += [f"  {note}" for note in run.judgings[-1].notes]
    lines += [f"  failed: {failure.sample_id}: {one_line(failure.reason)}" for failure in run.judgings[-1].failures[:3]]
    return "\n".join(lines) + "\n"
