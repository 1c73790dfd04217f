"""Keywords, contents and languages: `keywords:`, `detectable_content:`, `language:`, `change_case:`."""

import re

from evalharness.constraints.constraint import Kind, Parameters, count, language, letter, phrase, phrases, relation
from evalharness.constraints.language import detect_language
from evalharness.constraints.sentences import count_capital_words

POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}


def relates(number: int, relation: str, threshold: int) -> bool:
    """Whether a number is as the relation wants it."""
    return number >= threshold if relation == "at least" else number < threshold


def _existence(text: str, p: Parameters) -> bool:
    lowered = text.lower()
    return all(word.lower() in lowered for word in p["keywords"])


def _forbidden(text: str, p: Parameters) -> bool:
    words = "|".join(re.escape(word.lower()) for word in p["forbidden_words"])
    return re.search(rf"\b(?:{words})\b", text.lower()) is None


def _frequency(text: str, p: Parameters) -> bool:
    return relates(text.lower().count(p["keyword"].strip().lower()), p["relation"], p["frequency"])


def _letters(text: str, p: Parameters) -> bool:
    return relates(text.lower().count(p["letter"].strip().lower()), p["let_relation"], p["let_frequency"])


def _placeholders(text: str, p: Parameters) -> bool:
    return sum(map(_placeholders_in, text.split("\n"))) >= int(p["num_placeholders"])


def _placeholders_in(line: str) -> int:
    """Bracket pairs of a line; by hand, because `\\[.*?\\]` takes quadratic time on brackets that never close."""
    placeholders, start = 0, line.find("[")
    while start >= 0 and (end := line.find("]", start)) >= 0:
        placeholders, start = placeholders + 1, line.find("[", end)
    return placeholders


def _postscript(text: str, p: Parameters) -> bool:
    marker = p["postscript_marker"].strip()
    pattern = POSTSCRIPTS.get(marker, re.escape(marker.lower()))
    return re.search(pattern, text.lower()) is not None


def _language(text: str, p: Parameters) -> bool:
    return detect_language(text) in (p["language"], None)


def _english_capital(text: str, p: Parameters) -> bool:
    return text.isupper() and detect_language(text) in ("en", None)


def _english_lowercase(text: str, p: Parameters) -> bool:
    return text.islower() and detect_language(text) in ("en", None)


def _capital_words(text: str, p: Parameters) -> bool:
    return relates(count_capital_words(text), p["capital_relation"], p["capital_frequency"])


KINDS = {
    "keywords:existence": Kind(_existence, {"keywords": phrases}),
    "keywords:forbidden_words": Kind(_forbidden, {"forbidden_words": phrases}),
    "keywords:frequency": Kind(_frequency, {"relation": relation, "keyword": phrase, "frequency": count}),
    "keywords:letter_frequency": Kind(_letters, {"let_relation": relation, "letter": letter, "let_frequency": count}),
    "language:response_language": Kind(_language, {"language": language}),
    "detectable_content:number_placeholders": Kind(_placeholders, {"num_placeholders": count}),
    "detectable_content:postscript": Kind(_postscript, {"postscript_marker": phrase}),
    "change_case:capital_word_frequency": Kind(
        _capital_words, {"capital_relation": relation, "capital_frequency": count}
    ),
    "change_case:english_capital": Kind(_english_capital),
    "change_case:english_lowercase": Kind(_english_lowercase),
}
