"""Scorers measure completions: a class with a line in `SCORERS`, an entry point of a package, or a declared one.

A scorer declares everything about itself (`ScorerFacts`), so that no stage, chart or command names a scorer.
"""

import inspect
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from evalharness import plugins
from evalharness.errors import ScorerError, near
from evalharness.records import Metric, ScorerFacts
from evalharness.scorers.own import declares, own_scorer
from evalharness.scorers.scorer import Item, Scorer

__all__ = ["SCORERS", "Item", "Scorer", "default_scorers", "facts_of", "known_facts", "open_scorer", "scorer_kinds"]


GROUP = "evalharness.scorers"
NUMBERED = re.compile(r"_\d+$")
SCORERS = {
    "style": "evalharness.scorers.style:Style",
    "refusal": "evalharness.scorers.refusal:Refusal",
    "instruction": "evalharness.scorers.instruction:InstructionFollowing",
    "diversity": "evalharness.scorers.diversity:Diversity",
    "reward": "evalharness.scorers.reward:Reward",
}


def scorer_kinds() -> tuple[str, ...]:
    """The names of all scorers, our own first."""
    return plugins.names(GROUP, SCORERS)


def known_facts() -> list[ScorerFacts]:
    """The facts of all scorers that can be imported."""
    found = []
    for name in scorer_kinds():
        with suppress(ScorerError):
            found.append(facts_of(name))
    return found


def default_scorers() -> list[str]:
    """Our own scorers that judge every run which does not configure them."""
    return [name for name in SCORERS if _class(name).is_default()]


def open_scorer(name: str, settings: Mapping[str, JsonValue] | None = None, folder: Path | None = None) -> Scorer:
    """Make the scorer called `name`; models are loaded on first use.

    Args:
        name: one of `scorer_kinds()`, with a number behind it for one more of the kind (`reward_2`), or any other name
            if the table declares a scorer.
        settings: the keys of its `[scorer.NAME]` table.
        folder: of the configuration that the user named; None if it came with a run.

    Raises:
        ScorerError: there is no scorer of that name, or it does not support a setting.
    """
    if settings and declares(settings) and not _is_known(name):
        return own_scorer(name, settings, folder)
    kind = _class(name)
    known = kind.settings_kind.model_fields if kind.settings_kind else inspect.signature(kind).parameters
    for key in settings or {}:
        if key not in known:
            keys = f"its settings are {', '.join(known)}" if known else "it has no settings; remove the table"
            raise ScorerError(f"[scorer.{name}] has an unknown key {key!r}", fix=near(key, known, keys))
    scorer = kind(**(settings or {}))
    scorer.facts = scorer.described(facts_of(name))
    return scorer


def facts_of(name: str, settings: Mapping[str, JsonValue] | None = None, folder: Path | None = None) -> ScorerFacts:
    """The facts of the scorer called `name`, without opening it; see `open_scorer`.

    Raises:
        ScorerError: there is no scorer of that name.
    """
    if declares(settings):
        return open_scorer(name, settings, folder).facts
    facts = _class(name).facts
    if name == facts.name:
        return facts
    metrics = tuple(_renamed(one, name) for one in facts.metrics)
    heading = f"{facts.heading} ({name})" if facts.heading else ""
    return facts.model_copy(update={"name": name, "metrics": metrics, "heading": heading, "model_help": ""})


def _renamed(metric: Metric, scorer: str) -> Metric:
    """The same metric of one more scorer of the kind."""
    others = {"mirror_of": metric.mirror_of, "guarded_by": metric.guarded_by}
    named = {field: f"{scorer}.{other.partition('.')[2]}" for field, other in others.items() if other}
    return metric.model_copy(
        update={"name": f"{scorer}.{metric.value}", "title": f"{metric.title} ({scorer})", **named}
    )


def _is_known(name: str) -> bool:
    return name in scorer_kinds() or NUMBERED.sub("", name) in scorer_kinds()


def _class(name: str) -> type[Scorer]:
    kinds = scorer_kinds()
    kind = name if name in kinds else NUMBERED.sub("", name)
    if kind not in kinds:
        fix = near(name, kinds, f"use one of {', '.join(kinds)}")
        raise ScorerError(
            f"no scorer named {name!r}", fix=f"{fix}, or declare your own: [scorer.{name}] with path, pattern or schema"
        )
    found: type[Scorer] = plugins.load(GROUP, SCORERS, kind, ScorerError)
    facts = getattr(found, "facts", None)
    if not isinstance(facts, ScorerFacts) or facts.name != kind:
        raise ScorerError(
            f"the scorer {kind!r} ({found!r}) has no `facts` with that name",
            fix=f"its class needs facts = ScorerFacts(name={kind!r}, metrics=...); see docs/plugins.md",
        )
    return found
