"""`demo`: what the tuning of the bundled base checkpoint changed, and a regression that a gate catches."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalharness.cli.options import PATH
from evalharness.cli.terminal import say

if TYPE_CHECKING:
    from evalharness.store import Run

EXPERIMENTS = {
    "tuning": "What did the tuning change? Gemma 3 270M against the same weights with an adapter for chat.",
    "regression": "Is the next version safe to ship? That adapter against another, trained with too many refusals.",
}
VERDICTS = {
    "Shown": ("higher", "lower"),
    "No difference": ("equivalent",),
    "Undecided": ("undecided",),
}
AGAIN = 2
"""Completions of each checkpoint that are generated again on this machine."""


@click.command()
@click.option("--out", type=PATH, help="Folder for both runs.  [default: a new one in reports/]")
@click.option("--live", is_flag=True, help="Generate all completions on this machine, which takes minutes.")
@click.option("--tokens", is_flag=True, help="Compare base and tuned version token by token too, which takes minutes.")
@click.option("--open", "open_report", is_flag=True, help="Open the first report in the browser.")
def demo(out: Path | None, live: bool, tokens: bool, open_report: bool) -> None:
    """Compare a base checkpoint with its tuned version, then the tuned version with a regression.

    The completions are recorded; they are scored, compared and reported here, and a few are generated again. Needs no
    server and no download beyond the installed packages.
    """
    from evalharness import pipeline
    from evalharness.cli.display import finished
    from evalharness.cli.running import read_tokens_of
    from evalharness.config import TokenSettings

    out = out or pipeline.new_path(["demo"])
    runs = {}
    for name, question in EXPERIMENTS.items():
        say(question)
        runs[name] = (_generated if live else _recorded)(name, out / name)
        finished(runs[name], open_report=open_report and name == "tuning")
        say("")
    if not live:
        _reproduce(runs["tuning"])
    for line in (*_differences(runs["tuning"]), *_gate(runs["regression"])):
        say(line)
    if tokens:
        read_tokens_of(runs["tuning"].path, TokenSettings(), open_report=False)


def _generated(name: str, out: Path) -> "Run":
    from evalharness import pipeline
    from evalharness.cli.progress import make_progress
    from evalharness.config import read_config
    from evalharness.weights.bundled import demo_folder

    return pipeline.run(read_config(demo_folder() / f"{name}.toml"), out=out, progress=make_progress())


def _recorded(name: str, out: Path) -> "Run":
    from evalharness import pipeline
    from evalharness.errors import StoreError
    from evalharness.weights.bundled import demo_folder

    if out.exists():
        raise StoreError(f"{out} exists already", fix="name another folder with --out")
    shutil.copytree(demo_folder() / "recorded" / name, out)
    return pipeline.rescore(out)


def _reproduce(run: "Run") -> None:
    """Say whether this machine generates what was recorded, or why it cannot."""
    from evalharness import pipeline
    from evalharness.errors import MissingExtra

    say("Generating a few completions again on this machine, which takes up to two minutes")
    try:
        for made in pipeline.reproduce(run.path, AGAIN):
            same = made.n - len(made.changed)
            say(f"{made.checkpoint}: {same} of {made.n} completions are as recorded")
    except MissingExtra as error:
        say(f"not possible: {error.problem}; {error.fix}")


def _differences(run: "Run") -> Iterator[str]:
    """One difference that is shown, one that is too small to matter and one that is undecided, each with a sample."""
    from evalharness.compare.findings import finding_of

    compared = run.compared
    metrics = {metric.name: metric for metric in compared.metrics}
    for title, verdicts in VERDICTS.items():
        rows = [row for row in compared.differences if row.category is None and row.n_pairs and row.verdict in verdicts]
        for row in sorted(rows, key=lambda row: row.exploratory)[:1]:
            finding = finding_of(run.observations, metrics[row.metric], row, None, run.plan)
            yield f"{title}: {finding.sentence}"
            yield from _look_at(run, _alike(run, row.metric) if title == "No difference" else finding.sample_ids)


def _alike(run: "Run", metric: str) -> list[str]:
    """The samples on which both sides have the same value, as most have if there is no difference."""
    table, plan = run.observations, run.plan
    sides = [table.column(name, metric) for name in (plan.baseline, plan.candidate)]
    return [table.sample_ids[place] for place in table.suite_order if sides[0][place] == sides[1][place]]


def _gate(run: "Run") -> Iterator[str]:
    """The verdict, and the first rule that failed with a sample."""
    if run.gate is None:
        return
    yield f"Gate: {run.gate.verdict}"
    for result in [result for result in run.gate.results if result.verdict == "fail"][:1]:
        yield f"  {result.title}: {result.reason}"
        yield from _look_at(run, [sample.sample_id for sample in result.against])


def _look_at(run: "Run", samples: Sequence[str]) -> Iterator[str]:
    if samples:
        yield f"  see evalharness show {run.path} {samples[0]}"
