"""Scorers of the user's own, declared by one key in `[scorer.NAME]`: `path`, `pattern`, `schema` or `recorded`."""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from pydantic import JsonValue, ValidationError

from evalharness.errors import ScorerError
from evalharness.records import explain
from evalharness.scorers.scorer import Scorer

KINDS = {
    "path": "evalharness.scorers.own.python_file:PythonFile",
    "pattern": "evalharness.scorers.own.declared:Pattern",
    "schema": "evalharness.scorers.own.declared:JsonSchema",
    "recorded": "evalharness.scorers.own.declared:Recorded",
}
"""By the key that declares one."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")


def declares(settings: Mapping[str, JsonValue] | None) -> bool:
    """Whether a table of the configuration declares a scorer of its own, and does not configure a known one."""
    return bool(settings and KINDS.keys() & settings)


def own_scorer(name: str, settings: Mapping[str, JsonValue], folder: Path | None) -> Scorer:
    """The scorer that `[scorer.NAME]` declares.

    Args:
        name: what its metrics are called after.
        settings: the table; it holds a key of `KINDS`.
        folder: where the configuration is that the user named; None for one that came with a run, which may be a
            stranger's: no code is run for it.

    Raises:
        ScorerError: the table is not valid, or declares code that the user did not name.
    """
    where = f"[scorer.{name}]"
    keys = sorted(KINDS.keys() & settings)
    if len(keys) > 1:
        raise ScorerError(f"{where} has {' and '.join(keys)}, which declare one scorer each", fix="keep one of them")
    if not NAME.fullmatch(name):
        raise ScorerError(f"{where}: {name!r} cannot name a scorer", fix="use letters, digits, '_' and '-'")
    module, _, attribute = KINDS[keys[0]].partition(":")
    kind = getattr(import_module(module), attribute)
    known = [field.alias or key for key, field in kind.settings_kind.model_fields.items()]
    for key in settings:
        if key not in known:
            raise ScorerError(f"{where} has an unknown key {key!r}", fix=f"the keys are {', '.join(known)}")
    try:
        read = kind.settings_kind.model_validate(settings)
    except ValidationError as error:
        raise ScorerError(f"{where}: {explain(error)}", fix="correct that line; see docs/plugins.md") from None
    scorer: Scorer = kind(name, read, folder)
    return scorer
