"""Replaces each name of a model, checkpoint, place or person by the same neutral name everywhere."""

import os
import platform
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path, PurePath

from pydantic import JsonValue

from evalharness.backends import backend_names
from evalharness.records import ResolvedCheckpoint
from evalharness.store import Run

NEUTRAL = frozenset({"base", "instruct", "baseline", "candidate", "base-chat", "base-icl", "chat", "raw", "icl"})
"""Checkpoint names that reveal nothing."""
SHORTEST = 2
SHORTEST_INSIDE = 5
"""A shorter name is replaced only as a whole word."""
FAMILY = re.compile(r"[A-Za-z]{5,}")
"""The family at the beginning of a model's name, as it calls itself: `SmolLM` of `SmolLM2-135M`."""
COMMON = frozenset(
    {"model", "models", "candidate", "baseline", "instruct", "checkpoint", "completions", "replay", "preference"}
    | {"reward", "refusal", "style", "instruction", "judge", "score", "classifier", "bundled", "sentiment", "toxic"}
)
"""Words at the beginning of many models' names."""
PART = r"[\w.@%+~-]+"
PLACE = re.compile(
    r"(?:https?|ftp|file|ssh|s3|gs)://[^\s'\"<>()\[\]]+"
    r"|\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*"
    r"|\b(?:[\w-]+\.)+(?:com|org|net|edu|gov|mil|int|info|io|ai|dev|app|co|uk|de|fr|es|it|nl|eu|cn|jp|in|ru|br|lan|local)\b"
    r"(?::\d+)?(?:/[^\s'\"<>()\[\]]*)?"
    rf"|(?<![\w/.<])~/{PART}(?:/{PART})*"
    rf"|(?<![\w/.<])(?:\.{{1,2}})?/{PART}(?:/[\w.@%+~-]*)+"
    rf"|(?<![\w/.<]){PART}(?:/{PART})+\.[A-Za-z]\w{{0,9}}\b"
    r"|\b[A-Za-z]:\\[^\s'\"<>|]+"
    r"|\\\\[\w.-]+\\[^\s'\"<>|]+"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){4,7}[0-9A-Fa-f]{1,4}\b"
    r"|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:)+(?::[0-9A-Fa-f]{1,4})+\b"
)
"""URLs, paths of two parts or more, addresses of machines and of people."""
MAY_BE_PLACE = re.compile(r"[/\\@]|\w\.\w|:\w*:")
SETTINGS = frozenset({"auto", "cpu", "cuda", "mps", "float32", "float16", "bfloat16", "eager", "sdpa"})
"""Values of options that tell nothing of who set them."""


class Names:
    """Maps each name to its neutral name."""

    def __init__(self) -> None:
        self.neutral: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.found: set[str] = set()
        """Those that were replaced."""
        self.places: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._exact: dict[tuple[str, str], str] = {}

    def exact(self, kind: str, name: str) -> str:
        """The neutral name for a whole field; different names never share a neutral name."""
        if not name or name.lower() in NEUTRAL:
            return name
        if (kind, name) not in self._exact:
            known = self.neutral.get(name.lower())
            taken = known in [alias for (of, _), alias in self._exact.items() if of == kind]
            self._exact[kind, name] = f"{kind}-{self._next(kind)}" if known is None or taken else known
        self.found.add(name)
        return self._exact[kind, name]

    def add(self, kind: str, *forms: str) -> str:
        """Register several forms of a name; all become the same neutral name, such as `model-1`."""
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
        """The text with every known name, every path, URL and address replaced."""
        lowered = text.lower()
        if any(name in lowered for name in self.neutral):
            self._pattern = self._pattern or _pattern(self.neutral)
            text = self._pattern.sub(self._neutral_of, text)
        return PLACE.sub(self._place, text) if MAY_BE_PLACE.search(text) else text

    def _neutral_of(self, match: re.Match[str]) -> str:
        self.found.add(match[0])
        return self.neutral[match[0].lower()]

    def _place(self, match: re.Match[str]) -> str:
        return self.places.setdefault(match[0], f"place-{len(self.places) + 1}")


