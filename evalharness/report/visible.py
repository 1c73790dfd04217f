"""Text from strangers, made safe to look at: nothing invisible, nothing that turns the line around, nothing that runs.

Escaping stops a text from being code. It does not stop a text from lying to the eye, which is what bidirectional
overrides, zero-width characters and terminal codes do; those are replaced by something that can be seen.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from markupsafe import Markup, escape

from evalharness.records import Span
from evalharness.text import HIDDEN, hidden_code, visible

FORM_LABELS = frozenset({"preamble", "markdown"})
"""Marks of form rather than evidence for a verdict; shown more quietly."""


def marked(text: str, spans: Sequence[Span] = ()) -> Markup:
    """`text` as HTML, hidden characters shown and the evidence highlighted; spans may overlap or reach too far.

    >>> marked("I can't <b>", [Span(start=2, end=7, label="declines")])
    Markup('I <mark title="declines">can&#39;t</mark> &lt;b&gt;')
    """
    return Markup("").join(_pieces(text, spans))


def _pieces(text: str, spans: Sequence[Span]) -> Iterator[Markup]:
    """The text cut at every edge of a span, so that overlapping spans need no nesting."""
    edges = sorted({0, len(text), *(edge for span in spans for edge in (span.start, span.end) if edge < len(text))})
    starts = sorted(spans, key=lambda span: span.start)
    active: list[Span] = []
    position = 0
    for start, end in pairwise(edges):
        while position < len(starts) and starts[position].start <= start:
            active.append(starts[position])
            position += 1
        active = [span for span in active if span.end > start]
        yield _piece(text[start:end], active)


def _piece(text: str, active: Sequence[Span]) -> Markup:
    shown = _shown(text)
    if not active:
        return shown
    form = all(span.label in FORM_LABELS for span in active)
    labels = "; ".join(dict.fromkeys(visible(span.label) for span in active))
    tag = '<mark class="form" title="{}">{}</mark>' if form else '<mark title="{}">{}</mark>'
    return Markup(tag).format(labels, shown)


def _shown(text: str) -> Markup:
    parts: list[Markup] = []
    last = 0
    for match in HIDDEN.finditer(text):
        parts.append(escape(text[last : match.start()]))
        parts.append(Markup('<span class="hidden-character">{}</span>').format(hidden_code(match.group())))
        last = match.end()
    return Markup("").join([*parts, escape(text[last:])])
