"""`aa-test`: how much the baseline differs from itself."""

from pathlib import Path
from typing import Any

import click

from evalharness.cli.options import GENERATION_FLAGS, JSON, PATH, SIDE_FLAGS, ScorerCommand, with_flags
from evalharness.cli.terminal import say


@click.command(cls=ScorerCommand)
@with_flags(SIDE_FLAGS, GENERATION_FLAGS)
@click.option("--out", required=True, type=PATH, help="Run directory to write.")
@click.option("--resume", is_flag=True, help="Resume the interrupted A/A test in --out.")
@JSON
def aa_test(out: Path, resume: bool, as_json: bool, **flags: Any) -> None:
    """Measure how much the baseline differs from itself.

    The baseline is generated twice, in different batches, and with different seeds if the temperature is above 0. Name
    the directory in evalharness.toml (aa_test = "DIR"), and gate rules allow for the noise it measured.
    """
    from evalharness.cli.display import aa_test_text, show_record
    from evalharness.cli.flags import run_config
    from evalharness.cli.progress import make_progress
    from evalharness.pipeline import run_aa_test

    result = run_aa_test(run_config(**flags), out=out, resume=resume, progress=make_progress())
    show_record(result, aa_test_text, as_json)
    say(f'In evalharness.toml: aa_test = "{out}"', err=True)
