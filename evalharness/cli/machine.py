"""`list`, `init` and `doctor`: what is there, and a configuration from it."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("list")
@click.argument("what", type=click.Choice(["suites", "models", "scorers", "runs"]))
@JSON
def list_(what: str, as_json: bool) -> None:
    """List suites, models, scorers or the runs under reports/."""
    from evalharness.cli import tables

    show_rows(
        {"suites": tables.suites, "models": tables.models, "scorers": tables.scorers, "runs": tables.runs}[what](),
        as_json,
    )


@click.command()
@click.option(
    "--out", default="evalharness.toml", show_default=True, type=click.Path(path_type=Path), help="File to write."
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(out: Path, force: bool) -> None:
    """Write a commented evalharness.toml.

    It names a pair of base and instruct checkpoints found on this machine.
    """
    from evalharness.machine.inventory import config_text
    from evalharness.store.outputs import check_output, is_stdout, write_output

    check_output(out, "--out", force=force)
    write_output(out, config_text(out).encode(), "--out", force=force)
    if not is_stdout(out):
        click.echo(f"wrote {out}; look at it, then: evalharness plan {out}")


@click.command()
@JSON
def doctor(as_json: bool) -> None:
    """Check this machine, each finding with a fix."""
    from evalharness.machine.doctor import examine

    show_rows([check.model_dump() for check in examine()], as_json)


def show_rows(rows: Sequence[dict[str, object]], as_json: bool) -> None:
    """Print rows as a table or as JSON."""
    from evalharness.cli.display import table

    click.echo(json.dumps(rows, indent=2) if as_json else table(rows), nl=as_json)
