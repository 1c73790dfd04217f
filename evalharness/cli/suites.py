"""`suite new` and `suite import`: a suite folder to keep."""

from collections import Counter
from pathlib import Path

import click

from evalharness.cli.options import PATH, REPLACE_SUITE, Suggesting
from evalharness.cli.terminal import say
from evalharness.errors import ConfigError

# Spelled out, because reading the registry would load pydantic for `--help`; a test compares the two.
FORMAT_NAMES = ("ifeval", "harmbench", "do-not-answer", "mt-bench", "xstest", "alpaca-eval", "plain")


@click.group(cls=Suggesting)
def suite() -> None:
    """Create prompt suites."""


@suite.command("new")
@click.argument("folder", type=PATH)
@REPLACE_SUITE
def new(folder: Path, force: bool) -> None:
    """Write a small suite into FOLDER, to be changed: a sample of each kind."""
    from evalharness.suites.import_prompts import new_suite

    made = new_suite(folder, force=force)
    say(f"Wrote {folder}: {len(made.samples)} samples to replace by your own, in {folder / 'samples.jsonl'}.")
    say(f"Use it: evalharness run --suite {folder} ...")


@suite.command("import")
@click.argument("file", type=PATH)
@click.option("--out", type=PATH, help="Folder to write.  [default: ./NAME]")
@click.option("--name", help="Name of the suite.  [default: the format's name, or the file's for a plain table]")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMAT_NAMES),
    help="Format of the file.  [default: detected from the columns]",
)
@click.option("--columns", help="Column names, such as prompt=text,category=type.")
@click.option("--license", "license_name", help="Overrides the data set's own.")
@click.option("--source", help="Overrides the data set's own.")
@REPLACE_SUITE
def import_(
    file: Path,
    out: Path | None,
    name: str | None,
    format_name: str | None,
    columns: str | None,
    license_name: str | None,
    source: str | None,
    force: bool,
) -> None:
    """Turn a prompt FILE into a suite folder.

    FILE is text (a line a prompt), CSV, JSON Lines or a JSON array: XSTest, IFEval, HarmBench behaviors, AlpacaEval,
    MT-Bench, Do-Not-Answer, or a plain table with a column of prompts. The format is detected from the column names.
    If any row is invalid, nothing is written.
    """
    from evalharness.store.outputs import refuse_run_file
    from evalharness.suites.import_prompts import Imported, ImportOptions, import_suite

    refuse_run_file(out or Path(name or ""), "--out")
    options = ImportOptions(out, name, format_name, read_columns(columns), license_name, source, force)
    imported: Imported = import_suite(file, options)
    from evalharness.suites.import_prompts.formats import FORMATS

    title = FORMATS[imported.format].title
    if imported.guessed:
        say(f"{file} looks like {title} (if not, set --format).")
    samples = imported.suite.samples
    expected = Counter(sample.expected for sample in samples if sample.expected)
    said = "".join(
        f", {count} expected to {'be refused' if name == 'refuse' else 'be answered'}"
        for name, count in sorted(expected.items())
    )
    categories = len({sample.category for sample in samples})
    say(f"Wrote {imported.folder}: samples {len(samples)}, categories {categories}{said}.")
    for note in imported.notes:
        say(f"  {note}.")
    say(f"Use it: evalharness run --suite {imported.folder} ...")


def read_columns(text: str | None) -> dict[str, str] | None:
    """The map of `--columns`; None without one."""
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    wrong = [ours for ours, sign, theirs in pairs if not sign or not ours.strip() or not theirs.strip()]
    if wrong or not pairs:
        raise ConfigError(
            f"--columns {text!r} is not of the form KEY=COLUMN", fix="write --columns prompt=text,category=type"
        )
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}
