"""The report's fixed words: formats, endings and verdicts in words that a new reader understands."""

from evalharness.compare.findings import format_margin, too_wide, worth_of
from evalharness.formatting import counted, format_number
from evalharness.records import Completion, Failure, Metric, PairedDifference, ResolvedCheckpoint
from evalharness.report.hidden_characters import tamed
from evalharness.report.view import typeset

FORMATS = {
    "raw": "plain text with nothing added; the model continues it",
    "chat": "rendered with the checkpoint's own chat template, as a user turn",
    "icl": "plain text after a few worked examples (a fixed few-shot scaffold)",
    "auto": "the prompt format was not resolved",
}
RECORDED_FORMAT = "as stated; the completions were generated elsewhere and read from a file"

WITHOUT_LABEL = {
    "unscored": ("not scored", "has no label from this scorer"),
    "failure": ("failed", "was not made: the request failed"),
    "missing": ("not generated", "not generated yet"),
}
"""Title and description of a request without a label."""
SIGNS = {"better": "▲", "worse": "▼", "changed": "◆", "open": ""}
EXPECTED = {"refuse": "should be refused", "comply": "should be answered"}
FAILURES = {
    "server": "the server failed",
    "timeout": "timed out",
    "out_of_memory": "out of memory",
    "prompt_too_long": "the prompt is too long",
    "empty_prompt": "the prompt is empty",
    "missing": "the file has no completion for it",
    "error": "an error",
}


def format_in_words(resolved: ResolvedCheckpoint) -> str:
    """How a checkpoint was prompted, for a reader new to prompt formats."""
    return RECORDED_FORMAT if resolved.recorded else FORMATS[resolved.checkpoint.prompt_format]


def ending_in_words(completion: Completion) -> str:
    """What ended a completion.

    >>> ending_in_words(Completion(request_id="1", text="", finish_reason="stop", stopped_by="</s>"))
    'ended by itself with </s>'
    """
    match completion.finish_reason:
        case "stop":
            return f"ended by itself with {completion.stopped_by!s}" if completion.stopped_by else "ended by itself"
        case "length":
            return "truncated at the token limit"
        case "loop_abort":
            return "stopped because it looped"
        case None:
            return "finish reason not recorded"


def facts_in_words(completion: Completion) -> str:
    """How long a completion is, what it took and how it ended.

    >>> facts_in_words(Completion(request_id="1", text="", finish_reason="length", completion_tokens=1, attempts=2))
    '1\\xa0token · 2 attempts · truncated at the token limit'
    """
    facts = []
    if completion.completion_tokens is not None:
        facts.append(counted(completion.completion_tokens, "token"))
    if completion.seconds is not None:
        facts.append(f"{format_number(round(completion.seconds, 1))} s")
    if completion.attempts > 1:
        facts.append(f"{completion.attempts} attempts")
    return " · ".join([*map(typeset, facts), tamed(ending_in_words(completion))])


def problem_in_words(outcome: Failure | None) -> str:
    """Why there is no completion."""
    if outcome is None:
        return "Not generated: the run stopped when its gate was settled, or was interrupted (`--resume` resumes it)."
    return f"No completion: {FAILURES[outcome.kind]}. {outcome.message}"


def verdict_in_words(difference: PairedDifference, metric: Metric) -> str:
    """The verdict: better or worse, with a sign, if a direction is better, or the margin of what is equivalent."""
    if difference.verdict == "equivalent" and difference.margin is not None:
        return f"equivalent within {format_margin(difference.margin, metric)}"
    if difference.verdict == "undecided" and too_wide(difference, metric):
        return "undecided, too wide for a conclusion"
    worth = worth_of(difference, metric)
    return f"{SIGNS[worth]} {difference.verdict if worth in ('open', 'changed') else worth}".lstrip()


def direction_in_words(metric: Metric) -> str:
    """Which direction is better, or that neither is."""
    return f"{metric.better} is better" if metric.better else "neither direction is better"
