"""How deep refusals go: for each side a curve over the number of given tokens, with sentences and all counts."""

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from evalharness.records.tokens import Author, DepthPoint, RefusalDepth
from evalharness.report.charts.axis import Scale
from evalharness.report.hidden_characters import tamed
from evalharness.report.token_section import axis_of, point_of, share_of
from evalharness.report.view import View

OTHER: Mapping[Author, Author] = {"baseline": "candidate", "candidate": "baseline"}


def make_depth_section(measured: RefusalDepth | None) -> View | None:
    """The section; None if `evalharness tokens --depth` was not run on the present outcomes and scores."""
    if measured is None:
        return None
    return View(sentences=measured.sentences, curves=tuple(_curves(measured)), remark=depth_remark(measured))


def _curves(measured: RefusalDepth) -> Iterator[View]:
    names: dict[Author, str] = {"baseline": measured.baseline, "candidate": measured.candidate}
    for author, alone in dict.fromkeys((one.author, one.refuses_alone) for one in measured.points):
        points = [one for one in measured.points if (one.author, one.refuses_alone) == (author, alone)]
        name, other = names[author], names[OTHER[author]]
        which = f"prompts that {name} refuses and {other} does not" if alone else f"prompts that {other} refuses"
        title = f"{name} refuses, given tokens of {other}'s completion: {which}"
        yield View(author=author, curve=_drawn(points, title), rows=tuple(map(_row, points)))


def _drawn(points: Sequence[DepthPoint], title: str) -> View:
    scale, across = Scale(0.0, 1.0, 0.5), Scale(0, max(len(points) - 1, 1), 1, 4.0)
    said = ", ".join(f"{one.k} tokens: {share_of(one.refuses) if one.refuses else 'none left'}" for one in points)
    dots = (point_of(across.across(at), one.refuses, scale) for at, one in enumerate(points) if one.refuses)
    drawing = Markup('<svg class="trend tone-first" role="img" aria-label="{}">{}</svg>').format(
        tamed(f"{title}; {said}"), Markup("").join(dots)
    )
    return View(
        title=title,
        top="100 %",
        drawing=drawing,
        axis=axis_of([(at, str(one.k)) for at, one in enumerate(points)], across),
    )


def _row(point: DepthPoint) -> tuple[str, ...]:
    counts = (point.n_given_refuses, point.n_unread, point.n_short)
    refuses = share_of(point.refuses) if point.refuses else "none left"
    return str(point.k), refuses, f"{point.n_samples:,}", *(f"{count:,}" for count in counts)


def depth_remark(measured: RefusalDepth) -> str:
    """Which prompts were chosen, and what failed."""
    left = [f"{measured.n_alike:,} because both sides refuse, or neither does"] if measured.n_alike else []
    left += [f"{measured.n_unread:,} because a side has no label or no tokens"] if measured.n_unread else []
    failed = f" Continuations that failed: {measured.n_failed:,}." if measured.n_failed else ""
    out = f"; left out: {', '.join(left)}" if left else ""
    return f"{measured.n_prompts:,} pairs of completions to prompts to refuse{out}.{failed}"
