"""`export` and `rate`: a run in other tools' formats, and people's ratings back into it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalharness.cli.terminal import on_github, say, say_block
from evalharness.errors import SharingError
from evalharness.text import COMMAND

if TYPE_CHECKING:
    from evalharness.export import Format
    from evalharness.sharing.redaction import Profile

RUN = click.argument("run", type=click.Path(path_type=Path))
REDACT = click.option(
    "--redact",
    "profiles",
    metavar="PROFILES",
    help="Take out harmful, completions, prompts or identity; several with commas.",
)
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
@REDACT
def export(
    run: Path, name: str, out: Path | None, force: bool, conversational: bool, profiles: str | None, **chosen: Any
) -> None:
    """Write a run in another tool's format.

    csv, parquet and jsonl hold one table; markdown a summary; trl preference pairs to train on; llm-comparator a file
    for that viewer.
    """
    from evalharness import pipeline, sharing
    from evalharness.export import FORMATS as KNOWN
    from evalharness.export import Choices
    from evalharness.export import export as export_run
    from evalharness.store import RunStore
    from evalharness.store.outputs import check_output, is_stdout, write_output

    place = _place(out, run, KNOWN[name], chosen["table"], name)
    check_output(place, "--out", force=force)
    choices = Choices(plain=not conversational, **chosen)
    if profiles is None:
        exported = export_run(pipeline.load_compared(RunStore(run)), name, choices)
    else:
        exported = sharing.export_redacted(run, name, choices, read_shared_profiles(profiles))
    if exported.note:
        say(exported.note, err=True)
    if is_stdout(place) and (sys.stdout.isatty() or on_github()):
        _show(exported.content)
    else:
        write_output(place, exported.content, "--out", force=force)
    if not is_stdout(place):
        say(place)


def read_shared_profiles(text: str) -> "tuple[Profile, ...]":
    """The profiles of `--redact`; whoever passes a file on is reminded of what stays in it."""
    from evalharness.sharing.redaction import STAYS, read_profiles

    profiles = read_profiles(text)
    say(f"Not removed: {STAYS}.", err=True)
    return profiles


def _place(out: Path | None, run: Path, known: "Format", table: str, name: str) -> Path:
    """The file to write; `-` for stdout."""
    if out is None:
        if not known.is_text and sys.stdout.isatty():
            raise SharingError(f"{name} is no text for a terminal", fix=f"add --out run.{known.suffix}")
        return Path("-")
    what = table if "table" in known.choices else name
    return out / f"{run.resolve().name}-{what}.{known.suffix}" if out.is_dir() else out


def _show(content: bytes) -> None:
    """On a terminal or in a log nothing that acts on it; in a log that is a pipe the bytes as they are, or nothing."""
    text = content.decode("utf-8", "replace")
    if sys.stdout.isatty():
        say_block(text, nl=False)
    elif COMMAND.search(text):
        raise SharingError("the export holds lines that GitHub would take for commands", fix="add --out FILE")
    else:
        sys.stdout.buffer.write(content)


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
    say(f"{total} ratings: {merged.new} new, {merged.changed} changed, {merged.same} known")
    say(f"Report: {run / 'report.html'}")
