"""`gate`: the verdict on a finished run, for people and for CI."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evalharness.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from evalharness.records import GateReport
    from evalharness.store import Run

EXIT_CODES = {"pass": 0, "fail": 3, "undecided": 4}
OUTPUT = click.Path(dir_okay=False, writable=True, path_type=Path)
"""Checked before a run begins, so that no hours end in a file that cannot be written."""
CI_FLAGS = (
    click.option("--junit", type=OUTPUT, metavar="FILE", help="Write JUnit XML, a case a rule."),
    click.option("--markdown", type=OUTPUT, metavar="FILE", help="Write the verdict as Markdown."),
)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with the rules; the run's own by default.")
@CI_FLAGS[0]
@CI_FLAGS[1]
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def gate(run: Path, config: Path | None, junit: Path | None, markdown: Path | None, as_json: bool) -> None:
    """Check a finished run against its gate rules.

    Exit codes: 0 all rules pass, 3 a rule failed, 4 none failed but one is undecided. On GitHub the verdict is added
    to the job's summary, and a rule that did not pass is annotated.
    """
    from evalharness import pipeline

    judged = pipeline.regate(run, config)
    click.get_current_context().exit(report_gate(judged, junit=junit, markdown=markdown, as_json=as_json))


def report_gate(run: "Run", *, junit: Path | None = None, markdown: Path | None = None, as_json: bool = False) -> int:
    """Print a run's gate, write what CI reads, and return the exit code.

    Raises:
        ConfigError: a file cannot be written.
        StoreError: there is no gate, and a checkpoint completed nothing at all.
    """
    from evalharness.gate import ci

    report = run.gate
    if report is None:
        _refuse_silence(run)
        return 0
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    text = report.model_dump_json(indent=2) if as_json else _text(report)
    click.echo(ci.inert(text) if on_github and not as_json else text)
    if on_github:
        for line in ci.annotations(report):
            # GitHub reads both streams; JSON on stdout stays JSON.
            click.echo(line, err=as_json)
    summary = ci.markdown(report, run.compared)
    if junit is not None:
        _write(junit, ci.junit(report), "--junit")
    if markdown is not None:
        _write(markdown, summary, "--markdown")
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        _write(Path(os.environ["GITHUB_STEP_SUMMARY"]), summary, "GITHUB_STEP_SUMMARY", append=True)
    return EXIT_CODES[report.verdict]


def _refuse_silence(run: "Run") -> None:
    """Without a gate nothing judges a run, but one of which a side is empty is no success either."""
    for checkpoint in run.plan.checkpoints:
        requests = run.requests_of(checkpoint.name)
        if not any(run.outcomes[one.id].type == "completion" for one in requests if one.id in run.outcomes):
            raise StoreError(
                f"{checkpoint.name} completed none of {len(requests):,} requests, so nothing was compared",
                fix=f"see why in {run.path / 'report.html'}; what may pass is tried again with --resume",
            )


def _write(path: Path, text: str, flag: str, *, append: bool = False) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if append else "w", encoding="utf-8") as handle:
            handle.write(text)
    except OSError as error:
        raise ConfigError(f"{flag}: {path} cannot be written: {error.strerror}", fix="give another place") from None


def _text(report: "GateReport") -> str:
    from evalharness.cli.display import table
    from evalharness.gate.ci.names import headline, named

    rows: list[dict[str, object]] = [
        {"rule": named(one.rule.title), "verdict": one.verdict, "reason": named(one.reason)} for one in report.results
    ]
    against = [f"{named(one.rule.title)}: {headline(one)}" for one in report.results if one.against]
    count = sum(one.verdict == "pass" for one in report.results)
    last = f"Gate: {report.verdict} ({count} of {len(report.results)} rules pass)"
    return "\n".join([table(rows), *against, last])
