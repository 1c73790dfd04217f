"""One search for many patterns."""

import re

TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]|.", re.DOTALL)
"""A sign of a pattern: one with a backslash, a class, or any other."""


def any_of(*patterns: str) -> re.Pattern[str]:
    """One pattern that is somewhere in a text where any of `patterns` is, though not always at the same place.

    What begins with a word comes first: `re` then looks for the beginning of a word once for all of it. So after `\\b`
    a pattern must continue with a letter or digit (held by tests/test_refusal_patterns.py).
    """
    parts = [part for pattern in patterns for part in alternatives(pattern)]
    words = [part for part in parts if part.startswith(r"\b")]
    return re.compile("|".join([rf"\b(?=\w)(?:{'|'.join(words)})", *(part for part in parts if part not in words)]))


def alternatives(pattern: str) -> list[str]:
    """What `|` divides at its top."""
    parts, depth = [""], 0
    for token in TOKEN.findall(pattern):
        depth += (token == "(") - (token == ")")
        if token == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += token
    return parts
