"""Arguments and options that several commands have."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
RUN = click.argument("run", type=PATH)
RUNS = click.argument("runs", nargs=-1, required=True, type=PATH)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
OPEN = click.option("--open", "open_report", is_flag=True, help="Open the report in the browser.")
OUT = click.option("--out", type=PATH, help="Run directory.  [default: a new one under reports/]")
NEW_OUT = click.option("--out", type=PATH, help="New run directory.  [default: a new one under reports/]")
FORCE = click.option("--force", is_flag=True, help="Let --out overwrite a file that evalharness did not write.")
REPLACE_SUITE = click.option("--force", is_flag=True, help="Overwrite an existing suite.")
OUTPUT = click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path)
"""Checked before a run begins, so that hours of work never end at a file that cannot be written."""
CI_FLAGS = (
    click.option("--junit", type=OUTPUT, metavar="FILE", help="Write JUnit XML, one test case per rule."),
    click.option("--markdown", type=OUTPUT, metavar="FILE", help="Write the verdict as Markdown."),
    click.option(
        "--force", is_flag=True, help="Let --junit and --markdown overwrite files that evalharness did not write."
    ),
)
FORMATS = click.Choice(["auto", "raw", "chat", "icl"])
VARIANTS = click.Choice(["base", "instruct"])

GENERATION_FLAGS = (
    click.option("--max-tokens", type=click.IntRange(min=1), help="Longest completion, in tokens."),
    click.option("--temperature", type=click.FloatRange(min=0), help="0 is greedy.  [default: 0]"),
    click.option(
        "--context-length",
        type=click.IntRange(min=1),
        help="Context length of an Ollama model, in tokens.  [default: as long as the prompts need]",
    ),
    click.option("--seed", type=click.IntRange(min=0), help="Seed of generation and statistics.  [default: 0]"),
    click.option("--replicates", type=click.IntRange(min=1), help="Completions per sample; needs a temperature."),
    click.option("--limit", type=click.IntRange(min=1), help="Use only the first N samples of each suite."),
)
SIDE_FLAGS = (
    click.argument("config", required=False, type=PATH),
    click.option("--baseline", "--base", metavar="MODEL", help="Baseline checkpoint, such as hf/org/name."),
    click.option("--candidate", "--instruct", metavar="MODEL", help="Candidate checkpoint."),
    click.option("--baseline-format", type=FORMATS, help="How the baseline is prompted.  [default: auto]"),
    click.option("--candidate-format", type=FORMATS, help="How the candidate is prompted.  [default: auto]"),
    click.option("--baseline-variant", type=VARIANTS, help="Training stage of the baseline.  [default: base]"),
    click.option("--candidate-variant", type=VARIANTS, help="Training stage of the candidate.  [default: instruct]"),
    click.option("--suite", multiple=True, help="A suite's name or folder; repeatable.  [default: core]"),
    click.option(
        "--prompts",
        multiple=True,
        metavar="FILE",
        help="Your own prompts, without a suite: text (a line a prompt), CSV, JSON or JSON Lines; repeatable.",
    ),
    click.option("--system", metavar="TEXT", help="A system turn put before every prompt."),
    click.option(
        "-M",
        "option",
        multiple=True,
        metavar="[SIDE.]KEY=VALUE",
        help="Backend option, such as dtype=bfloat16 or baseline.device=cpu. An adapter without a side applies to "
        "the candidate.",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(min=1),
        help="Concurrent requests to a server.  [default: 1 to Ollama; as many as raise the throughput to others]",
    ),
)


class Interrupted(click.ClickException):
    """Ctrl-C; says what is kept."""

    exit_code = 130


class Suggesting(click.Group):
    """A group whose error for an unknown command says which one was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; `rnu` is answered with `run`."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1, cutoff=0.5)
            if not close:
                raise
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {close[0]!r}?", ctx) from error


SCORERS_MODEL = "_model"
"""What the names of those flags end in."""


class ScorerCommand(click.Command):
    """A command with a flag `--NAME-model` for each scorer that has one, looked up when the command is used."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The flags of the scorers come last, before `--help`."""
        *params, help_ = super().get_params(ctx)
        return [*params, *_model_flags(), help_]


def _model_flags() -> list[click.Parameter]:
    from evalharness.scorers import known_facts

    return [
        click.Option([f"--{facts.name}-model", f"{facts.name}{SCORERS_MODEL}"], metavar="MODEL", help=facts.model_help)
        for facts in known_facts()
        if facts.model_help
    ]


def margin_flag(help_: str) -> Callable[[Command], Command]:
    """`--margin`, in percentage points."""
    of_rates = click.FloatRange(0, 100, min_open=True, max_open=True)
    return click.option("--margin", type=of_rates, metavar="POINTS", help=help_)


OUT_FLAGS = (
    OUT,
    click.option("--resume", is_flag=True, help="Resume the run in --out: only missing completions are generated."),
    click.option(
        "--check-determinism",
        type=click.IntRange(min=0),
        metavar="K",
        help="Generate K samples a second time, one at a time.",
    ),
)


def with_flags(*groups: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    """Decorate a command with groups of options, kept in the order given."""

    def decorate(command: Command) -> Command:
        for flag in reversed([flag for group in groups for flag in group]):
            command = flag(command)
        return command

    return decorate
