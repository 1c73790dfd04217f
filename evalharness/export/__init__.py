"""Exports a run in other tools' formats. A new format is a module with one function and a line in `FORMATS`."""

import json
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
    """Options of some formats; the defaults are those of the command line."""

    table: Table = "completions"
    source: Source = "reward"
    """Whose preferences are exported."""
    plain: bool = False
    """Preferences as plain texts, not as conversations."""
    min_margin: float = 0.0
    """Preferences with a smaller margin are left out."""
    with_truncated: bool = False
    """Keep preferences with a truncated completion."""
    with_continuations: bool = False
    """Keep preferences between continuations of plain text."""
    checkpoint: str = ""
    """Whose results a format of one model has; the candidate's if empty."""


@dataclass(frozen=True)
class Exported:
    """The content of a file, and a note for the user."""

    content: bytes
    note: str = ""
    """What was left out, and why; empty if nothing was."""


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
    "parquet": Format("evalharness.export.frames:to_parquet", "parquet", TABLE, is_text=False),
    "jsonl": Format("evalharness.export.frames:to_jsonl", "jsonl", TABLE),
    "markdown": Format("evalharness.export.markdown:to_markdown", "md"),
    "model-card": Format("evalharness.export.markdown:to_model_card", "md"),
    "every-eval-ever": Format(
        "evalharness.export.every_eval_ever:to_every_eval_ever", "json", frozenset({"checkpoint"})
    ),
    "badge": Format("evalharness.export:to_badge", "json"),
    "trl": Format(
        "evalharness.export.trl:to_trl",
        "jsonl",
        frozenset({"source", "plain", "min_margin", "with_truncated", "with_continuations"}),
    ),
}


def export(run: Run, name: str, choices: Choices | None = None) -> Exported:
    """Write a run in one of the `FORMATS`.

    Raises:
        SharingError: the format does not exist, does not support an option, or the run has nothing to export.
        MissingExtra: the format needs a package that is not installed.
    """
    choices = choices or Choices()
    if name not in FORMATS:
        raise SharingError(f"no format named {name!r}", fix=f"use one of {', '.join(FORMATS)}")
    # Reject options that would have no effect.
    default = Choices()
    for choice in fields(Choices):
        chosen = choices.__dict__[choice.name] != default.__dict__[choice.name]
        if chosen and choice.name not in FORMATS[name].choices:
            knows = [format_ for format_, known in FORMATS.items() if choice.name in known.choices]
            flag = f"--{choice.name.replace('_', '-')}"
            raise SharingError(f"{flag} has no effect on {name}", fix=f"leave it out, or use {' or '.join(knows)}")
    module, _, function = FORMATS[name].exporter.partition(":")
    exporter: Exporter = getattr(import_module(module), function)
    return exporter(run, choices)


LOOKS = {"pass": ("passed", "brightgreen"), "fail": ("failed", "red"), "undecided": ("undecided", "yellow")}


def to_badge(run: Run, choices: Choices) -> Exported:
    """One JSON object."""
    del choices
    if run.gate is None:
        raise SharingError("the run has no gate", fix="evalharness gate RUN --config evalharness.toml, then export it")
    message, color = LOOKS[run.gate.verdict]
    badge = {"schemaVersion": 1, "label": "evalharness", "message": message, "color": color}
    return Exported((json.dumps(badge) + "\n").encode())
