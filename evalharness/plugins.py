"""Classes that other packages provide through entry points; evalharness's own come first."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from evalharness.errors import EvalHarnessError

UNIMPORTABLE = (ImportError, AttributeError, NameError, SyntaxError, TypeError, ValueError, LookupError, OSError)
"""What importing a package raises that is broken, or made for other versions; anything else keeps its traceback."""


@cache
def _entry_points(group: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """The installed entry points of a group by name; two of the same name are a conflict."""
    results: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, _package(point))):
        results.setdefault(point.name, []).append(point)
    return {name: tuple(points) for name, points in results.items()}


def names(group: str, own: Mapping[str, str]) -> tuple[str, ...]:
    """All names of a group: our own, then those of other packages. Nothing is imported."""
    return tuple(dict.fromkeys((*own, *_entry_points(group))))


def load(group: str, own: Mapping[str, str], name: str, error: type[EvalHarnessError]) -> Any:
    """Import the class that is called `name`, which is one of `names(group, own)`.

    Raises:
        EvalHarnessError: of the type `error`, where two packages use the name, or the other package cannot be imported.
    """
    points = _entry_points(group).get(name, ())
    packages = [*(["evalharness"] if name in own else []), *map(_package, points)]
    if len(packages) > 1:
        raise error(
            f"{' and '.join(packages)} both provide a {group.rpartition('.')[2].removesuffix('s')} named {name!r}",
            fix=f"pip uninstall {packages[-1]}, or ask its authors for another name",
        )
    if name in own:
        module, _, attribute = own[name].partition(":")
        return getattr(import_module(module), attribute)
    try:
        return points[0].load()
    except UNIMPORTABLE as problem:
        raise error(
            f"{name!r} of the package {packages[0]} cannot be imported: {type(problem).__name__}: {problem}",
            fix=f"install what it needs, update it, or remove it: pip uninstall {packages[0]}",
        ) from problem


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
