"""`score`, `compare`, `report` and `show`: later stages again, on a finished run."""

from pathlib import Path

import click

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
@RUN
@JSON
def compare(run: Path, as_json: bool) -> None:
    """Print the paired differences of a run."""
    from evalharness import pipeline
    from evalharness.cli.display import comparison_text

    comparison = pipeline.recompare(run)
    click.echo(comparison.model_dump_json(indent=2) if as_json else comparison_text(comparison))


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
