"""`score`, `compare`, `report` and `show`: later stages again, on a finished run."""

from pathlib import Path

import click

from evalharness.errors import ConfigError

RUN = click.argument("run", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@RUN
def score(run: Path) -> None:
    """Score a run's completions again.

    Compares and reports too; nothing is generated.
    """
    from evalharness import pipeline
    from evalharness.cli.display import finished

    finished(pipeline.rescore(run))


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--baseline-checkpoint", metavar="NAME", help="Checkpoint of the first run; its candidate by default.")
@click.option("--candidate-checkpoint", metavar="NAME", help="Checkpoint of the others; their candidates by default.")
@click.option("--out", type=click.Path(path_type=Path), help="New run directory; under reports/ by default.")
@JSON
def compare(
    runs: tuple[Path, ...],
    baseline_checkpoint: str | None,
    candidate_checkpoint: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Print the paired differences of a run, or of several.

    Given several runs, the first one's candidate is compared with that of each other run, on the samples that they
    share, and a report is written.
    """
    from evalharness import pipeline
    from evalharness.cli.display import comparison_text

    if len(runs) == 1:
        given = {"--baseline-checkpoint": baseline_checkpoint, "--candidate-checkpoint": candidate_checkpoint}
        _refuse_with_one_run({**given, "--out": out})
        comparison = pipeline.recompare(runs[0])
    else:
        joint = pipeline.compare_runs(runs, out=out, baseline=baseline_checkpoint, candidate=candidate_checkpoint)
        comparison = joint.compared
        click.echo(f"Report: {joint.path / 'report.html'}", err=True)
    click.echo(comparison.model_dump_json(indent=2) if as_json else comparison_text(comparison))


def _refuse_with_one_run(options: dict[str, object]) -> None:
    for name, value in options.items():
        if value is not None:
            raise ConfigError(f"{name} is for comparing several runs", fix="name a second run, or leave it out")


@click.command()
@RUN
@click.option("--open", "open_report", is_flag=True, help="Open the report in the browser.")
def report(run: Path, open_report: bool) -> None:
    """Write the HTML report of a run again."""
    from evalharness import pipeline

    path = pipeline.redraw(run)
    click.echo(path)
    if open_report:
        click.launch(str(path))


@click.command()
@RUN
@click.argument("sample")
@JSON
def show(run: Path, sample: str, as_json: bool) -> None:
    """Show one sample, both sides with all scores."""
    from evalharness import pipeline
    from evalharness.cli.display import sample_text

    side_by_side = pipeline.show(run, sample)
    click.echo(side_by_side.model_dump_json(indent=2) if as_json else sample_text(side_by_side))
