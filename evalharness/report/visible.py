"""Text from strangers, made safe to look at: nothing invisible, nothing that turns the line around, nothing that runs.

Escaping stops a text from being code. It does not stop a text from lying to the eye, which is what bidirectional
overrides, zero-width characters and terminal codes do, nor from burying the page, which is what a thousand marks on one
letter do; those are replaced by something that can be seen. `static/text.js` does the same in the browser.
"""

import re
from collections.abc import Iterator, Sequence, Set
from itertools import pairwise

from markupsafe import Markup, escape

from evalharness.records import Span
from evalharness.text import HIDDEN, hidden_code

MOST_MARKS = 8
"""Combining marks on one letter that are drawn; no language needs as many."""
LONGEST_LINE = 2_000
"""Characters of a name, an id or a sentence that are printed; completions have their own rules."""
MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
STRANGE = re.compile(f"({HIDDEN.pattern})\\1*|(?<=[{MARKS}]{{{MOST_MARKS}}})[{MARKS}]+")
"""A run of one hidden character, or the marks on a letter that are too many."""


def tamed(text: str) -> str:
    """A name, an id or a sentence as it may be printed: hidden characters shown, towers of marks cut, never endless.

    >>> tamed("a\\x00" + "\\u0301" * 11)
    'a[U+0000]\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301[3 more marks]'
    """
    shown = STRANGE.sub(lambda found: _stand_in(found.group()), text[:LONGEST_LINE])
    rest = len(text) - LONGEST_LINE
    return f"{shown}… ({rest:,} more characters)" if rest > 0 else shown


def marked(text: str, spans: Sequence[Span] = (), form: Sequence[Span] = ()) -> Markup:
    """`text` as HTML, hidden characters shown and the evidence highlighted; spans may overlap or reach too far.

    Args:
        text: anything.
        spans: evidence for a verdict.
        form: marks of form, such as a greeting; shown more quietly.

    >>> marked("I can't <b>", [Span(start=2, end=7, label="declines")])
    Markup('I <mark title="declines">can&#39;t</mark> &lt;b&gt;')
    """
    return Markup("").join(_pieces(text, [*spans, *form], {id(span) for span in form}))


def _pieces(text: str, spans: Sequence[Span], quiet: Set[int]) -> Iterator[Markup]:
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
        yield _piece(text[start:end], active, quiet)


def _piece(text: str, active: Sequence[Span], quiet: Set[int]) -> Markup:
    shown = _shown(text)
    if not active:
        return shown
    form = all(id(span) in quiet for span in active)
    labels = "; ".join(dict.fromkeys(tamed(span.label) for span in active))
    tag = '<mark class="form" title="{}">{}</mark>' if form else '<mark title="{}">{}</mark>'
    return Markup(tag).format(labels, shown)


def _shown(text: str) -> Markup:
    parts: list[Markup] = []
    last = 0
    for match in STRANGE.finditer(text):
        parts.append(escape(text[last : match.start()]))
        parts.append(Markup('<span class="hidden-character">{}</span>').format(_stand_in(match.group())))
        last = match.end()
    return Markup("").join([*parts, escape(text[last:])])


def _stand_in(strange: str) -> str:
    """What stands for a hidden character, or for the marks that are too many."""
    if HIDDEN.match(strange):
        code = hidden_code(strange[0])
        return code if len(strange) == 1 else f"{code[:-1]} × {len(strange):,}]"
    return f"[{len(strange):,} more marks]"
