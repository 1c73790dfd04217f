"""Formatting of numbers, where only an exact 0 or 1 prints as 0 % or 100 %, and of untrusted text, made harmless."""

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalharness.records import Interval


def format_share(share: float | None, *, digits: int = 0) -> str:
    """A share between 0 and 1 as a percentage; `digits` applies unless it is exactly 0 or 1.

    >>> [format_share(value) for value in (0, 0.0004, 0.25, 0.9996, 1, None)]
    ['0 %', '0.1 %', '25 %', '99.9 %', '100 %', 'n/a']
    >>> [format_share(value, digits=1) for value in (0.0004, 0.25, 0.0485)]
    ['0.1 %', '25 %', '4.9 %']
    """
    if share is None:
        return "n/a"
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{min(max(100 * share, 0.1), 99.9):.1f} %"
    return f"{_rounded(100 * share, digits):g} %"


def _rounded(value: float, digits: int = 0) -> float:
    """Round to `digits` digits; halves round away from zero, as a reader who checks a difference expects."""
    scale = 10.0**digits
    return math.copysign(math.floor(abs(value) * scale + 0.5 + 1e-9), value) / scale


def format_rate(share: float, total: int) -> str:
    """A share with its count; the count may be fractional because a sample's replicates are averaged.

    >>> [format_rate(0.625, 8), format_rate(1 / 6, 2), format_rate(0, 0)]
    ['5 of 8 (63 %)', '0.33 of 2 (17 %)', 'n/a (nothing scored)']
    """
    return f"{round(share * total, 2):g} of {total} ({format_share(share)})" if total else "n/a (nothing scored)"


def format_points(difference: float, *, digits: int = 0) -> str:
    """A difference of two shares in percentage points, rounded to `digits` digits.

    >>> [format_points(value) for value in (0.625, -0.05, 0.002, -1e-6, 0)]
    ['+63 points', '-5 points', '+0.2 points', '-0.1 points', '0 points']
    >>> [format_points(value, digits=1) for value in (0.625, -0.05)]
    ['+62.5 points', '-5 points']
    """
    if difference == 0:
        return "0 points"
    if abs(difference) >= 0.01:
        return f"{_rounded(100 * difference, digits):+g} points"
    return f"{math.copysign(max(100 * abs(difference), 0.1), difference):+.1f} points"


def format_number(value: float | None, *, signed: bool = False) -> str:
    """A number with three significant digits or more.

    >>> [format_number(1234.5), format_number(0.12345), format_number(2.0, signed=True), format_number(None)]
    ['1,234', '0.123', '+2', 'n/a']
    """
    if value is None:
        return "n/a"
    sign = "+" if signed else ""
    if abs(value) >= 100:
        return f"{value:{sign},.0f}"
    return f"{value:{sign}.3g}"


def format_level(level: float) -> str:
    """A confidence level.

    >>> format_level(0.95), format_level(1 - 0.05 / 11)
    ('95 %', '99.5 %')
    """
    return f"{100 * level:.3g} %"


def format_interval(interval: "Interval | None") -> str:
    """Both ends of an interval.

    >>> from evalharness.records import Interval
    >>> [format_interval(Interval(low=-0.5, high=0.25)), format_interval(None)]
    ['-0.5 to +0.25', 'n/a']
    """
    if interval is None:
        return "n/a"
    return f"{format_number(interval.low, signed=True)} to {format_number(interval.high, signed=True)}"


def format_share_interval(interval: "Interval | None", *, digits: int = 0) -> str:
    """An interval of a share, in per cent.

    >>> from evalharness.records import Interval
    >>> format_share_interval(Interval(low=0.31, high=0.86))
    '31 to 86 %'
    """
    if interval is None:
        return "n/a"
    low, high = (format_share(end, digits=digits) for end in (interval.low, interval.high))
    return f"{low.removesuffix(' %')} to {high}"


def format_points_interval(interval: "Interval | None", *, digits: int = 0) -> str:
    """An interval of a difference of shares, in percentage points.

    >>> from evalharness.records import Interval
    >>> format_points_interval(Interval(low=-0.31, high=0.05))
    '-31 to +5 points'
    """
    if interval is None:
        return "n/a"
    low, high = (format_points(end, digits=digits) for end in (interval.low, interval.high))
    return f"{low.removesuffix(' points')} to {high}"


