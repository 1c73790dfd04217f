"""Untrusted text made safe to display: no hidden characters, no bidirectional overrides, no code.

Escaping stops a text from being code. It does not stop a text from lying to the eye, which is what bidirectional
overrides, zero-width characters and terminal codes do, nor from burying the page, which is what a thousand marks on one
letter do; those are shown as something visible. `static/safe_text.js` does the same with the same characters.
"""

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import groupby, pairwise
from unicodedata import category

from markupsafe import Markup, escape

from evalharness.formatting import HIDDEN, hidden_code
from evalharness.records import Span

MOST_MARKS = 8
"""Combining marks on one letter that are drawn; no language needs as many."""
LONGEST_LINE = 2_000
"""Characters of a name, an id or a sentence that are printed; completions have their own rules."""
MARKED_PLANES = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
"""Code points among which every combining mark is."""


def _ranges(codes: Iterable[int]) -> Iterator[str]:
    """Ascending code points as the ranges of a regular expression."""
    for _, together in groupby(enumerate(codes), key=lambda pair: pair[1] - pair[0]):
        first, *rest = (chr(code) for _, code in together)
        yield f"{first}-{rest[-1]}" if rest else first


MARKS = "".join(_ranges(code for code in MARKED_PLANES if category(chr(code)).startswith("M")))
"""Every combining mark, in any script."""
STRANGE = re.compile(f"({HIDDEN.pattern})\\1*|(?<=[{MARKS}]{{{MOST_MARKS}}})[{MARKS}]+")
"""A run of one hidden character, or the marks on a letter that are too many; the page's script has the same."""


def tamed(text: str) -> str:
    """A name, id or sentence made safe to print: hidden characters shown, surplus marks cut, length limited.

    >>> tamed("a\\x00" + "\\u0301" * 11)
    'a[U+0000]\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301[3 more marks]'
    """
    shown = STRANGE.sub(_stand_in, text[:LONGEST_LINE])
    rest = len(text) - LONGEST_LINE
    return f"{shown}… ({rest:,} more characters)" if rest > 0 else shown


def marked(text: str, spans: Sequence[Span] = (), form: Sequence[Span] = ()) -> Markup:
    """`text` as HTML with hidden characters shown and evidence highlighted; spans may overlap or extend past the end.

    Args:
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
    parts: list[Markup] = []
    last = 0
    for match in STRANGE.finditer(text):
        parts.append(escape(text[last : match.start()]))
        parts.append(Markup('<span class="hidden-character">{}</span>').format(_stand_in(match)))
        last = match.end()
    shown = Markup("").join([*parts, escape(text[last:])])
    if not active:
        return shown
    form = all(id(span) in quiet for span in active)
    labels = "; ".join(dict.fromkeys(tamed(span.label) for span in active))
    tag = '<mark class="form" title="{}">{}</mark>' if form else '<mark title="{}">{}</mark>'
    return Markup(tag).format(labels, shown)


def _stand_in(match: re.Match[str]) -> str:
    """The replacement of a run of one hidden character, or of surplus marks."""
    length = len(match[0])
    if match[1] is None:
        return f"[{length:,} more marks]"
    code = hidden_code(match[1])
    return code if length == 1 else f"{code[:-1]} × {length:,}]"
