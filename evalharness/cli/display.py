"""Results as text for the terminal, and progress on stderr."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeVar

import click
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from evalharness.cli.terminal import is_plain, say, say_block, say_json
from evalharness.formatting import (
    format_bytes,
    format_interval,
    format_number,
    format_p,
    format_points,
    format_share,
    one_line,
    visible,
)
from evalharness.records import (
    AATest,
    Chances,
    ChatPrompt,
    Comparison,
    Completion,
    GenerationRequest,
    MetricProspect,
    OtherComparison,
    PairedDifference,
    Plan,
    Prospects,
    RawPrompt,
    Record,
    ResolvedCheckpoint,
    Score,
)
from evalharness.store import Run
from evalharness.store.side_by_side import SideBySide

Shown = TypeVar("Shown", bound=Record)
WIDTH = 120
ASKED = {"comply": ", should be answered", "refuse": ", should be refused"}
LEVEL_STYLE = {"error": "bold red", "warning": "yellow", "note": "dim"}


def rendered(*parts: RenderableType) -> str:
    """Rich renderables as text, in colour only if stdout is a terminal."""
    is_terminal = False if is_plain(sys.stdout) else None
    console = Console(
        width=_width(), highlight=False, soft_wrap=False, markup=False, emoji=False, force_terminal=is_terminal
    )
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return capture.get()


def _width() -> int:
    """Columns of the terminal, at most `WIDTH`."""
    return min(shutil.get_terminal_size((WIDTH, 0)).columns, WIDTH) if sys.stdout.isatty() else WIDTH


def table(rows: Sequence[dict[str, object]]) -> str:
    """Rows with the same keys as a table; a sentence if there are none."""
    if not rows:
        return "none\n"
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for key in rows[0]:
        drawn.add_column(key.replace("_", " "), overflow="fold")
    for row in rows:
        drawn.add_row(*cells("" if value is None else str(value) for value in row.values()))
    return rendered(drawn)


def cells(texts: Iterable[str]) -> list[Text]:
    """Texts as cells of a table, each on one line with nothing hidden."""
    return [Text(one_line(text)) for text in texts]


def _numbers(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of numbers with a name in the first column."""
    drawn = Table(box=None, header_style="bold", pad_edge=False, title=title, title_justify="left")
    for name in columns:
        drawn.add_column(name, justify="right" if drawn.columns else "left")
    for row in rows:
        drawn.add_row(*cells(row))
    return drawn


def show_record(record: Shown, text_of: Callable[[Shown], str], as_json: bool, *, err: bool = False) -> None:
    """Print a record as JSON or as text."""
    if as_json:
        say_json(record.model_dump_json(indent=2), err=err)
    else:
        say_block(text_of(record).rstrip("\n"), err=err)


def finished(run: Run, *, open_report: bool = False) -> None:
    """The end of a run: the report's first screen as text, and the path of the report."""
    from evalharness.compare.headline import headline_of
    from evalharness.report.excerpt import excerpt_in_words

    report = run.path / "report.html"
    if run.comparison is not None:
        for line in headline_of(run.comparison, run.plan, run.observations).lines:
            say(line)
    if note := excerpt_in_words(run):
        say(note, err=True)
    for check in run.determinism:
        changed = f"{len(check.changed)} of {check.n} completions changed"
        say(f"{check.checkpoint}: {changed} when generated again, each alone")
    say(f"Report: {report}")
    if open_report:
        click.launch(str(report))


def shard_finished(run: Run, shard: str) -> None:
    """The end of a shard: how many of its requests have an outcome, and what comes next."""
    say(f"Shard {shard}: {len(run.outcomes):,} of {len(run.plan.requests):,} requests have an outcome: {run.path}")
    say("When all shards are done: evalharness merge SHARD... --out RUN")


def comparison_text(comparison: Comparison) -> str:
    """For each candidate all overall paired differences, headline metrics first, and the findings."""
    parts = _against_baseline(comparison.baseline, comparison)
    for other in comparison.other_comparisons:
        parts += ["", *_against_baseline(comparison.baseline, other)]
    return rendered(*parts)


def _against_baseline(baseline: str, compared: Comparison | OtherComparison) -> list[RenderableType]:
    title = Text(one_line(f"{compared.candidate} minus {baseline}"))
    drawn = Table(box=None, header_style="bold", pad_edge=False, title=title)
    overall = [difference for difference in compared.differences if difference.category is None]
    columns = ("metric", baseline, compared.candidate, "difference", "interval", "p, adjusted", "pairs", "verdict")
    rows = [_difference_cells(difference) for difference in sorted(overall, key=lambda row: row.exploratory)]
    kept = _that_fit([columns, *rows])
    for place in kept:
        justify: Literal["left", "right"] = "left" if columns[place] in ("metric", "verdict") else "right"
        drawn.add_column(Text(one_line(columns[place])), justify=justify, no_wrap=columns[place] != "verdict")
    for row in rows:
        drawn.add_row(*cells(row[place] for place in kept))
    return [drawn, "", *(f"{n}. {one_line(finding.sentence)}" for n, finding in enumerate(compared.findings, start=1))]


