"""Names of models, checkpoints, places and people, each replaced by a neutral one, the same everywhere."""

import os
import platform
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from pydantic import JsonValue

from evalharness.records import Checkpoint
from evalharness.store import Run

NEUTRAL = frozenset({"base", "instruct", "baseline", "candidate", "base-chat", "base-icl", "chat", "raw", "icl"})
"""Names of checkpoints that tell nothing."""
SHORTEST = 2
SHORTEST_INSIDE = 5
"""A name of fewer characters is replaced only where it stands as a word."""
PLACE = re.compile(
    r"(?:https?|file|ssh|s3)://[^\s'\"<>()\[\]]+"
    r"|(?<![\w/.<])(?:~|\.{1,2})?/[\w.@%+~-]+(?:/[\w.@%+~-]*)+"
    r"|\b[A-Za-z]:\\[^\s'\"<>|]+"
    r"|\\\\[\w.-]+\\[^\s'\"<>|]+"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
)
"""URLs, paths of two parts or more, addresses of machines and of people."""
SETTINGS = frozenset({"auto", "cpu", "cuda", "mps", "float32", "float16", "bfloat16", "eager", "sdpa"})
"""Values of options that tell nothing of who set them."""


class Names:
    """The neutral name for each name; a name that was seen keeps its neutral one."""

    def __init__(self) -> None:
        self.neutral: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.found: set[str] = set()
        """Those that were replaced."""
        self._pattern: re.Pattern[str] | None = None
        self._exact: dict[tuple[str, str], str] = {}

    def exact(self, kind: str, name: str) -> str:
        """The neutral name for the whole of a field; two names never share one, however alike they are."""
        if not name or name.lower() in NEUTRAL:
            return name
        if (kind, name) not in self._exact:
            known = self.neutral.get(name.lower())
            taken = known in [one for (of, _), one in self._exact.items() if of == kind]
            self._exact[kind, name] = f"{kind}-{self._next(kind)}" if known is None or taken else known
        self.found.add(name)
        return self._exact[kind, name]

    def add(self, kind: str, *forms: str) -> str:
        """Take several forms of one name; they all become one neutral name, such as `model-1`."""
        known = [self.neutral[form.lower()] for form in forms if form.lower() in self.neutral]
        neutral = known[0] if known else f"{kind}-{self._next(kind)}"
        for form in forms:
            if len(form.strip()) >= SHORTEST and form.lower() not in NEUTRAL:
                self.neutral.setdefault(form.lower(), neutral)
        self._pattern = None
        return neutral

    def _next(self, kind: str) -> int:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return self.counts[kind]

    def replaced(self, text: str) -> str:
        """The text with every known name replaced."""
        if self._pattern is None:
            self._pattern = _pattern(self.neutral)
        return self._pattern.sub(self._neutral_of, text) if self.neutral else text

    def _neutral_of(self, found: re.Match[str]) -> str:
        self.found.add(found[0])
        return self.neutral[found[0].lower()]

    def replaced_places(self, text: str) -> str:
        """The text with every known name, every path, URL and address replaced."""
        return PLACE.sub(self._place, self.replaced(text))

    def _place(self, found: re.Match[str]) -> str:
        self.found.add(found[0])
        return self.add("place", found[0])


def _pattern(names: Iterable[str]) -> re.Pattern[str]:
    """The longest name first, so that a part of one is never replaced alone."""
    longest_first = sorted(names, key=len, reverse=True)
    forms = [
        re.escape(one) if len(one) >= SHORTEST_INSIDE else rf"(?<!\w){re.escape(one)}(?!\w)" for one in longest_first
    ]
    return re.compile("|".join(forms), re.IGNORECASE)


def names_of(run: Run, also: Iterable[str] = ()) -> Names:
    """All names in a run that tell whose it is.

    Args:
        run: a run.
        also: further names that must not stay, such as those of the machine and the user.
    """
    names = Names()
    for resolved in (*run.plan.checkpoints, *(one.judge for one in run.judgings)):
        names.add("model", *_forms(resolved.checkpoint.model_name), *_forms(resolved.identity.model))
        _add_owner(names, resolved.checkpoint)
        names.add("checkpoint", resolved.name)
    settings: JsonValue = {"scorer": {one.name: one.identity for one in run.scorers}}
    for model in (*_models_of_scorers(run.manifest.config), *_models_of_scorers(settings)):
        names.add("model", *_forms(model))
    for place in _places(run):
        names.add("run", place)
    for rater in dict.fromkeys(one.rater for one in run.preferences):
        names.add("rater", rater)
    for name in also:
        names.add("name", name)
    return names


def _forms(model: str) -> Iterator[str]:
    """A model's name as people write it: with its revision and without, with its owner or folder and without."""
    yield model
    without_revision = model.partition("@")[0]
    yield without_revision
    last = PurePath(without_revision.replace("\\", "/")).name
    yield last
    stem = last.partition(":")[0].removesuffix(".gguf").removesuffix(".jsonl")
    if len(stem) >= SHORTEST_INSIDE:
        yield stem


def _add_owner(names: Names, checkpoint: Checkpoint) -> None:
    owner, slash, _ = checkpoint.model_name.partition("/")
    if slash and len(owner) > 2 and checkpoint.backend == "hf":
        names.add("owner", owner)


def _models_of_scorers(config: JsonValue) -> Iterator[str]:
    """Strings in the scorers' settings that look like a model or a place."""
    scorers = config.get("scorer") if isinstance(config, dict) else None
    for settings in scorers.values() if isinstance(scorers, dict) else ():
        for key, value in settings.items() if isinstance(settings, dict) else ():
            if isinstance(value, str) and value and ("model" in key or "/" in value):
                yield value.partition("/")[2] if value.partition("/")[0] in ("hf", "ollama") else value


def _places(run: Run) -> Iterator[str]:
    """The run directory, and the runs that it was put together from."""
    yield from dict.fromkeys((str(run.path), run.path.name, *run.manifest.paired_from))


GENERIC = frozenset({"root", "user", "admin", "ubuntu", "debian", "runner", "nobody", "localhost", "/", "/root"})


def machine_names() -> tuple[str, ...]:
    """What this machine, its user and the user's folders are called, but for names that many have."""
    host, home = platform.node(), str(Path.home())
    found = (home, host, host.partition(".")[0], Path(home).name, os.environ.get("USER", ""))
    return tuple(dict.fromkeys(name for name in found if name and name.lower() not in GENERIC))
