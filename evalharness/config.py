"""`evalharness.toml` and command-line overrides, as one validated `RunConfig`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import Field, JsonValue, PrivateAttr, ValidationError, field_validator, model_validator

from evalharness.errors import ConfigError, near
from evalharness.formatting import one_line
from evalharness.parsing import Unparsable, parse_toml
from evalharness.records import Checkpoint, GateRule, GenerationConfig, Metric, Record, explain

NO_MODEL = "none"
Table = TypeVar("Table", bound=Record)


MARGIN = 0.05
"""Within which rates are equivalent if neither the user nor the metric says."""
Margin = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]


class CompareSettings(Record):
    """The `[compare]` table: which changes are too small to matter."""

    margin: Annotated[float, Field(gt=0, lt=1, strict=True)] | None = None
    """For every rate, as a share."""
    margins: dict[str, Margin] = Field(default_factory=dict)
    """By metric, in its unit."""

    def margined(self, metrics: Sequence[Metric]) -> list[Metric]:
        """The metrics with their margins: the user's, else the metric's own, else 5 points for a rate.

        Raises:
            ConfigError: a margin of a metric that there is not.
        """
        if unknown := set(self.margins) - {metric.name for metric in metrics}:
            raise ConfigError(
                f"[compare.margins]: there is no metric {min(unknown)!r}",
                fix=near(min(unknown), [metric.name for metric in metrics], "see `evalharness list scorers`"),
            )
        return [metric.model_copy(update={"margin": self._margin(metric)}) for metric in metrics]

    def _margin(self, metric: Metric) -> float | None:
        if metric.name in self.margins:
            return self.margins[metric.name]
        of_rates = (self.margin, metric.margin, MARGIN) if metric.kind == "rate" else (metric.margin,)
        return next((one for one in of_rates if one is not None), None)


PRESET: Literal["fine-tune"] = "fine-tune"
PART = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})", re.ASCII)


class GateSettings(Record):
    """The `[gate]` table, or the list of `[[gate]]` tables."""

    preset: Literal["fine-tune"] | None = None
    rules: tuple[GateRule, ...] = ()


class TokenSettings(Record):
    """The `[tokens]` table: what `evalharness tokens` does at the end of a run."""

    limit: Annotated[int, Field(ge=1, strict=True)] | None = None
    """Read at most so many samples, drawn at random; left out: all."""
    shared: Annotated[bool, Field(strict=True)] = True
    """Read each completion after both prompts too, which tells the prompt format from the weights."""
    depth: Annotated[bool, Field(strict=True)] = False
    """Generate too: each checkpoint continues the first 1 to 20 tokens of the other's completions to prompts that one
    of them refuses."""


class RunConfig(Record):
    """One experiment: the suites, the checkpoints and how completions are generated."""

    suites: tuple[str, ...] = ("core",)
    """Names under `prompts/`, folders, or files of prompts."""
    system: str | None = Field(None, min_length=1)
    """A system turn put before every prompt."""
    baseline: str = "base"
    """The checkpoint that the others are compared with."""
    candidate: str = "instruct"
    """The checkpoint that the verdict is about."""
    checkpoints: tuple[Checkpoint, ...] = Field(min_length=2)
    """The baseline, the candidate, then any others."""
    generation: GenerationConfig = GenerationConfig()
    seed: int = Field(0, ge=0)
    """Of every draw: completions, resampling, random orders."""
    replicates: int = Field(1, ge=1)
    """Completions of each prompt; more than 1 needs a temperature above 0."""
    limit: int | None = Field(None, ge=1)
    """Use only the first `limit` samples of each suite."""
    check_determinism: int = Field(0, ge=0)
    scorer: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    """Settings by scorer. A scorer named here judges all suites, unless its model is `none`."""
    gate: tuple[GateRule, ...] = ()
    """Rules that the candidate must be shown to meet."""
    preset: Literal["fine-tune"] | None = None
    """Which rules are added, from what the suites measure; None once they are."""
    compare: CompareSettings = CompareSettings()
    until_decided: bool = False
    """Generate in random order, and stop when every gate rule is settled, and every metric of `decide`."""
    decide: tuple[str, ...] = ()
    """Metrics whose difference must be decided (higher, lower or equivalent) before a run stops."""
    aa_test: str | None = None
    """The run directory of an A/A test of the baseline, whose noise the gate allows for."""
    tokens: TokenSettings | None = None
    """Compare the two checkpoints token by token, at the end of the run."""
    shard: str | None = None
    """Generate only this part of the samples, such as `3/8`, to be merged with the others."""

    _file: Path | None = PrivateAttr(None)

    @property
    def folder(self) -> Path | None:
        """Where the file is that the user named; None for a configuration of a run, which may name no code to run."""
        return self._file and self._file.parent

    @property
    def source(self) -> str:
        """The file that the user named, for messages; empty without one."""
        return str(self._file or "")

    def of_file(self, file: Path) -> "RunConfig":
        """The same, read from this file."""
        copy = self.model_copy()
        copy._file = file
        return copy

    @field_validator("suites")
    @classmethod
    def _at_least_one_suite(cls, suites: tuple[str, ...]) -> tuple[str, ...]:
        if not suites:
            raise ValueError("needs at least one suite")
        return suites

    @field_validator("shard")
    @classmethod
    def _is_a_part(cls, shard: str | None) -> str | None:
        part = PART.fullmatch("1/1" if shard is None else shard)
        if part is None or int(part[1]) > int(part[2]):
            raise ValueError(f"{shard} is no part of a run; write I/N with I from 1 to N, such as 2/8")
        return shard

    @property
    def extra_scorers(self) -> dict[str, dict[str, JsonValue]]:
        """The scorers that judge all suites, with their settings."""
        return {name: settings for name, settings in self.scorer.items() if settings.get("model") != NO_MODEL}

    @model_validator(mode="after")
    def _sides_are_checkpoints(self) -> "RunConfig":
        names = [checkpoint.name for checkpoint in self.checkpoints]
        for side in (self.baseline, self.candidate):
            if side not in names:
                raise ValueError(f"there is no checkpoint {side!r}; the checkpoints are {', '.join(map(repr, names))}")
        if self.baseline == self.candidate:
            raise ValueError(f"baseline and candidate are both {self.baseline!r}")
        if self.until_decided and not (self.gate or self.preset or self.decide):
            raise ValueError('until_decided needs gate rules or a metric: decide = ["METRIC"], or --decide METRIC')
        if self.decide and not self.until_decided:
            raise ValueError("decide needs until_decided = true")
        if self.shard is not None and self.until_decided:
            raise ValueError("a shard cannot tell when the whole run is decided; leave out until_decided")
        if self.shard is not None and self.tokens is not None:
            raise ValueError("a shard cannot be read; leave out tokens, merge the shards, then evalharness tokens RUN")
        if self.replicates > 1 and self.generation.temperature == 0:
            raise ValueError("replicates of a greedy generation are identical; set a temperature above 0")
        return self


TOP_LEVEL = (
    *("suite", "system", "baseline", "candidate", "seed", "replicates", "limit"),
    *("checkpoint", "generation", "scorer", "gate", "compare", "tokens", "until_decided", "decide", "aa_test"),
)
TABLES = {
    "checkpoint": "[checkpoint.base]",
    "generation": "[generation]",
    "scorer": "[scorer.NAME]",
    "compare": "[compare]",
    "tokens": "[tokens]",
}


def read_config(path: Path | str, overrides: dict[str, Any] | None = None) -> RunConfig:
    """Read an experiment from a TOML file; `overrides` from the command line win.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or asks for something impossible.
    """
    path = Path(path)
    return build_config(_read_toml(path), overrides or {}, source=str(path)).of_file(path)


class Tables(NamedTuple):
    """The tables of a file that a finished run takes; empty where the file has none."""

    scorer: dict[str, dict[str, JsonValue]]
    gate: GateSettings
    compare: CompareSettings


def read_tables(path: Path) -> Tables:
    """The `[scorer.NAME]`, `[[gate]]` and `[compare]` tables of a TOML file, which may hold an experiment too.

    Raises:
        ConfigError: the file cannot be read, or a table is not valid.
    """
    data = _read_toml(path)
    _refuse_unknown_keys(data, TOP_LEVEL, where=str(path))
    tables: Any = data.get("scorer", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{path}: scorer is not a table of tables", fix="write [scorer.NAME]")
    where, fix = f"{path}: [compare]", "correct that value"
    compare = _read_table(CompareSettings, data.get("compare", {}), where, header="[compare]", fix=fix)
    return Tables(tables, _gate(data.get("gate", []), str(path)), compare)


def read_gate(path: Path) -> GateSettings:
    """The gate of a TOML file, which may hold an experiment too.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or has no valid rule.
    """
    gate = read_tables(path).gate
    if not gate.rules and gate.preset is None:
        raise ConfigError(f"{path} has no gate rule", fix="write a [[gate]] table with metric, kind and bound")
    return gate


def sides_of(models: tuple[str, str], variants: tuple[str, str], formats: tuple[str, str]) -> dict[str, Any]:
    """The content of a configuration file for two models, called `base` and `instruct` if that is what they are."""
    names = ("base", "instruct") if variants == ("base", "instruct") else ("baseline", "candidate")
    tables = {
        name: {"model": model, "variant": variant, "prompt_format": prompt_format, "options": {}}
        for name, model, variant, prompt_format in zip(names, models, variants, formats, strict=True)
    }
    return {"baseline": names[0], "candidate": names[1], "checkpoint": tables}


COMMAND_LINE = "command line"
"""The source of an experiment that no file describes."""


def build_config(data: dict[str, Any], overrides: dict[str, Any], *, source: str) -> RunConfig:
    """Validate the content of a configuration file; overrides win.

    Args:
        overrides: `suite`, `baseline`, `candidate`, `seed`, `replicates`, `limit`, `check_determinism`, and
            `generation` and `compare` as dicts of their fields; None values are left out.
        source: the file or `COMMAND_LINE`, for messages.
    """
    _refuse_unknown_keys(data, TOP_LEVEL, where=source)
    for name, header in TABLES.items():
        if not isinstance(data.get(name, {}), dict):
            raise ConfigError(f"{source}: {name} is not a table", fix=f"write {header}")
    merged = _merge(data, overrides)
    suite = merged.pop("suite", "core")
    fields = {name: value for name, value in merged.items() if name not in ("checkpoint", "generation", "gate")}
    gate = _gate(merged.get("gate", []), source)
    try:
        return RunConfig(
            suites=(suite,) if isinstance(suite, str) else tuple(suite),
            checkpoints=tuple(_checkpoint(name, table, source) for name, table in merged.get("checkpoint", {}).items()),
            generation=_generation(merged.get("generation", {}), source),
            gate=gate.rules,
            preset=gate.preset,
            **fields,
        )
    except ValidationError as error:
        where, fix = _blamed(error.errors()[0]["loc"], overrides, source)
        raise ConfigError(f"{where}: {explain(error)}", fix=fix) from None
    except TypeError:
        raise ConfigError(f"{source}: suite must be a name or a list of names", fix='write suite = "core"') from None


def _blamed(loc: tuple[int | str, ...], overrides: dict[str, Any], source: str) -> tuple[str, str]:
    """Where a wrong value is from, and how to correct it; both sources if no single field is wrong."""
    value: Any = overrides
    for key in loc:
        value = value.get(key) if isinstance(value, dict) else value
    if source == COMMAND_LINE or (loc and value is not None):
        return COMMAND_LINE, "change that flag"
    if loc or not _is_given(overrides):
        return source, "correct that line; `evalharness init` shows a valid file"
    return f"{source} and {COMMAND_LINE}", "correct that line, or change that flag"


def _is_given(value: Any) -> bool:
    return any(map(_is_given, value.values())) if isinstance(value, dict) else not (value is None or value is False)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(path.read_text(encoding="utf-8-sig"), nul=False)
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}", fix="write one with `evalharness init`") from None
    except Unparsable as error:
        fix = "correct that line; text has quotation marks, and a switch is true or false"
        raise ConfigError(f"{path} is not valid TOML: {error}", fix=fix) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", fix="give a readable TOML file in UTF-8") from None


def _merge(data: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in overrides.items() if value is not None}
    generation = {name: value for name, value in given.pop("generation", {}).items() if value is not None}
    seed = {"seed": given.get("seed", data.get("seed", 0))}
    scorer, compare = ({**data.get(name, {}), **given.pop(name, {})} for name in ("scorer", "compare"))
    return {
        **data,
        **given,
        "scorer": scorer,
        "compare": compare,
        "generation": {**seed, **data.get("generation", {}), **generation},
    }


def _checkpoint(name: str, table: Any, source: str) -> Checkpoint:
    where = f"{source}: [checkpoint.{one_line(name)}]"
    if one_line(name) != name:
        raise ConfigError(
            f"{where}: the name has line breaks, double spaces or invisible characters",
            fix="give it a name of plain letters, digits and hyphens",
        )
    fix = "a checkpoint needs model, variant and prompt_format"
    return _read_table(Checkpoint, table, where, header=f"[checkpoint.{name}]", fix=fix, name=name)


def _generation(table: Any, source: str) -> GenerationConfig:
    where = f"{source}: [generation]"
    return _read_table(GenerationConfig, table, where, header="[generation]", fix="correct that value")


def _gate(given: Any, source: str) -> GateSettings:
    if not isinstance(given, dict) or "preset" not in given:
        return GateSettings(rules=_rules(given, source))
    _refuse_unknown_keys(given, list(GateSettings.model_fields), where=f"{source}: [gate]")
    preset = given["preset"]
    if preset != PRESET:
        raise ConfigError(
            f"{source}: [gate] has no preset {preset!r}", fix=f'write preset = "{PRESET}", or [[gate]] and its keys'
        )
    return GateSettings(preset=preset, rules=_rules(given.get("rules", []), source))


def _rules(tables: Any, source: str) -> tuple[GateRule, ...]:
    if not isinstance(tables, list):
        raise ConfigError(f"{source}: gate is not a list of rules", fix="write [[gate]], with two brackets")
    return tuple(_rule(table, f"{source}: [[gate]] {number}") for number, table in enumerate(tables, start=1))


def _rule(table: Any, where: str) -> GateRule:
    fix = "correct that line; a rule needs metric, kind and bound (docs/ci.md)"
    return _read_table(GateRule, table, where, header="[[gate]]", fix=fix)


def _read_table(kind: type[Table], table: Any, where: str, *, header: str, fix: str, **fixed: str) -> Table:
    """A table as a record; `fixed` are fields that the table may not set."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is not a table", fix=f"write {header} and its keys below")
    _refuse_unknown_keys(table, [key for key in kind.model_fields if key not in fixed], where=where)
    try:
        return kind.model_validate({**table, **fixed})
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}", fix=fix) from None


def _refuse_unknown_keys(table: dict[str, Any], known: list[str] | tuple[str, ...], *, where: str) -> None:
    for key in table:
        if key in known:
            continue
        raise ConfigError(
            f"{where} has an unknown key {key!r}", fix=near(key, known, f"the keys are {', '.join(known)}")
        )
