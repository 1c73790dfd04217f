"""`import`: what another program generated, as a run."""

from pathlib import Path
from typing import Any

import click

from evalharness.cli.options import OPEN, OUT, PATH, VARIANTS
from evalharness.cli.suites import read_columns
from evalharness.cli.terminal import say


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=PATH)
@OUT
@click.option("--names", metavar="A,B", help="Names of the sides.  [default: their models']")
@click.option(
    "--columns", help="Columns of a table, such as prompt=question,text=answer or baseline=old,candidate=new."
)
@click.option(
    "--metrics", metavar="COLUMNS", help="Columns of a table that hold scores, such as bleu=higher,ter=lower."
)
@click.option(
    "--max-tokens", type=click.IntRange(min=1), help="With which limit the answers of a table were generated."
)
@click.option("--temperature", type=click.FloatRange(min=0), help="At which temperature; 0 is greedy.")
@click.option("--baseline-variant", type=VARIANTS, help="Training stage.  [default: from the model's name]")
@click.option("--candidate-variant", type=VARIANTS, help="Training stage.  [default: from the model's name]")
@click.option(
    "--config",
    type=PATH,
    metavar="TOML",
    help="Use the [scorer.NAME], [[gate]] and [compare] tables of this file.",
)
@OPEN
def import_(
    files: tuple[Path, ...],
    out: Path | None,
    open_report: bool,
    names: str | None,
    columns: str | None,
    metrics: str | None,
    max_tokens: int | None,
    temperature: float | None,
    baseline_variant: Any,
    candidate_variant: Any,
    config: Path | None,
) -> None:
    """Compare what another program generated.

    FILES are the baseline's, then the candidate's: samples_*.jsonl of lm-evaluation-harness or its output folders, logs
    of Inspect, or tables (CSV, JSON Lines, JSON, Parquet) with prompts and completions, or chat transcripts. One table
    may hold both sides. Their own scores are compared too. Exit codes are those of `run`.
    """
    from evalharness.cli.display import finished
    from evalharness.cli.gating import CiFiles, report_gate
    from evalharness.errors import ConfigError
    from evalharness.records import GenerationConfig
    from evalharness.sharing.import_runs import ImportChoices, import_run
    from evalharness.sharing.import_runs.tables import Columns

    if (max_tokens is None) != (temperature is None):
        raise ConfigError(
            "--max-tokens and --temperature are stated together", fix="add the other one, or leave both out"
        )
    stated = None
    if max_tokens is not None and temperature is not None:
        stated = GenerationConfig(max_tokens=max_tokens, temperature=temperature)
    given = Columns(read_columns(columns) or {}, _metrics(metrics), stated)
    choices = ImportChoices(given, _listed(names), (baseline_variant, candidate_variant), config)
    done = import_run(files, choices, out=out)
    for note in done.notes:
        say(f"{note}.", err=True)
    finished(done.run, open_report=open_report)
    click.get_current_context().exit(report_gate(done.run, CiFiles(None, None, False)))


def _metrics(text: str | None) -> dict[str, Any]:
    """Names of columns, each with the direction that is better, or None."""
    from evalharness.errors import ConfigError

    pairs = [part.partition("=") for part in _listed(text)]
    for name, _, better in pairs:
        if better not in ("", "higher", "lower"):
            raise ConfigError(f"--metrics {name}={better}: not a direction", fix=f"write {name}=higher or {name}=lower")
    return {name: better or None for name, _, better in pairs}


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
