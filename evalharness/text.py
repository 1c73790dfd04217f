"""Numbers become text here and nowhere else, honestly: only an exact 0 or 1 prints as 0 % or 100 %."""

import math

from evalharness.records import Interval


def format_share(share: float | None) -> str:
    """A share between 0 and 1 as a percentage.

    >>> [format_share(value) for value in (0, 0.0004, 0.25, 0.9996, 1, None)]
    ['0 %', '0.1 %', '25 %', '99.9 %', '100 %', 'n/a']
    """
    if share is None:
        return "n/a"
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{min(max(100 * share, 0.1), 99.9):.1f} %"
    return f"{100 * share:.0f} %"


def format_rate(successes: float, total: int) -> str:
    """A count of a total, with its share.

    >>> [format_rate(5, 8), format_rate(0, 0)]
    ['5 of 8 (62 %)', 'n/a (nothing scored)']
    """
    return f"{successes:g} of {total} ({format_share(successes / total)})" if total else "n/a (nothing scored)"


def format_points(difference: float) -> str:
    """A difference of two shares in percentage points.

    >>> [format_points(value) for value in (0.625, -0.05, 0.002, -1e-6, 0)]
    ['+62 points', '-5 points', '+0.2 points', '-0.1 points', '0 points']
    """
    if difference == 0:
        return "0 points"
    if abs(difference) >= 0.01:
        return f"{100 * difference:+.0f} points"
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


def format_interval(interval: Interval | None) -> str:
    """Both ends of an interval.

    >>> [format_interval(Interval(low=-0.5, high=0.25)), format_interval(None)]
    ['-0.5 to +0.25', 'n/a']
    """
    if interval is None:
        return "n/a"
    return f"{format_number(interval.low, signed=True)} to {format_number(interval.high, signed=True)}"


def format_share_interval(interval: Interval | None) -> str:
    """An interval of a share, in per cent.

    >>> format_share_interval(Interval(low=0.31, high=0.86))
    '31 to 86 %'
    """
    if interval is None:
        return "n/a"
    return f"{format_share(interval.low).removesuffix(' %')} to {format_share(interval.high)}"


def format_points_interval(interval: Interval | None) -> str:
    """An interval of a difference of shares, in percentage points.

    >>> format_points_interval(Interval(low=-0.31, high=0.05))
    '-31 to +5 points'
    """
    if interval is None:
        return "n/a"
    return f"{format_points(interval.low).removesuffix(' points')} to {format_points(interval.high)}"


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
