"""`score`, `compare`, `report` and `show`: the later stages, run again on a finished run."""

import sys
from pathlib import Path

import click

from evalharness.cli.options import FORCE, JSON, NEW_OUT, OPEN, OUTPUT, PATH, RUN, RUNS, ScorerCommand, margin_flag
from evalharness.cli.sharing import REDACT, read_shared_profiles
from evalharness.cli.terminal import say, say_json
from evalharness.errors import ConfigError


@click.command(cls=ScorerCommand)
@RUN
@click.option(
    "--config",
    type=PATH,
    metavar="TOML",
    help="Use the [scorer.NAME] tables of this file from now on, your own scorers too.",
)
def score(run: Path, config: Path | None, **models: str | None) -> None:
    """Score a run's completions again, without generating.

    Compares and reports too. A model given here is remembered for the next scoring.
    """
    from evalharness import pipeline
    from evalharness.cli.display import finished
    from evalharness.cli.flags import scorer_models

    finished(pipeline.rescore(run, scorer_models(models), config))


@click.command()
@RUNS
@click.option("--baseline-checkpoint", metavar="NAME", help="Checkpoint of the first run.  [default: its candidate]")
@click.option(
    "--candidate-checkpoint", metavar="NAME", help="Checkpoint of the other runs.  [default: their candidates]"
)
@NEW_OUT
@margin_flag("Rates of the one run that differ by less are equivalent, from now on.")
@click.option("--markdown", type=OUTPUT, metavar="FILE", help="Write findings and differences as Markdown.")
@click.option("--force", is_flag=True, help="Let --markdown overwrite a file that evalharness did not write.")
@JSON
def compare(
    runs: tuple[Path, ...],
    baseline_checkpoint: str | None,
    candidate_checkpoint: str | None,
    out: Path | None,
    margin: float | None,
    markdown: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Print the paired differences of one run or several.

    With several runs, the candidate of the first is compared with the candidate of each other run on the samples they
    share, and a report is written.
    """
    from evalharness import pipeline
    from evalharness.cli.display import comparison_text, show_record
    from evalharness.export import export
    from evalharness.store.outputs import check_output, is_stdout, write_output

    if markdown:
        check_output(markdown, "--markdown", force=force)
    if len(runs) == 1:
        given = {"--baseline-checkpoint": baseline_checkpoint, "--candidate-checkpoint": candidate_checkpoint}
        options = {**given, "--out": out}
        for name, value in options.items():
            if value is not None:
                raise ConfigError(f"{name} needs several runs", fix="name a second run, or leave it out")
        compared = pipeline.recompare(runs[0], margin and margin / 100)
    else:
        if margin is not None:
            raise ConfigError("--margin needs a single run", fix="set it on the joint run: evalharness compare RUN")
        compared = pipeline.compare_runs(runs, out=out, baseline=baseline_checkpoint, candidate=candidate_checkpoint)
        say(f"Report: {compared.path / 'report.html'}", err=True)
    show_record(compared.compared, comparison_text, as_json, err=markdown is not None and is_stdout(markdown))
    if markdown:
        write_output(markdown, export(compared, "markdown").content, "--markdown", force=force)


@click.command()
@RUN
@OPEN
@click.option(
    "--out",
    type=PATH,
    help="Write the report to this file, to share it; the run's own report.html stays unchanged.",
)
@FORCE
@REDACT
@click.option(
    "--samples", type=click.IntRange(min=1), metavar="N", help="Show only N samples, drawn from all categories."
)
@click.option("--all-samples", is_flag=True, help="Show all samples, even if there are more than 2,000.")
def report(
    run: Path,
    open_report: bool,
    out: Path | None,
    force: bool,
    profiles: str | None,
    samples: int | None,
    all_samples: bool,
) -> None:
    """Write a run's HTML report again.

    With --out it is written to another file: complete, redacted or as an excerpt. A report shows at most 2,000 samples
    by default; its numbers always cover all samples. Before a redacted report is written, it is searched for the text
    that was removed.
    """
    from evalharness.store.outputs import is_stdout

    if samples and all_samples:
        raise ConfigError("--samples and --all-samples cannot be combined", fix="use only one of them")
    elsewhere = out or profiles is not None or samples
    samples = sys.maxsize if all_samples else samples
    path = _shared(run, out, profiles, samples, force=force) if elsewhere else _redrawn(run, all_samples=all_samples)
    say(path, err=is_stdout(path))
    if open_report:
        click.launch(str(path))


def _redrawn(run: Path, *, all_samples: bool) -> Path:
    from evalharness import pipeline
    from evalharness.report.excerpt import excerpt_in_words

    drawn = pipeline.redraw(run, all_samples=all_samples)
    if not all_samples and (note := excerpt_in_words(drawn)):
        say(note, err=True)
    return run / "report.html"


def _shared(run: Path, out: Path | None, profiles: str | None, samples: int | None, *, force: bool) -> Path:
    from evalharness import sharing

    if out is None:
        flag = "--redact" if profiles is not None else "--samples"
        raise ConfigError(f"{flag} does not change the run's own report", fix="add --out FILE, the report to share")
    chosen = read_shared_profiles(profiles) if profiles is not None else ()
    warning = sharing.share(run, out, profiles=chosen, samples=samples, force=force)
    if warning:
        say(f"Warning: {warning}", err=True)
    return out


@click.command()
@RUN
@click.argument("sample")
@JSON
def show(run: Path, sample: str, as_json: bool) -> None:
    """Show one sample: both completions with all scores."""
    from evalharness.cli.display import sample_text, show_record
    from evalharness.store.side_by_side import show as find

    result = find(run, sample)
    show_record(result, sample_text, as_json)


NOT_WHOLE = 5


@click.command()
@RUN
@JSON
def check(run: Path, as_json: bool) -> None:
    """Check that a run's files are complete and consistent.

    Reads every file and changes none. Exit codes: 0 the run is complete, 2 not a run or its manifest cannot be read, 5
    a file is damaged, missing or out of date; each problem is printed with a fix.
    """
    from evalharness.store.check import check_run

    checked = check_run(run)
    if as_json:
        say_json(checked.model_dump_json(indent=2))
    else:
        for problem in checked.problems:
            say(f"{problem.kind}: {problem.message}")
            say(f"  Fix: {problem.fix}")
        state = "whole" if checked.whole else f"not whole, problems: {len(checked.problems)}"
        say(f"{run}: {state}; {checked.outcomes:,} of {checked.requests:,} requests have an outcome")
    click.get_current_context().exit(0 if checked.whole else NOT_WHOLE)
