"""`export` and `rate`: a run in other tools' formats, and people's ratings back into it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalharness.cli.options import FORCE, PATH, RUN, Suggesting
from evalharness.cli.terminal import on_github, say, say_block
from evalharness.errors import SharingError
from evalharness.formatting import COMMAND

if TYPE_CHECKING:
    from evalharness.export import Format
    from evalharness.sharing.redaction import Profile

REDACT = click.option(
    "--redact",
    "profiles",
    metavar="PROFILES",
    help="Remove harmful, completions, prompts or identity; separate several with commas.",
)
FORMATS = ("csv", "parquet", "jsonl", "markdown", "model-card", "every-eval-ever", "badge", "trl")


@click.command()
@RUN
@click.option("--format", "name", required=True, type=click.Choice(FORMATS), help="What to write.")
@click.option(
    "--out",
    type=click.Path(allow_dash=True, path_type=Path),
    help="File or existing folder to write to.  [default: stdout]",
)
@FORCE
@click.option(
    "--table",
    type=click.Choice(("completions", "scores", "differences")),
    default="completions",
    help="csv, parquet, jsonl: one row per completion, score value or paired difference.  [default: completions]",
)
@click.option(
    "--source",
    type=click.Choice(("reward", "judge", "human")),
    default="reward",
    help="trl: whose preferences to export.  [default: reward]",
)
@click.option("--conversational/--plain", default=True, help="trl: messages, or plain texts.  [default: messages]")
@click.option(
    "--min-margin", type=click.FloatRange(min=0), default=0.0, help="trl: leave out pairs with a smaller margin."
)
@click.option("--with-truncated", is_flag=True, help="trl: keep pairs with a truncated completion.")
@click.option(
    "--with-continuations",
    is_flag=True,
    help="trl: keep pairs from continuation samples (plain text, not instructions).",
)
@click.option("--checkpoint", default="", help="every-eval-ever: whose results.  [default: the candidate]")
@REDACT
def export(
    run: Path, name: str, out: Path | None, force: bool, conversational: bool, profiles: str | None, **chosen: Any
) -> None:
    """Write a run in another tool's format.

    csv, parquet and jsonl hold one table, markdown a summary, model-card the evaluation of a model card,
    every-eval-ever one checkpoint's results in that format, badge the gate's verdict for shields.io, and trl preference
    pairs to train on.
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
    """The profiles of `--redact`; what is not removed is printed as a reminder."""
    from evalharness.sharing.redaction import STAYS, read_profiles

    profiles = read_profiles(text)
    say(f"Not removed: {STAYS}.", err=True)
    return profiles


def _place(out: Path | None, run: Path, known: "Format", table: str, name: str) -> Path:
    """The file to write; `-` for stdout."""
    if out is None:
        if not known.is_text and sys.stdout.isatty():
            raise SharingError(
                f"{name} is a binary format and is not printed to a terminal", fix=f"add --out run.{known.suffix}"
            )
        return Path("-")
    what = table if "table" in known.choices else name
    return out / f"{run.resolve().name}-{what}.{known.suffix}" if out.is_dir() else out


def _show(content: bytes) -> None:
    """Escape control characters on a terminal; a pipe gets the exact bytes, or an error if a CI log would act on
    them.
    """
    text = content.decode("utf-8", "replace")
    if sys.stdout.isatty():
        say_block(text, nl=False)
    elif COMMAND.search(text):
        raise SharingError(
            "the export holds lines that GitHub Actions would execute as workflow commands", fix="add --out FILE"
        )
    else:
        sys.stdout.buffer.write(content)


@click.group(cls=Suggesting)
def rate() -> None:
    """Import people's ratings into a run."""


@rate.command("import")
@RUN
@click.argument("file", type=PATH)
@click.option("--rater", metavar="NAME", help="The rater's name, instead of the one in the file.")
def import_(run: Path, file: Path, rater: str | None) -> None:
    """Import ratings that were exported from a report's rating mode.

    One invalid line rejects the whole file. A later rating by the same person of the same pair replaces the earlier
    one. The comparison and the report are updated.
    """
    from evalharness import sharing

    merged = sharing.import_ratings(run, file, rater)
    total = merged.new + merged.changed + merged.same
    say(f"{total} ratings: {merged.new} new, {merged.changed} changed, {merged.same} known")
    say(f"Report: {run / 'report.html'}")
