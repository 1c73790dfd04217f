"""A Python file with a function `score(sample, text) -> bool`: `[scorer.NAME] path = "mine.py"`.

The file is the user's own program: it is run only where the user named the configuration, and never out of a run
directory.
"""

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import Field, JsonValue

from evalharness.errors import ScorerError
from evalharness.parsing import read_regular
from evalharness.plugins import UNIMPORTABLE
from evalharness.records import Metric, Score, ScorerFacts, digest
from evalharness.scorers.own.declared import Shown, facts_of_rate, version_of
from evalharness.scorers.scorer import Item, Scorer

FUNCTION = "score"
RETURNS = {"bool": bool, "float": float}
RUN_FILES = ("manifest.json", "requests.jsonl")


class FileSettings(Shown):
    """A scorer that is a function of yours."""

    path: str = Field(min_length=1)
    """A Python file with `score(sample, text) -> bool` or `-> float`, relative to the configuration's folder."""


class PythonFile(Scorer):
    """Calls the function with each sample and the text of its completion; None means that it does not judge it."""

    settings_kind = FileSettings

    def __init__(self, name: str, settings: FileSettings, folder: Path | None) -> None:
        if folder is None:
            raise ScorerError(
                f"the scorer {name!r} is the Python file {settings.path}, which is only run for a configuration that "
                "you name",
                fix="evalharness score RUN --config evalharness.toml, or evalharness run evalharness.toml",
            )
        self.path = folder / settings.path
        self.content = _read(self.path, name)
        self.function = _function(self.content, self.path, name)
        self.is_rate = _returns(self.function, self.path) is bool
        title = settings.title or (inspect.getdoc(self.function) or "").partition("\n")[0].rstrip(".")
        self.facts = _facts(name, settings.model_copy(update={"title": title}), is_rate=self.is_rate)

    @property
    def version(self) -> str:
        """Another content of the file is another version."""
        return version_of(self.content)

    @property
    def identity(self) -> dict[str, JsonValue]:
        """The file, as it was when it scored."""
        return {"file": self.path.name, "digest": digest(self.content)}

    def score_item(self, item: Item) -> Score:
        """The function's value."""
        given = self.function(item.sample, item.completion.text)
        if given is None:
            return self.unscored(item, f"{self.path.name} does not judge it")
        value = float(given)
        if not math.isfinite(value) or (self.is_rate and value not in (0.0, 1.0)):
            wanted = "yes or no" if self.is_rate else "a finite number"
            return self.failed(item, f"{self.path.name} gave {given!r}, which is not {wanted}"[:500])
        label = ("yes" if value else "no") if self.is_rate else None
        return self.scored(item, {"yes" if self.is_rate else "value": value}, label=label)


def _facts(name: str, shown: Shown, *, is_rate: bool) -> ScorerFacts:
    description = "As the Python function says."
    if is_rate:
        return facts_of_rate(name, "yes", shown, name, description, flips=f"counted for {name}")
    metric = Metric(
        name=f"{name}.value",
        title=shown.title or name,
        description=description,
        kind="mean",
        better=shown.better,
        headline=True,
    )
    return ScorerFacts(name=name, metrics=(metric,))


def _read(path: Path, name: str) -> str:
    place = path.resolve()
    if any(all((folder / file).exists() for file in RUN_FILES) for folder in place.parents):
        raise ScorerError(
            f"[scorer.{name}]: {path} is in a run directory, and code of a run is never run",
            fix="read it, then move it to a folder of your own",
        )
    try:
        return read_regular(path).decode("utf-8-sig")
    except FileNotFoundError:
        fix = "the path is relative to the folder of the configuration"
        raise ScorerError(f"[scorer.{name}]: there is no file {path}", fix=fix) from None
    except (OSError, ValueError) as error:
        raise ScorerError(f"[scorer.{name}]: {path} cannot be read: {error}", fix="give a Python file") from None


def _function(content: str, path: Path, name: str) -> Callable[..., Any]:
    module = ModuleType(f"scorer_{name}")
    module.__file__ = str(path)
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)
    except UNIMPORTABLE as error:
        raise ScorerError(
            f"[scorer.{name}]: {path} cannot be imported: {type(error).__name__}: {error}", fix="correct that file"
        ) from error
    function: Callable[..., Any] | None = getattr(module, FUNCTION, None)
    if not inspect.isfunction(function) or len(inspect.signature(function).parameters) != 2:
        raise ScorerError(
            f"[scorer.{name}]: {path} has no function {FUNCTION} of a sample and a text",
            fix=f"write: def {FUNCTION}(sample, text) -> bool:",
        )
    return function


def _returns(function: Callable[..., Any], path: Path) -> type:
    says = function.__annotations__.get("return")
    kind = RETURNS.get(says if isinstance(says, str) else getattr(says, "__name__", ""))
    if kind is None:
        raise ScorerError(
            f"{path} does not say whether {FUNCTION} gives a yes or no, or a number",
            fix=f"write: def {FUNCTION}(sample, text) -> bool:  (or -> float)",
        )
    return kind
