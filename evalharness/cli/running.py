"""`run` and `plan`: from a configuration or flags to a run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from evalharness.cli.gating import CiFiles, report_gate
from evalharness.cli.options import (
    CI_FLAGS,
    GENERATION_FLAGS,
    JSON,
    NEW_OUT,
    OPEN,
    OUT_FLAGS,
    PATH,
    RUNS,
    SIDE_FLAGS,
    Interrupted,
    ScorerCommand,
    margin_flag,
    with_flags,
)
from evalharness.cli.terminal import say

if TYPE_CHECKING:
    from evalharness.config import RunConfig, TokenSettings
    from evalharness.store import Run


@click.command(cls=ScorerCommand)
@with_flags(SIDE_FLAGS, GENERATION_FLAGS, OUT_FLAGS, CI_FLAGS)
@margin_flag("Rates that differ by less are equivalent.  [default: 5]")
@click.option(
    "--until-decided",
    is_flag=True,
    default=None,
    help="Generate in random order, and stop when every gate rule is settled.",
)
@click.option(
    "--decide",
    metavar="METRIC",
    multiple=True,
    help="With --until-decided: stop only when this difference is decided too. Repeatable.",
)
@click.option("--shard", metavar="I/N", help="Generate only part I of N, for `evalharness merge`.")
@click.option("--tokens", is_flag=True, help="Compare the two checkpoints token by token too, as [tokens] does.")
@OPEN
def run(
    open_report: bool,
    out: Path | None,
    resume: bool,
    junit: Path | None,
    markdown: Path | None,
    force: bool,
    tokens: bool,
    **flags: Any,
) -> None:
    """Run an experiment: generate, score, compare, check the gate and report.

    CONFIG is an evalharness.toml; without it, give --baseline and --candidate. With --resume and --out alone, the run
    continues with its own configuration. Exit codes: 0 done and every gate rule passed, 3 a rule failed, 4 a rule is
    undecided.
    """
    from evalharness.cli.flags import run_config
    from evalharness.config import TokenSettings
    from evalharness.errors import ConfigError
    from evalharness.store import RunStore

    if resume and out is None:
        raise ConfigError("--resume does not say which run", fix="name its directory with --out")
    goes_on = resume and out is not None and not (flags["config"] or flags["baseline"])
    source = click.get_current_context().get_parameter_source
    given = [name for name in flags if source(name) is ParameterSource.COMMANDLINE]
    if goes_on and given:
        raise ConfigError(
            f"--resume with --out alone takes the run's own configuration, and would ignore {', '.join(given)}",
            fix="leave those flags out, or repeat the whole command",
        )
    wanted = CiFiles(junit, markdown, force)
    wanted.check(out)
    config = RunStore(out).read_config() if out and goes_on else run_config(**flags)
    if tokens and config.shard is not None:
        raise ConfigError("--tokens needs the whole run", fix="merge the shards, then evalharness tokens RUN")
    if tokens and config.tokens is None:
        config = config.model_copy(update={"tokens": TokenSettings()})
    done = _run(config, out, resume=resume, open_report=open_report and config.tokens is None)
    if config.tokens is not None:
        read_tokens_of(done.path, config.tokens, open_report=open_report)
    click.get_current_context().exit(report_gate(done, wanted))


def read_tokens_of(
    path: Path, settings: "TokenSettings", *, open_report: bool, as_json: bool = False, **sides: str | None
) -> None:
    """Compare the checkpoints of a run token by token, and print the result."""
    from evalharness import pipeline
    from evalharness.cli.progress import make_progress
    from evalharness.cli.terminal import say, say_block, say_json
    from evalharness.cli.tokens import depth_text, tokens_text

    run = pipeline.read_tokens(path, settings, progress=make_progress(), **sides)
    compared, depth = run.tokens, run.depth if settings.depth else None
    assert compared is not None
    if as_json:
        measured = {"depth": depth.model_dump(mode="json")} if depth else {}
        say_json(json.dumps({**compared.model_dump(mode="json"), **measured}, indent=2))
    else:
        for text in (tokens_text(compared), *([depth_text(depth)] if depth else [])):
            say_block(text.rstrip("\n"))
    say(f"Report: {path / 'report.html'}", err=True)
    if open_report:
        click.launch(str(path / "report.html"))


def _run(config: "RunConfig", out: Path | None, *, resume: bool, open_report: bool) -> "Run":
    from evalharness import pipeline
    from evalharness.cli.display import finished, shard_finished
    from evalharness.cli.progress import make_progress

    out = out or pipeline.new_run_path(config)
    try:
        done = pipeline.run(config, out=out, resume=resume, progress=make_progress())
    except KeyboardInterrupt:
        begun = (out / "manifest.json").exists()
        goes_on = f"completions so far are saved; resume: evalharness run --out {out} --resume"
        raise Interrupted(f"interrupted; {goes_on if begun else 'nothing was generated yet'}") from None
    if config.shard is not None:
        shard_finished(done, config.shard)
    else:
        finished(done, open_report=open_report)
    return done


@click.command()
@RUNS
@NEW_OUT
@with_flags(CI_FLAGS)
@OPEN
def merge(runs: tuple[Path, ...], out: Path | None, open_report: bool, **ci_files: Any) -> None:
    """Merge the shards of a run, made with `run --shard`, then compare, check the gate and report.

    If a shard is missing, `run --out RUN --resume` generates its part in the merged run. Exit codes as of `run`.
    """
    from evalharness import pipeline
    from evalharness.cli.display import finished

    wanted = CiFiles(**ci_files)
    wanted.check(out)
    done = pipeline.merge(runs, out=out)
    finished(done, open_report=open_report)
    click.get_current_context().exit(report_gate(done, wanted))


@click.command(cls=ScorerCommand)
@with_flags(SIDE_FLAGS, GENERATION_FLAGS)
@click.option("--show", default=2, show_default=True, type=click.IntRange(min=0), help="Rendered prompts to show.")
@margin_flag("A change of a rate that matters: say how many pairs each metric needs.")
@click.option(
    "--disagreeing",
    type=click.FloatRange(0, 100, min_open=True),
    metavar="PERCENT",
    default=20.0,
    show_default=True,
    help="Pairs of a rate on which the two sides disagree.",
)
@click.option("--earlier", type=PATH, metavar="RUN", help="Take what is assumed from this run instead.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole plan as JSON.")
def plan(
    show: int, margin: float | None, disagreeing: float, earlier: Path | None, as_json: bool, **flags: Any
) -> None:
    """Show what would run, without generating anything.

    Prints the exact prompts, the prompt lint, an estimate of requests, tokens and memory, and whether the suites can
    decide the gate: the chance of each verdict if the candidate is no different from the baseline.
    """
    from evalharness import pipeline
    from evalharness.cli.display import plan_text, show_record
    from evalharness.cli.flags import run_config

    planned = pipeline.foresee(
        run_config(**flags, margin=margin),
        disagreeing=disagreeing / 100,
        earlier=earlier,
        of_metrics=margin is not None,
    )
    show_record(planned, lambda shown: plan_text(shown, show), as_json)


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