def _pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Longest names first, so that a part of a name is never replaced on its own."""
    longest_first = sorted(names, key=len, reverse=True)
    forms = [
        re.escape(name) if len(name) >= SHORTEST_INSIDE else rf"(?<!\w){re.escape(name)}(?!\w)"
        for name in longest_first
    ]
    return re.compile("|".join(forms), re.IGNORECASE)


def names_of(run: Run, also: Iterable[str] = ()) -> Names:
    """All names in a run that reveal its owner.

    Args:
        also: further names that must not stay, such as those of the machine and the user.
    """
    names = Names()
    for resolved in (*run.plan.checkpoints, *(judging.judge for judging in run.judgings)):
        names.add("model", *_forms(resolved.checkpoint.model_name), *_forms(resolved.identity.model))
        _add_owner(names, resolved)
        for folder in _folders(resolved.checkpoint.model_name):
            names.add("folder", folder)
        names.add("checkpoint", resolved.name)
    settings: JsonValue = {"scorer": {scorer.name: scorer.identity for scorer in run.scorers}}
    for model in (*_models_of_scorers(run.manifest.config), *_models_of_scorers(settings)):
        names.add("model", *_forms(model))
    for place in _places(run):
        names.add("run", place)
    raters = (*(one.rater for one in run.preferences), *(one.rater for one in run.ratings))
    for rater in dict.fromkeys(raters):
        names.add("rater", rater)
    for name in also:
        names.add("name", name)
    return names


def _forms(model: str) -> Iterator[str]:
    """Forms of a model's name: with and without revision, owner or folder, and its family."""
    yield model
    without_revision = model.partition("@")[0].replace("\\", "/")
    yield without_revision
    path = PurePath(without_revision)
    yield str(path)
    yield path.name
    stem = path.name.partition(":")[0].removesuffix(".gguf").removesuffix(".jsonl")
    if len(stem) >= SHORTEST_INSIDE:
        yield stem
    family = FAMILY.match(stem)
    if family and family[0].lower() not in COMMON:
        yield family[0]


def _folders(model: str) -> Iterator[str]:
    """The folders above a local model, the longest first, however messages write them, and whose home it is."""
    parts = [part for part in PurePath(model.replace("\\", "/")).parts if part not in ("/", ".", "..", "~")]
    is_local = model[:1] in ("/", ".", "~") or "\\" in model or len(parts) > 2
    for count in range(len(parts) - 1, 1, -1) if is_local else ():
        yield "/".join(parts[:count])
    for folder, user in pairwise(parts):
        if folder.lower() in ("home", "users") and user.lower() not in GENERIC:
            yield user


def _add_owner(names: Names, resolved: ResolvedCheckpoint) -> None:
    """A person or an organisation, in any backend's model name; a file of completions begins with a folder."""
    owner, slash, _ = resolved.checkpoint.model_name.partition("/")
    if slash and len(owner) > 2 and not resolved.recorded:
        names.add("owner", owner)


def _models_of_scorers(config: JsonValue) -> Iterator[str]:
    """Strings in the scorers' settings that look like a model or a place."""
    scorers = config.get("scorer") if isinstance(config, dict) else None
    for settings in scorers.values() if isinstance(scorers, dict) else ():
        for key, value in settings.items() if isinstance(settings, dict) else ():
            if isinstance(value, str) and value and ("model" in key or "/" in value):
                yield value.partition("/")[2] if value.partition("/")[0] in backend_names() else value


def _places(run: Run) -> Iterator[str]:
    """The run directory, and the runs that it combines."""
    combined = (*run.manifest.paired_from, *run.manifest.merged_from)
    yield from dict.fromkeys((str(run.path), run.path.name, *combined))


GENERIC = frozenset({"root", "user", "admin", "ubuntu", "debian", "runner", "nobody", "localhost", "/", "/root"})


def machine_names() -> tuple[str, ...]:
    """What this machine, its user and the user's folders are called, but for names that many have."""
    host, home = platform.node(), str(Path.home())
    result = (home, host, host.partition(".")[0], Path(home).name, os.environ.get("USER", ""))
    return tuple(dict.fromkeys(name for name in result if name and name.lower() not in GENERIC))
