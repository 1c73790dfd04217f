"""`gate`: the verdict on a finished run, for people and for CI."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalharness.cli.options import CI_FLAGS, JSON, PATH, RUN, with_flags
from evalharness.cli.terminal import on_github, say_command
from evalharness.errors import StoreError

if TYPE_CHECKING:
    from evalharness.records import Comparison, GateReport
    from evalharness.store import Run

EXIT_CODES = {"pass": 0, "fail": 3, "undecided": 4}


@dataclass(frozen=True)
class CiFiles:
    """Which files a CI system is to read."""

    junit: Path | None = None
    markdown: Path | None = None
    force: bool = False

    @property
    def fill_stdout(self) -> bool:
        """Whether stdout is one of them, so that the text for people goes to stderr."""
        from evalharness.store.outputs import is_stdout

        return any(path is not None and is_stdout(path) for path in (self.junit, self.markdown))

    def check(self, run: Path | None) -> None:
        """Refuse what cannot be written before the work begins; `run` may still be to be made."""
        from evalharness.store.outputs import check_output

        for path, flag in ((self.junit, "--junit"), (self.markdown, "--markdown")):
            if path is not None:
                check_output(path, flag, force=self.force, run=run)

    def write(self, report: "GateReport", comparison: "Comparison") -> None:
        """Write them, and add to the summary of a GitHub job."""
        from evalharness.gate import ci
        from evalharness.store.outputs import append_output, write_output

        summary = ci.markdown(report, comparison).encode()
        if self.junit is not None:
            write_output(self.junit, ci.junit(report).encode(), "--junit", force=self.force)
        if self.markdown is not None:
            write_output(self.markdown, summary, "--markdown", force=self.force)
        if os.environ.get("GITHUB_STEP_SUMMARY"):
            append_output(Path(os.environ["GITHUB_STEP_SUMMARY"]), summary, "GITHUB_STEP_SUMMARY")


@click.command()
@RUN
@click.option("--config", type=PATH, help="TOML file with the rules.  [default: the run's own]")
@with_flags(CI_FLAGS)
@JSON
def gate(run: Path, config: Path | None, as_json: bool, **ci_files: Any) -> None:
    """Check a finished run against its gate rules.

    Exit codes: 0 all rules pass, 3 a rule failed, 4 none failed but one is undecided. On GitHub, the verdict is added
    to the job summary, and each rule that did not pass becomes an annotation.
    """
    from evalharness import pipeline

    wanted = CiFiles(**ci_files)
    wanted.check(run)
    click.get_current_context().exit(report_gate(pipeline.regate(run, config), wanted, as_json=as_json))


def report_gate(run: "Run", wanted: CiFiles, *, as_json: bool = False) -> int:
    """Print a run's gate, write what CI reads, and return the exit code.

    Raises:
        SharingError: a file cannot be written.
        StoreError: there is no gate, and a checkpoint completed nothing at all.
    """
    from evalharness.cli.display import show_record
    from evalharness.gate import ci

    report = run.gate
    if report is None:
        # A run without a gate still fails if one checkpoint completed nothing.
        for checkpoint in run.plan.checkpoints:
            counts = run.observations.counts(checkpoint.name)
            if not counts.completed:
                raise StoreError(
                    f"{checkpoint.name} completed none of {counts.asked:,} requests, so nothing was compared",
                    fix=f"see the reasons in {run.path / 'report.html'}; --resume retries what may succeed",
                )
        return 0
    show_record(report, _text, as_json, err=wanted.fill_stdout)
    if on_github():
        for line in ci.annotations(report):
            # GitHub reads both streams; JSON on stdout stays JSON.
            say_command(line, err=as_json or wanted.fill_stdout)
    wanted.write(report, run.compared)
    return EXIT_CODES[report.verdict]


def _text(report: "GateReport") -> str:
    from evalharness.cli.display import table
    from evalharness.gate.ci import named

    rows: list[dict[str, object]] = [
        {"rule": named(result.title), "verdict": result.verdict, "reason": named(result.reason)}
        for result in report.results
    ]
    against = [f"{named(result.title)}: {result.headline}" for result in report.results if result.against]
    count = sum(result.verdict == "pass" for result in report.results)
    last = f"Gate: {report.verdict} ({count} of {len(report.results)} rules pass)"
    return "\n".join([table(rows), *against, last])
