"""`export` and `rate`: a run in other tools' formats, and people's ratings back into it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalharness.errors import SharingError

if TYPE_CHECKING:
    from evalharness.export import Format

RUN = click.argument("run", type=click.Path(path_type=Path))
FORMATS = ("csv", "parquet", "jsonl", "markdown", "trl", "llm-comparator")


@click.command()
@RUN
@click.option("--format", "name", required=True, type=click.Choice(FORMATS), help="What to write.")
@click.option(
    "--out", type=click.Path(allow_dash=True, path_type=Path), help="File, or an existing folder.  [default: stdout]"
)
@click.option("--force", is_flag=True, help="Let --out replace a file of another origin.")
@click.option(
    "--table",
    type=click.Choice(("completions", "scores", "differences")),
    default="completions",
    help="csv, parquet, jsonl: a row a completion, a value or a paired difference.  [default: completions]",
)
@click.option(
    "--source",
    type=click.Choice(("reward", "judge", "human")),
    default="reward",
    help="trl, llm-comparator: who says which side is preferred.  [default: reward]",
)
@click.option("--conversational/--plain", default=True, help="trl: messages, or plain texts.  [default: messages]")
@click.option("--min-margin", type=click.FloatRange(min=0), default=0.0, help="trl: leave out preferences by less.")
@click.option("--with-cut", is_flag=True, help="trl: keep pairs with a completion cut by the token limit.")
@click.option("--with-continuations", is_flag=True, help="trl: keep pairs of continuations of a plain text.")
def export(run: Path, name: str, out: Path | None, force: bool, conversational: bool, **chosen: Any) -> None:
    """Write a run in another tool's format.

    csv, parquet and jsonl hold one table; markdown a summary; trl preference pairs to train on; llm-comparator a file
    for that viewer.
    """
    from evalharness import pipeline
    from evalharness.export import FORMATS as KNOWN
    from evalharness.export import Choices
    from evalharness.export import export as export_run
    from evalharness.store.outputs import check_output, is_stdout, write_output

    place = _place(out, run, KNOWN[name], chosen["table"], name)
    check_output(place, "--out", force=force)
    loaded = pipeline.load_run(run)
    exported = export_run(loaded, name, Choices(plain=not conversational, **chosen))
    if exported.note:
        click.echo(exported.note, err=True)
    write_output(place, exported.content, "--out", force=force)
    if not is_stdout(place):
        click.echo(place)


def _place(out: Path | None, run: Path, known: "Format", table: str, name: str) -> Path:
    """The file to write; `-` for stdout."""
    if out is None:
        if not known.is_text and sys.stdout.isatty():
            raise SharingError(f"{name} is no text for a terminal", fix=f"add --out run.{known.suffix}")
        return Path("-")
    what = table if "table" in known.choices else name
    return out / f"{run.resolve().name}-{what}.{known.suffix}" if out.is_dir() else out


@click.group()
def rate() -> None:
    """Bring people's ratings into a run."""


@rate.command("import")
@RUN
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--rater", metavar="NAME", help="Who rated, in place of the name in the file.")
def import_(run: Path, file: Path, rater: str | None) -> None:
    """Store the ratings that a report's rating mode exported.

    One wrong line refuses the whole file. A later rating of the same person on the same pair replaces the earlier one.
    Compares and reports again.
    """
    from evalharness import sharing

    merged = sharing.import_ratings(run, file, rater)
    total = merged.new + merged.changed + merged.same
    click.echo(f"{total} ratings: {merged.new} new, {merged.changed} changed, {merged.same} known")
    click.echo(f"Report: {run / 'report.html'}")
