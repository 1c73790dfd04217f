"""Flags of `run` and `plan`, turned into a `RunConfig`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from evalharness.backends import backend_class
from evalharness.cli.options import SCORERS_MODEL
from evalharness.cli.terminal import say
from evalharness.config import COMMAND_LINE, RunConfig, build_config, read_config, sides_of
from evalharness.errors import ConfigError
from evalharness.formatting import counted
from evalharness.pipeline.planning import with_default_scorers
from evalharness.records import Checkpoint
from evalharness.suites.import_prompts import prompts_of

GENERATION = ("max_tokens", "temperature", "context_length")


def run_config(config: Path | None, baseline: str | None, candidate: str | None, **flags: Any) -> RunConfig:
    """An experiment from a file or from two models.

    Raises:
        ConfigError: neither a file nor two models are given, or a flag cannot be combined with a file.
    """
    sides = {name: flags.pop(name) for name in list(flags) if name.startswith(("baseline_", "candidate_"))}
    options, concurrency = flags.pop("option"), flags.pop("concurrency")
    if config is not None:
        _refuse_with_file(
            {
                **{f"--{name.replace('_', '-')}": value for name, value in sides.items()},
                "-M": options,
                "--concurrency": concurrency,
            }
        )
        return with_default_scorers(
            read_config(config, {"baseline": baseline, "candidate": candidate, **_overrides(flags)})
        )
    if not baseline or not candidate:
        raise ConfigError(
            "an experiment needs both a baseline and a candidate",
            fix="evalharness run --baseline hf/org/name --candidate hf/org/name-instruct, or give an evalharness.toml",
        )
    data = sides_of(
        (baseline, candidate),
        (sides["baseline_variant"] or "base", sides["candidate_variant"] or "instruct"),
        (sides["baseline_format"] or "auto", sides["candidate_format"] or "auto"),
    )
    tables = list(data["checkpoint"].values())
    for option in options:
        _set_option(option, tables)
    for table in tables:
        if concurrency and _is_served(table["model"]):
            table["options"]["concurrency"] = concurrency
    return with_default_scorers(build_config(data, _overrides(flags), source=COMMAND_LINE))


def _overrides(flags: dict[str, Any]) -> dict[str, Any]:
    prompts = list(_prompt_files(flags.pop("prompts", ())))
    lists = {"suite": [*flags.pop("suite", ()), *prompts] or None, "decide": list(flags.pop("decide", ())) or None}
    generation = {name: flags.pop(name, None) for name in GENERATION}
    generation["seed"] = flags.get("seed")
    scorer, margin = scorer_models(flags), flags.pop("margin", None)
    compare = {} if margin is None else {"margin": margin / 100}
    others = {name: value for name, value in flags.items() if not name.endswith(SCORERS_MODEL)}
    return {**others, **lists, "generation": generation, "scorer": scorer, "compare": compare}


def _prompt_files(names: Sequence[str]) -> Iterator[str]:
    """Files of `--prompts`, each with what was read from it."""
    for name in names:
        suite, notes = prompts_of(Path(name))
        said = [counted(len(suite.samples), "prompt"), *notes]
        say(f"{name}: {'; '.join(said)}", err=True)
        yield name


def scorer_models(flags: Mapping[str, Any]) -> dict[str, dict[str, JsonValue]]:
    """The scorers' settings that `--NAME-model` flags give."""
    given = {name.removesuffix(SCORERS_MODEL): flags[name] for name in flags if name.endswith(SCORERS_MODEL)}
    return {name: {"model": model} for name, model in given.items() if model}


def _is_served(model: str) -> bool:
    """Whether the model runs on a server, which takes several requests at once."""
    return getattr(backend_class(Checkpoint(name=model, model=model, variant="base")), "asks_a_server", False)


def _set_option(option: str, tables: Sequence[dict[str, Any]]) -> None:
    key, equals, value = option.partition("=")
    side, dot, name = key.rpartition(".")
    sides = {"baseline": tables[:1], "candidate": tables[1:], "": tables}
    if not equals or side not in sides or not name:
        wrong = "not of the form [SIDE.]KEY=VALUE" if not equals or side in sides else f"there is no side {side!r}"
        raise ConfigError(
            f"-M {option}: {wrong}",
            fix="write -M dtype=bfloat16, -M baseline.device=cpu or -M candidate.adapter=PATH",
        )
    for table in sides["candidate" if name == "adapter" and not dot else side]:
        table["options"][name] = parsed_value(value)


def parsed_value(value: str) -> str | int | bool:
    """The value of a backend option: a switch, a whole number, or text."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    return int(value) if value.isdecimal() and len(value) < 19 else value


def _refuse_with_file(flags: dict[str, Any]) -> None:
    for name, value in flags.items():
        if value:
            raise ConfigError(
                f"{name} cannot be combined with a configuration file",
                fix="set it in the file's [checkpoint] table",
            )
