"""Bounded parsing of untrusted TOML and JSON: extreme files are rejected before they cost time or memory."""

import errno
import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

DEEPEST = 100
"""Arrays and tables inside each other; the parsers recurse, and so does what reads their result."""
LONGEST_NUMBER = 4300
"""Longest number, in digits: Python's own limit, which the parsers do not report as an error of the file."""


class Unparsable(ValueError):
    """Not valid, or beyond a limit; the message gives the position."""


def read_regular(path: Path) -> bytes:
    """The content of a regular file; reading a pipe could block forever.

    Raises:
        OSError: it cannot be read, or is something else.
        ValueError: no file can have such a name.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file")
    return path.read_bytes()


def parse_toml(text: str, *, nul: bool = True) -> dict[str, Any]:
    """Parse TOML.

    Args:
        nul: whether a text may hold U+0000, which no name of a file or a server can.

    Raises:
        Unparsable: it is not valid, too deep, or holds a number that is too long.
    """
    data: dict[str, Any] = _within_bounds(lambda: tomllib.loads(text))
    if not nul and any("\0" in text for text in _texts(data)):
        raise Unparsable("a text holds the character U+0000")
    return data


def parse_json(text: str, *, unique_keys: bool = False, nan: bool = False) -> Any:
    """Parse JSON as RFC 8259 has it: no NaN.

    Args:
        unique_keys: whether a duplicate key is an error.
        nan: read `NaN` and `Infinity`, as Python's programs write them.

    Raises:
        Unparsable: it is not valid, too deep, or holds a number that is too long.
    """
    hook = _without_twins if unique_keys else None
    return _within_bounds(
        lambda: json.loads(text, parse_constant=float if nan else _refuse_constant, object_pairs_hook=hook)
    )


def _within_bounds(parse: Callable[[], Any]) -> Any:
    try:
        data = parse()
    except RecursionError:
        raise Unparsable(f"nested more than {DEEPEST} levels deep") from None
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise Unparsable(f"{error.msg} at {line}column {error.colno}") from None
    except ValueError as error:
        message = str(error)
        raise Unparsable(
            f"a number has more than {LONGEST_NUMBER} digits" if "integer string conversion" in message else message
        ) from None
    _check_depth(data, DEEPEST)
    return data


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)


def _check_depth(value: Any, deepest: int) -> None:
    if not isinstance(value, dict | list):
        return
    if not deepest:
        raise Unparsable(f"nested more than {DEEPEST} levels deep")
    for inner in value.values() if isinstance(value, dict) else value:
        _check_depth(inner, deepest - 1)


def _refuse_constant(name: str) -> NoReturn:
    raise Unparsable(f"{name} is not a JSON number")


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        seen: set[str] = set()
        twin = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unparsable(f"the key {twin!r} occurs twice")
    return data
