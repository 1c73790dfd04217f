"""The metrics of the style scorer, in the order of a report: endings, length, repetition, layout, manner, language."""

from typing import Literal

from evalharness.records import Metric, NamedChange

Changes = tuple[NamedChange, ...]
Better = Literal["higher", "lower"] | None


def _rate(
    name: str, title: str, description: str, better: Better = None, *, headline: bool = False, changes: Changes = ()
) -> Metric:
    return Metric(
        name=f"style.{name}",
        title=title,
        description=description,
        kind="rate",
        better=better,
        headline=headline,
        changes=changes,
    )


def _mean(
    name: str, title: str, description: str, unit: str = "", better: Better = None, lowest: float | None = 0.0
) -> Metric:
    """A metric that is a share where it has no unit."""
    return Metric(
        name=f"style.{name}",
        title=title,
        description=description,
        kind="mean",
        unit=unit,
        better=better,
        lowest=lowest,
        highest=None if unit else 1.0,
    )


def _higher(name: str) -> Changes:
    return (NamedChange(verdict="higher", name=name),)


def _tuned(higher: str, lower: str) -> Changes:
    """Named in both directions, but only between two checkpoints of the same variant."""
    return (
        NamedChange(verdict="higher", name=higher, tuning_only=True),
        NamedChange(verdict="lower", name=lower, tuning_only=True),
    )


DRIFT = _tuned("format drift", "format drift")


def _whole(metric: Metric) -> Metric:
    """A metric on which truncated completions cannot be judged."""
    return metric.model_copy(update={"needs_end": True})


STATE_METRICS = (
    _rate(
        "loop",
        "loops",
        "The completion loops: the same words, lines or pattern again and again.",
        "lower",
        headline=True,
        changes=_higher("new loops"),
    ),
    _rate(
        "continuation",
        "continues with another document",
        "The completion leaves its turn for another document: more questions, the next task, a forum page. "
        "Only on instructions.",
        "lower",
        headline=True,
        changes=_higher("runs on"),
    ),
    _rate(
        "self_dialogue",
        "continues with other turns",
        "The completion plays both sides of a dialogue or writes the tokens of a chat template.",
        "lower",
        headline=True,
        changes=_higher("plays both sides"),
    ),
    _rate(
        "stopped",
        "stops before the token limit",
        "The model ended the completion, not the token limit. Only if recorded.",
        "higher",
        headline=True,
        changes=(NamedChange(verdict="lower", name="lost stop token"),),
    ),
    _rate(
        "echo",
        "repeats the prompt",
        "The completion repeats the prompt, once or twice, and adds almost nothing.",
        "lower",
    ),
    _rate(
        "empty",
        "says nothing",
        "The completion is blank, or only thinking.",
        "lower",
        changes=_higher("falls silent"),
    ),
    _rate(
        "cut",
        "is truncated at the token limit",
        "The token limit ended a completion that neither loops nor continues with something else.",
        "lower",
    ),
)

LENGTH_METRICS = (
    _whole(
        _mean(
            "words", "length", "Words of what the reader sees; a Chinese or Japanese character counts as one.", "words"
        )
    ).model_copy(update={"role": "length", "changes": _tuned("runaway length", "shorter completions")}),
    _whole(
        _mean(
            "tokens",
            "length in tokens",
            "Generated tokens, the end token included, by the checkpoint's own tokenizer. Only if recorded.",
            "tokens",
        )
    ),
    _rate(
        "finished_sentence",
        "ends with a finished sentence",
        "The last character that is not a quote or bracket ends a sentence, a code block or a table row.",
        "higher",
    ),
    _whole(_rate("question_at_end", "ends with a question", "The last sentence is a question, as when it asks back.")),
)

REPETITION_METRICS = (
    _whole(_mean("distinct_1", "distinct words", "Share of distinct words. Longer texts have fewer.")),
    _whole(
        _mean(
            "distinct_2",
            "distinct word pairs",
            "Share of distinct pairs of neighbouring words. Longer texts have fewer.",
        )
    ),
    _whole(_mean("distinct_3", "distinct word triples", "Share of distinct sequences of three words.")),
    _whole(
        _mean(
            "repeated_share",
            "repeated phrases",
            "Share of the sequences of four words that occurred earlier in the text.",
            better="lower",
        )
    ),
)

LAYOUT_METRICS = (
    _rate("markdown", "uses Markdown", "Any heading, list, table, code, quote or bold text.", changes=DRIFT),
    _rate("headings", "uses headings", "Any line that begins with one to six # signs."),
    _rate("lists", "uses lists", "Any line that begins with a bullet (- * +) or a number, as Markdown writes them."),
    _rate("code", "uses code", "Any fenced block or text in backticks."),
    _rate("bold", "uses bold text", "Any text between two pairs of asterisks."),
    _rate("tables", "uses tables", "Any line between two upright bars."),
)

MANNER_METRICS = (
    _rate(
        "preamble",
        "opens with a preamble",
        'Begins with a courtesy such as "Sure!" or "Here is ...:" before the answer.',
        changes=DRIFT,
    ),
    _rate("apology", "apologizes", "Any word of apology, in English, Spanish, French, German, Italian or Portuguese."),
    _mean(
        "hedging",
        "hedging words",
        "Words such as might, perhaps, probably or usually, for each hundred words. Only in English.",
        "per 100 words",
    ),
    _rate("first_person", "speaks of itself", "Any I, me, my, mine or myself. Only in English."),
    _rate("second_person", "addresses the reader", "Any you, your, yours or yourself. Only in English."),
)

LANGUAGE_METRICS = (
    _rate("english", "is in English", "By its function words. Only if the language is detected."),
    _rate(
        "same_language",
        "keeps the prompt's language",
        "The completion is in the language of the prompt. Only if both are detected.",
    ),
    _mean(
        "grade",
        "reading level",
        "School years (USA) needed to read it, by the formula of Coleman and Liau (1975). Only English prose of at "
        "least 50 words.",
        "school years",
        lowest=None,
    ),
)

METRICS = STATE_METRICS + LENGTH_METRICS + REPETITION_METRICS + LAYOUT_METRICS + MANNER_METRICS + LANGUAGE_METRICS
