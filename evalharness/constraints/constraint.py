"""What a kind of instruction is: how it is checked, and which parameters it takes."""

import difflib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evalharness.constraints.language import LANGUAGES

Parameters = Mapping[str, Any]
Check = Callable[[str, Parameters], bool]
RELATIONS = ("at least", "less than")


@dataclass(frozen=True)
class Kind:
    """How one kind of instruction is checked, and the parameters it takes, each with the complaint about a value."""

    follows: Check
    parameters: Mapping[str, Callable[[object], str | None]] = field(default_factory=dict)

    def complaint(self, given: Parameters) -> str | None:
        """What is wrong with the given parameters, as a sentence; None where they fit."""
        if set(given) != set(self.parameters):
            return f"takes the parameters {', '.join(self.parameters) or '(none)'}, not {', '.join(given) or '(none)'}"
        for name, value in given.items():
            problem = self.parameters[name](value)
            if problem:
                return f"{name} {problem}, not {value!r}"
        if "nth_paragraph" in given and given["nth_paragraph"] > given["num_paragraphs"]:
            return f"nth_paragraph {given['nth_paragraph']} is beyond num_paragraphs {given['num_paragraphs']}"
        return None


def given_parameters(parameters: Parameters) -> dict[str, Any]:
    """The parameters that are set, in Unicode's composed form; the official file writes null for those that are not."""
    return {name: _composed(value) for name, value in parameters.items() if value is not None}


def _composed(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    return [_composed(item) for item in value] if isinstance(value, list) else value


def count(value: object) -> str | None:
    """A number of things, zero or more."""
    return None if type(value) is int and value >= 0 else "must be a whole number of 0 or more"


def position(value: object) -> str | None:
    """A number that counts from one."""
    return None if type(value) is int and value >= 1 else "must be a whole number of 1 or more"


def relation(value: object) -> str | None:
    """One of the two relations."""
    return None if value in RELATIONS else "must be 'at least' or 'less than'"


def phrase(value: object) -> str | None:
    """Words to be found."""
    return None if isinstance(value, str) and value.strip() else "must be a string that is not empty"


def letter(value: object) -> str | None:
    """One character; the reference draws another where there are more."""
    return None if isinstance(value, str) and len(value.strip()) == 1 else "must be one character"


def phrases(value: object) -> str | None:
    """Several words or phrases."""
    fits = isinstance(value, list) and value and not any(phrase(item) for item in value)
    return None if fits else "must be a list of strings that is not empty"


def language(value: object) -> str | None:
    """A supported language."""
    if value in LANGUAGES:
        return None
    close = difflib.get_close_matches(str(value), LANGUAGES, n=2, cutoff=0.5)
    return f"must be a language code such as {' or '.join(close or ['en', 'de'])}"
