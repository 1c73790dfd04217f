"""Verifiable instructions under their IFEval ids: pure functions on text.

The kinds and their meaning are those of "Instruction-Following Evaluation for Large Language Models" (Zhou et al.
2023, arXiv:2311.07911). `language:response_language` is not here: it needs a language detector. An empty completion
follows nothing.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evalharness.records import Constraint

Relation = Literal["at least", "less than"]
Parameters = Mapping[str, Any]
RELATION_NAMES = ("relation", "let_relation", "capital_relation")
YES_NO_MAYBE = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
STAR_LINE = "******"
WORD = re.compile(r"\w+")
TOKEN = re.compile(r"[^\W_]+(?:[.'’&-][^\W_]+)*")
SENTENCE_END = re.compile(r"[.!?…]+[\"')\]”’]*(?=\s|$)")
ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|e\.g|i\.e|no|inc|ltd|co|corp|gen|rep|sen|u\.s|a\.m|p\.m)|\b[a-z])\.$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Kind:
    """How one kind of instruction is checked, and the parameters it takes with their types."""

    follows: Callable[[str, Parameters], bool]
    parameters: Mapping[str, type]


def check(constraint: Constraint, text: str) -> bool:
    """Whether a completion follows the instruction, taken strictly."""
    return bool(text.strip()) and KINDS[constraint.kind].follows(text, constraint.parameters)


def check_loose(constraint: Constraint, text: str) -> bool:
    """Whether it follows it in any of eight readings: without the first or last line or both, without asterisks."""
    return any(check(constraint, reading) for reading in _readings(text))


def _readings(text: str) -> Iterator[str]:
    lines = text.split("\n")
    for shown in (lines, lines[1:], lines[:-1], lines[1:-1]):
        reading = "\n".join(shown).strip() if shown is not lines else text
        yield reading
        yield reading.replace("*", "")


def validate(constraint: Constraint) -> None:
    """Raise ValueError, with a sentence, where the kind is unknown or its parameters do not fit."""
    if constraint.kind not in KINDS:
        close = difflib.get_close_matches(constraint.kind, KINDS, n=1)
        raise ValueError(
            f"no such kind; did you mean {close[0]}?" if close else f"no such kind; use {', '.join(KINDS)}"
        )
    wanted = KINDS[constraint.kind].parameters
    if set(constraint.parameters) != set(wanted):
        raise ValueError(f"takes the parameters {', '.join(wanted) or '(none)'}")
    for name, value in constraint.parameters.items():
        _validate_value(name, value, wanted[name])


def _validate_value(name: str, value: object, wanted: type) -> None:
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ValueError(f"{name} must be of type {wanted.__name__}, not {value!r}")
    if name in RELATION_NAMES and value not in ("at least", "less than"):
        raise ValueError(f"{name} must be 'at least' or 'less than', not {value!r}")
    if isinstance(value, int) and value < 0:
        raise ValueError(f"{name} must not be negative")
    if isinstance(value, list | str) and (not value or any(not isinstance(item, str) or not item for item in value)):
        raise ValueError(f"{name} must not be empty")


def _relates(count: int, relation: Relation, number: int) -> bool:
    return count >= number if relation == "at least" else count < number


# -------------------------------------------------------------------------------------------- keywords


def _existence(text: str, p: Parameters) -> bool:
    return all(word.lower() in text.lower() for word in p["keywords"])


def _forbidden(text: str, p: Parameters) -> bool:
    return not any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in p["forbidden_words"])


def _frequency(text: str, p: Parameters) -> bool:
    return _relates(text.lower().count(p["keyword"].lower()), p["relation"], p["frequency"])


def _letter_frequency(text: str, p: Parameters) -> bool:
    return _relates(text.lower().count(p["letter"].lower()), p["let_relation"], p["let_frequency"])


# ---------------------------------------------------------------------------------------------- length


def _words(text: str, p: Parameters) -> bool:
    return _relates(len(WORD.findall(text)), p["relation"], p["num_words"])


def _sentences(text: str, p: Parameters) -> bool:
    return _relates(count_sentences(text), p["relation"], p["num_sentences"])


def count_sentences(text: str) -> int:
    """How many sentences a text has, by punctuation, where common abbreviations and initials do not end one.

    >>> [count_sentences(text) for text in ("Dr. No left. Why? Nobody knew...", "no full stop", "")]
    [3, 1, 0]
    """
    count, last = 0, 0
    for end in SENTENCE_END.finditer(text):
        if not ABBREVIATION.search(text[last : end.end()]):
            count, last = count + 1, end.end()
    return count + bool(WORD.search(text[last:]))


def _paragraphs(text: str, p: Parameters) -> bool:
    parts = re.split(r"\s?\*\*\*\s?", text)
    inner = parts[1:-1] if len(parts) > 2 else []
    if any(not part.strip() for part in inner):
        return False
    return bool(sum(bool(part.strip()) for part in parts) == p["num_paragraphs"])


def _nth_paragraph(text: str, p: Parameters) -> bool:
    parts = re.split(r"\n\n", text)
    if sum(bool(part.strip()) for part in parts) != p["num_paragraphs"] or p["nth_paragraph"] > len(parts):
        return False
    first = parts[p["nth_paragraph"] - 1].split()[:1]
    word = re.match(r"[\"'“‘]*([^.,?!'\"’”]*)", first[0]) if first else None
    return bool(word is not None and word.group(1).lower() == p["first_word"].lower())


# ---------------------------------------------------------------------------------------------- format


def _bullets(text: str, p: Parameters) -> bool:
    return bool(len(re.findall(r"^\s*(?:\*[^*]|-)", text, re.MULTILINE)) == p["num_bullets"])


def _highlights(text: str, p: Parameters) -> bool:
    single = [found for found in re.findall(r"\*([^\n*]*)\*", text) if found.strip()]
    double = [found for found in re.findall(r"\*\*([^\n*]*)\*\*", text) if found.strip()]
    return bool(len(single) + len(double) >= p["num_highlights"])


def _sections(text: str, p: Parameters) -> bool:
    marks = re.findall(rf"{re.escape(p['section_spliter'])}\s?\d+", text)
    return bool(len(marks) >= p["num_sections"])


def _title(text: str, p: Parameters) -> bool:
    return any(found.strip(" <>") for found in re.findall(r"<<[^\n]+>>", text))


def _json(text: str, p: Parameters) -> bool:
    inner = re.sub(r"^```(?:json)?|```$", "", text.strip(), flags=re.IGNORECASE)
    try:
        json.loads(inner.strip())
    except ValueError:
        return False
    return True


def _constrained(text: str, p: Parameters) -> bool:
    return any(option in text for option in YES_NO_MAYBE)


def _placeholders(text: str, p: Parameters) -> bool:
    return bool(len(re.findall(r"\[.*?\]", text)) >= p["num_placeholders"])


def _postscript(text: str, p: Parameters) -> bool:
    marker = p["postscript_marker"].lower()
    pattern = {"p.p.s": r"p\.\s?p\.\s?s", "p.s.": r"p\.\s?s\."}.get(marker, re.escape(marker))
    return re.search(pattern, text.lower()) is not None


# ----------------------------------------------------------------------------- combination, case, ends


def _repeat_prompt(text: str, p: Parameters) -> bool:
    return text.strip().lower().startswith(p["prompt_to_repeat"].strip().lower())


def _two_responses(text: str, p: Parameters) -> bool:
    parts = [part.strip() for part in text.split(STAR_LINE)]
    answers = [part for part in parts if part]
    inner_is_empty = any(not part for part in parts[1:-1])
    return not inner_is_empty and len(answers) == 2 and answers[0] != answers[1]


def _capital_words(text: str, p: Parameters) -> bool:
    return _relates(sum(word.isupper() for word in TOKEN.findall(text)), p["capital_relation"], p["capital_frequency"])


def _ends(text: str, p: Parameters) -> bool:
    return text.strip().strip('"').lower().endswith(p["end_phrase"].strip().lower())


def _quoted(text: str, p: Parameters) -> bool:
    stripped = text.strip()
    return len(stripped) > 1 and stripped[0] == stripped[-1] == '"'


KINDS: dict[str, Kind] = {
    "keywords:existence": Kind(_existence, {"keywords": list}),
    "keywords:forbidden_words": Kind(_forbidden, {"forbidden_words": list}),
    "keywords:frequency": Kind(_frequency, {"relation": str, "keyword": str, "frequency": int}),
    "keywords:letter_frequency": Kind(_letter_frequency, {"let_relation": str, "letter": str, "let_frequency": int}),
    "length_constraints:number_words": Kind(_words, {"relation": str, "num_words": int}),
    "length_constraints:number_sentences": Kind(_sentences, {"relation": str, "num_sentences": int}),
    "length_constraints:number_paragraphs": Kind(_paragraphs, {"num_paragraphs": int}),
    "length_constraints:nth_paragraph_first_word": Kind(
        _nth_paragraph, {"num_paragraphs": int, "nth_paragraph": int, "first_word": str}
    ),
    "detectable_format:number_bullet_lists": Kind(_bullets, {"num_bullets": int}),
    "detectable_format:number_highlighted_sections": Kind(_highlights, {"num_highlights": int}),
    "detectable_format:multiple_sections": Kind(_sections, {"section_spliter": str, "num_sections": int}),
    "detectable_format:title": Kind(_title, {}),
    "detectable_format:json_format": Kind(_json, {}),
    "detectable_format:constrained_response": Kind(_constrained, {}),
    "detectable_content:number_placeholders": Kind(_placeholders, {"num_placeholders": int}),
    "detectable_content:postscript": Kind(_postscript, {"postscript_marker": str}),
    "combination:repeat_prompt": Kind(_repeat_prompt, {"prompt_to_repeat": str}),
    "combination:two_responses": Kind(_two_responses, {}),
    "change_case:capital_word_frequency": Kind(_capital_words, {"capital_relation": str, "capital_frequency": int}),
    "change_case:english_capital": Kind(lambda text, p: text.isupper(), {}),
    "change_case:english_lowercase": Kind(lambda text, p: text.islower(), {}),
    "startend:end_checker": Kind(_ends, {"end_phrase": str}),
    "startend:quotation": Kind(_quoted, {}),
    "punctuation:no_comma": Kind(lambda text, p: "," not in text, {}),
}