def counted(count: int, what: str) -> str:
    """A count with its noun.

    >>> counted(1, "pair"), counted(1234, "pair")
    ('1 pair', '1,234 pairs')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def in_groups(what: str, n: int, n_groups: int) -> str:
    """Counted samples or pairs, with what they are worth where prompts are related, such as a request and a look-alike.

    >>> in_groups("3 pairs", 3, 3), in_groups("396 pairs", 396, 324)
    ('3 pairs', '396 pairs (related prompts count together: 324 groups)')
    """
    return f"{what} (related prompts count together: {n_groups:,} groups)" if n_groups < n else what


ACTIVE = re.compile(r"[^\w ,;%+=()/.-]|_|(?<!\d)\.(?=\S)")
"""Characters with a meaning in Markdown, HTML or GitHub's links."""


def markdown_escaped(text: str) -> str:
    """One line of text that cannot become markup, a link, a mention or a second table cell.

    >>> markdown_escaped("<b>*x*|y\\nz")
    '&#60;b&#62;&#42;x&#42;&#124;y z'
    """
    return ACTIVE.sub(lambda sign: f"&#{ord(sign[0])};", one_line(text))


def format_mean(
    kind: str, mean: float | None, interval: "Interval | None" = None, *, digits: int = 0
) -> tuple[str, str]:
    """A metric's mean and its interval: of a rate in per cent, else as numbers.

    >>> format_mean("rate", 0.25), format_mean("mean", 2.0)
    (('25 %', 'n/a'), ('2', 'n/a'))
    """
    if kind == "rate":
        return format_share(mean, digits=digits), format_share_interval(interval, digits=digits)
    return format_number(mean), format_interval(interval)


def format_change(
    kind: str, difference: float | None, interval: "Interval | None" = None, *, digits: int = 0
) -> tuple[str, str]:
    """A metric's difference and its interval: of a rate in points, else as numbers.

    >>> format_change("rate", 0.25), format_change("mean", None)
    (('+25 points', 'n/a'), ('n/a', 'n/a'))
    """
    if kind == "rate" and difference is not None:
        return format_points(difference, digits=digits), format_points_interval(interval, digits=digits)
    return format_number(difference, signed=True), format_interval(interval)


def format_p(p_value: float | None) -> str:
    """A p-value; never rounded to 0.

    >>> [format_p(value) for value in (0.5, 0.0312, 0.00001, None)]
    ['0.50', '0.031', '< 0.001', 'n/a']
    """
    if p_value is None:
        return "n/a"
    if p_value < 0.001:
        return "< 0.001"
    return f"{p_value:.2f}" if p_value >= 0.1 else f"{p_value:.3f}"


def format_bytes(count: float) -> str:
    """Bytes in binary units.

    >>> [format_bytes(512), format_bytes(98_362_432), format_bytes(2**30 - 2**20)]
    ['512 B', '94 MiB', '1.0 GiB']
    """
    if count >= 1000 * 2**20:
        return f"{count / 2**30:.1f} GiB"
    return f"{count / 2**20:.0f} MiB" if count >= 2**20 else f"{count:.0f} B"


# -------------------------------------------------------------------------------------- untrusted text

# Joiners (U+200C and U+200D) are left: Persian, Indic scripts and many emoji are spelt with them.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """`text` with every hidden character replaced by a visible one.

    >>> visible("a\\x00b\\u202ec\\nd")
    'a[U+0000]b[U+202E]c\\nd'
    """
    return HIDDEN.sub(lambda match: hidden_code(match.group()), text)


def hidden_code(character: str) -> str:
    """The visible replacement of a hidden character."""
    return f"[U+{ord(character):04X}]"


COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#(?:\[|vso))", re.MULTILINE)


def inert(text: str) -> str:
    """`text` for a CI log, with workflow commands disabled.

    >>> inert("::stop-commands::x"), inert("a ##[error]b"), inert("a :: b")
    (': :stop-commands::x', 'a # #[error]b', 'a :: b')
    """
    return COMMAND.sub(lambda match: f"{match[0]} ", text)


def one_line(text: str) -> str:
    """`text` on one line, with hidden characters shown.

    >>> one_line("a\\x1b[31m\\n  b")
    'a[U+001B][31m b'
    """
    return " ".join(visible(text).split())
