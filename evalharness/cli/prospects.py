"""What a plan can decide, as text for the terminal."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table

from evalharness.records import Chances, MetricProspect, Prospects
from evalharness.text import format_number, format_points, format_share, one_line


def prospect_lines(prospects: Prospects | None) -> Iterator[RenderableType]:
    """The rules with their chances and the metrics with their pairs; nothing without either."""
    if prospects is None:
        return
    if prospects.rules:
        yield _rules(prospects)
        yield from _verdict(prospects)
    if prospects.metrics:
        yield _metrics(prospects)


def _rules(prospects: Prospects) -> Table:
    drawn = _table("chances if nothing changed", "rule", "pairs", "passes", "undecided", "fails", "needed", "assumed")
    for rule in prospects.rules:
        needed = "not known" if rule.needed is None else f"{rule.needed:,}"
        drawn.add_row(one_line(rule.title), f"{rule.n:,}", *_chances(rule.chances), needed, one_line(rule.assumed))
    if prospects.gate is not None:
        drawn.add_row("the gate", "", *_chances(prospects.gate), "", "")
    return drawn


def _chances(chances: Chances | None) -> list[str]:
    if chances is None:
        return ["not known"] * 3
    return [format_share(chance) for chance in (chances.passes, chances.undecided, chances.fails)]


def _verdict(prospects: Prospects) -> Iterator[str]:
    yield "needed: pairs with which all rules together pass with 80 % chance, if nothing changed"
    costliest = prospects.costliest
    if costliest is not None and costliest.needed is not None and costliest.needed > costliest.n:
        yield (
            f"{one_line(costliest.title)} costs most: it needs {costliest.needed:,} {costliest.counts}, and the suites "
            f"have {costliest.n:,}; add samples, or allow a larger bound"
        )


def _metrics(prospects: Prospects) -> Table:
    drawn = _table(
        "pairs that metrics need (80 % chance)", "metric", "pairs", "margin", "to show it", "to exclude it", "can show"
    )
    for metric in prospects.metrics:
        can = "nothing" if metric.smallest is None else _amount(metric, metric.smallest)
        sizes = f"{metric.n:,}", _amount(metric, metric.margin), f"{metric.to_show:,}", f"{metric.to_exclude:,}", can
        drawn.add_row(one_line(metric.metric), *sizes)
    return drawn


def _amount(prospect: MetricProspect, size: float) -> str:
    return format_points(size, digits=1).lstrip("+") if prospect.is_rate else format_number(size)


def _table(title: str, first: str, *others: str) -> Table:
    drawn = Table(box=None, header_style="bold", pad_edge=False, title=title, title_justify="left")
    drawn.add_column(first)
    for name in others:
        drawn.add_column(name, justify="right")
    return drawn
