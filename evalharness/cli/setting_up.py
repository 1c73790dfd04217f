"""`list`, `init` and `doctor`: what this machine has, and a configuration made from it."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from evalharness.cli.options import JSON, PATH
from evalharness.cli.terminal import say, say_block, say_json

GATED = ("refusal", "instructions", "style")
"""The bundled suites of one subject, which are large enough for a gate."""


@click.command("list")
@click.argument("what", type=click.Choice(["suites", "models", "scorers", "runs"]))
@JSON
def list_(what: str, as_json: bool) -> None:
    """List suites, models, scorers or the runs under reports/."""
    from evalharness.cli import machine

    show_rows(
        {"suites": machine.suites, "models": machine.models, "scorers": machine.scorers, "runs": machine.runs}[what](),
        as_json,
    )


@click.command()
@click.option("--out", default="evalharness.toml", show_default=True, type=PATH, help="File to write.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(out: Path, force: bool) -> None:
    """Write a commented evalharness.toml.

    It names a pair of base and instruct checkpoints found on this machine, and a gate that its suites can decide.
    """
    from evalharness.store.outputs import check_output, is_stdout, write_output

    check_output(out, "--out", force=force)
    write_output(out, _gated_config(out).encode(), "--out", force=force)
    if not is_stdout(out):
        say(f"wrote {out}; look at it, then: evalharness plan {out}")


def _gated_config(out: Path) -> str:
    """The configuration with the fine-tune gate of all bundled suites that have one subject."""
    from evalharness.cli.machine import config_text
    from evalharness.gate.presets import gate_text
    from evalharness.scorers import facts_of
    from evalharness.suites import load_suite

    suites = [load_suite(name) for name in GATED]
    names = dict.fromkeys(name for suite in suites for name in suite.scorers)
    metrics = [metric for name in names for metric in facts_of(name).metrics]
    return config_text(out, GATED) + gate_text(metrics, suites)


@click.command()
@click.argument("config", required=False, type=PATH)
@click.option("--model", multiple=True, metavar="MODEL", help="Ask this model for one token; repeatable.")
@JSON
def doctor(config: Path | None, model: tuple[str, ...], as_json: bool) -> None:
    """Check this machine; every problem comes with a fix.

    With CONFIG (an evalharness.toml) or --model, each model is loaded and asked for one token too; the exit code is 2
    if any of them fails.
    """
    from evalharness import pipeline
    from evalharness.backends.doctor import examine
    from evalharness.config import read_config
    from evalharness.prompting import guess_variant
    from evalharness.records import Checkpoint, GenerationConfig

    read = read_config(config, {}) if config else None
    checkpoints = [Checkpoint(name=name, model=name, variant=guess_variant(name) or "instruct") for name in model]
    checkpoints += read.checkpoints if read else ()
    checks = list(pipeline.try_models(checkpoints, read.generation if read else GenerationConfig()))
    show_rows([check.model_dump() for check in [*examine(), *checks]], as_json)
    if any(check.status == "missing" for check in checks):
        click.get_current_context().exit(2)


def show_rows(rows: Sequence[dict[str, object]], as_json: bool) -> None:
    """Print rows as a table or as JSON."""
    from evalharness.cli.display import table

    if as_json:
        say_json(json.dumps(rows, indent=2))
    else:
        say_block(table(rows), nl=False)
