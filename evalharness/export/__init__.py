"""A run in other tools' formats. A new one is a module with one function and a line in `FORMATS`."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Literal

from evalharness.errors import SharingError
from evalharness.preferences import Source
from evalharness.store import Run

Table = Literal["completions", "scores", "differences"]


@dataclass(frozen=True)
class Choices:
    """What some of the formats let one choose; the defaults are those of the command line."""

    table: Table = "completions"
    source: Source = "reward"
    """Who says which side is preferred."""
    plain: bool = False
    """Preferences as plain texts, not as conversations."""
    min_margin: float = 0.0
    """Preferences by less than this are left out."""
    with_cut: bool = False
    """Keep preferences of which a completion was cut by the token limit."""
    with_continuations: bool = False
    """Keep preferences between continuations of a plain text."""


@dataclass(frozen=True)
class Exported:
    """The content of a file, and what to tell whoever asked for it."""

    content: bytes
    note: str = ""
    """What was left out, and why; empty where nothing was."""


Exporter = Callable[[Run, Choices], Exported]


@dataclass(frozen=True)
class Format:
    """A format: where its exporter is, and which choices it knows."""

    exporter: str
    suffix: str
    choices: frozenset[str] = field(default_factory=frozenset)
    is_text: bool = True


TABLE = frozenset({"table"})
FORMATS = {
    "csv": Format("evalharness.export.csv:to_csv", "csv", TABLE),
    "parquet": Format("evalharness.export.parquet:to_parquet", "parquet", TABLE, is_text=False),
    "jsonl": Format("evalharness.export.jsonl:to_jsonl", "jsonl", TABLE),
    "markdown": Format("evalharness.export.markdown:to_markdown", "md"),
    "trl": Format(
        "evalharness.export.trl:to_trl",
        "jsonl",
        frozenset({"source", "plain", "min_margin", "with_cut", "with_continuations"}),
    ),
    "llm-comparator": Format("evalharness.export.llm_comparator:to_llm_comparator", "json", frozenset({"source"})),
}


def export(run: Run, name: str, choices: Choices | None = None) -> Exported:
    """Write a run in one of the `FORMATS`.

    Raises:
        SharingError: there is no such format, it does not know a choice, or the run has nothing to put into it.
        MissingExtra: the format needs a package that is not installed.
    """
    choices = choices or Choices()
    if name not in FORMATS:
        raise SharingError(f"no format named {name!r}", fix=f"use one of {', '.join(FORMATS)}")
    _refuse_unknown(name, choices)
    module, _, function = FORMATS[name].exporter.partition(":")
    exporter: Exporter = getattr(import_module(module), function)
    return exporter(run, choices)


def _refuse_unknown(name: str, choices: Choices) -> None:
    """A choice without effect would be taken for one with an effect."""
    default = Choices()
    for one in fields(Choices):
        chosen = choices.__dict__[one.name] != default.__dict__[one.name]
        if chosen and one.name not in FORMATS[name].choices:
            knows = [format_ for format_, known in FORMATS.items() if one.name in known.choices]
            flag = f"--{one.name.replace('_', '-')}"
            raise SharingError(f"{flag} does nothing for {name}", fix=f"leave it out, or use {' or '.join(knows)}")