SPARED = ((5,), (6,), (1, 2))
"""Columns that a narrow terminal goes without: p, the number of pairs, then the two levels; `--json` has all."""


def _that_fit(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns of a table that fit next to each other, so that no name of a metric is cut."""
    widths = [max(len(one_line(row[place])) for row in rows) + 2 for place in range(len(rows[0]))]
    kept = list(range(len(widths)))
    for places in SPARED:
        if sum(widths[place] for place in kept) - 2 > _width():
            kept = [place for place in kept if place not in places]
    return kept


def _difference_cells(difference: PairedDifference) -> list[str]:
    if difference.difference is None:
        return [difference.metric, "", "", "", "", "", str(difference.n_pairs), difference.verdict]
    return [
        difference.metric,
        format_number(difference.baseline_mean),
        format_number(difference.candidate_mean),
        format_number(difference.difference, signed=True),
        format_interval(difference.interval),
        format_p(difference.p_adjusted),
        str(difference.n_pairs),
        _verdict(difference) + (" (exploratory)" if difference.exploratory else ""),
    ]


def _verdict(difference: PairedDifference) -> str:
    return f"equivalent within {difference.margin:g}" if difference.verdict == "equivalent" else difference.verdict


# ------------------------------------------------------------------------------------------------ plan


def plan_text(plan: Plan, prompts: int) -> str:
    """What would run: each checkpoint with its first prompts, then the lint and the estimate."""
    parts: list[RenderableType] = []
    for resolved in plan.checkpoints:
        requests = [request for request in plan.requests if request.checkpoint == resolved.name]
        parts += [_checkpoint_text(resolved), *(_prompt_panel(request) for request in requests[:prompts])]
    served = [checkpoint.name for checkpoint in plan.checkpoints if checkpoint.modelfile]
    unknown = f"unknown: Ollama reports it only with its answers ({', '.join(served)})"
    return rendered(
        *parts,
        *_lint_lines(plan),
        _estimate_table(plan),
        *([unknown] if served else []),
        *_prospect_lines(plan.prospects),
    )


def _checkpoint_text(resolved: ResolvedCheckpoint) -> Text:
    identity = resolved.identity
    facts = [identity.quantization, identity.device, identity.dtype, identity.attention]
    said = ", ".join(fact for fact in facts if fact)
    head = f"{resolved.name}: {resolved.checkpoint.model} ({resolved.checkpoint.variant}), prompt format "
    facts_below = f"\n{one_line(said)}\n{one_line(identity.weights_digest)}"
    return Text.assemble((f"{one_line(head)} ", "bold"), (resolved.checkpoint.prompt_format, "bold cyan"), facts_below)


def _prompt_panel(request: GenerationRequest) -> Panel:
    text = request.rendered if request.rendered is not None else _turns(request)
    ids = (
        f"{list(request.first_token_ids)} ... {list(request.last_token_ids)}"
        if request.first_token_ids
        else "not known"
    )
    title = f"{request.sample_id}, {request.prompt_tokens or '?'} tokens"
    return Panel(
        Text(visible(text)),
        title=Text(one_line(title)),
        subtitle=Text(f"token ids {ids}"),
        title_align="left",
        subtitle_align="left",
    )


def _turns(request: GenerationRequest) -> str:
    """What is sent to a server that renders the prompt itself."""
    match request.prompt:
        case ChatPrompt(messages=messages):
            return (
                "\n".join(f"[{message.role}] {message.content}" for message in messages)
                + "\n(the server adds its template)"
            )
        case RawPrompt(text=text):
            return text


def _lint_lines(plan: Plan) -> Iterable[Text]:
    if not plan.lint:
        yield Text("prompt lint: no problems", style="green")
    for finding in plan.lint:
        where = finding.checkpoint or "comparison"
        said = f" {one_line(where)}: {one_line(finding.message)}\n    fix: {one_line(finding.fix)}"
        yield Text.assemble((one_line(f"{finding.level} [{finding.code}]"), LEVEL_STYLE[finding.level]), said)


def _estimate_table(plan: Plan) -> Table:
    columns = ("checkpoint", "requests", "prompt tokens", "completion tokens at most", "memory at most")
    rows = (
        (
            estimate.checkpoint,
            f"{estimate.requests:,}",
            "not known" if estimate.prompt_tokens is None else f"{estimate.prompt_tokens:,}",
            f"{estimate.completion_tokens_at_most:,}",
            "not known" if estimate.memory_bytes is None else format_bytes(estimate.memory_bytes),
        )
        for estimate in plan.estimates
    )
    return _numbers("estimate", columns, rows)


def _prospect_lines(prospects: Prospects | None) -> Iterator[RenderableType]:
    """What a plan can decide: the rules with their chances and the metrics with their pairs; nothing without either."""
    if prospects is None:
        return
    if prospects.rules:
        of_rules = ("rule", "pairs", "passes", "undecided", "fails", "needed", "assumed")
        yield _numbers("chances if nothing changed", of_rules, _chances_of_rules(prospects))
        yield "needed: pairs with which all rules together pass with 80 % chance, if nothing changed"
    costliest = prospects.costliest
    if costliest is not None and costliest.needed is not None and costliest.needed > costliest.n:
        yield (
            f"{one_line(costliest.title)} costs most: it needs {costliest.needed:,} {costliest.counts}, and the suites "
            f"have {costliest.n:,}; add samples, or allow a larger bound"
        )
    if prospects.metrics:
        of_metrics = ("metric", "pairs", "margin", "to show it", "to exclude it", "can show")
        yield _numbers("pairs that metrics need (80 % chance)", of_metrics, map(_needs, prospects.metrics))


def _chances_of_rules(prospects: Prospects) -> Iterator[Sequence[str]]:
    for rule in prospects.rules:
        needed = "not known" if rule.needed is None else f"{rule.needed:,}"
        yield rule.title, f"{rule.n:,}", *_chances(rule.chances), needed, rule.assumed
    if prospects.gate is not None:
        yield "the gate", "", *_chances(prospects.gate), "", ""


def _chances(chances: Chances | None) -> list[str]:
    if chances is None:
        return ["not known"] * 3
    return [format_share(chance) for chance in (chances.passes, chances.undecided, chances.fails)]


def _needs(metric: MetricProspect) -> Sequence[str]:
    def amount(size: float) -> str:
        return format_points(size, digits=1).lstrip("+") if metric.is_rate else format_number(size)

    can = "nothing" if metric.smallest is None else amount(metric.smallest)
    return metric.metric, f"{metric.n:,}", amount(metric.margin), f"{metric.to_show:,}", f"{metric.to_exclude:,}", can


# ------------------------------------------------------------------------------------------------ show


def sample_text(shown: SideBySide) -> str:
    """One sample: its prompt, then each checkpoint's completion with its scores."""
    panels = [
        Panel(Text(visible(_cell_text(cell))), title=Text(one_line(cell.checkpoint)), width=WIDTH // 2 - 2)
        for cell in shown.cells
    ]
    title = f"{shown.sample.id}{ASKED.get(shown.sample.expected or '', '')}"
    prompt = Panel(Text(visible(shown.sample.prompt)), title=Text(one_line(title)), title_align="left")
    return rendered(prompt, Columns(panels, padding=(0, 1)))


def _cell_text(cell: "SideBySide.Cell") -> str:
    match cell.outcome:
        case Completion(text=text, finish_reason=reason):
            lines = [text, "", f"finish reason: {reason or 'not recorded'}"]
        case None:
            lines = ["not generated yet"]
        case failure:
            lines = [f"failure ({failure.kind}): {failure.message}"]
    lines += [f"{score.scorer}: {_label(score)}  {score.explanation}".rstrip() for score in cell.scores]
    return "\n".join(lines)


def _label(score: Score) -> str:
    """The label, or the values of a score without a label, such as a reward."""
    values = ", ".join(f"{name} {format_number(value)}" for name, value in score.values.items())
    return score.label or values or score.status


# --------------------------------------------------------------------------------------------- A/A test


def aa_test_text(test: AATest) -> str:
    """How much a checkpoint differed from itself, metric by metric, largest first."""
    head = f"{test.checkpoint}: {test.determinism}; in other batches {test.n_changed} of "
    noise = sorted(test.noise.items(), key=lambda pair: -pair[1])
    rows: list[dict[str, object]] = [
        {"metric": metric, "shared noise": f"{size:.3g}"} for metric, size in noise if size
    ]
    none = "No metric shifted as a whole: the paired intervals already hold the noise of single samples.\n"
    said = table(rows) if rows else none
    return f"{head}{test.n} completions changed\n\n{said}"
