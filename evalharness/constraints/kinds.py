"""All kinds of instructions, by their IFEval ids: a function each, and its line in `KINDS`."""

import json
import re

from evalharness.constraints.constraint import (
    Kind,
    Parameters,
    count,
    language,
    letter,
    phrase,
    phrases,
    position,
    relation,
)
from evalharness.constraints.language import detect_language
from evalharness.constraints.sentences import count_capital_words, count_sentences

POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
YES_NO_MAYBE = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
STAR_LINE = "******"
BETWEEN_WORDS = str.maketrans({sign: " " for sign in map(chr, range(128)) if not (sign.isalnum() or sign == "_")})
WORD = re.compile(r"\w+")
STAR_BULLET = re.compile(r"^[^\S\n]*\*[^*].*$", re.MULTILINE)
HIGHLIGHT = re.compile(r"\*([^\n*]*)\*")
DOUBLE_HIGHLIGHT = re.compile(r"\*\*([^\n*]*)\*\*")
DIVIDER = re.compile(r"\s?\*\*\*\s?")
FENCES = ("```json", "```Json", "```JSON", "```")
PUNCTUATION = re.compile(r"[.,?!'\"]")


def _relates(number: int, relation: str, threshold: int) -> bool:
    """Whether a number is as the relation wants it."""
    return number >= threshold if relation == "at least" else number < threshold


def _existence(text: str, p: Parameters) -> bool:
    lowered = text.lower()
    return all(word.lower() in lowered for word in p["keywords"])


def _forbidden(text: str, p: Parameters) -> bool:
    words = "|".join(re.escape(word.lower()) for word in p["forbidden_words"])
    return re.search(rf"\b(?:{words})\b", text.lower()) is None


def _frequency(text: str, p: Parameters) -> bool:
    return _relates(text.lower().count(p["keyword"].strip().lower()), p["relation"], p["frequency"])


def _letters(text: str, p: Parameters) -> bool:
    return _relates(text.lower().count(p["letter"].strip().lower()), p["let_relation"], p["let_frequency"])


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
    return _relates(count_capital_words(text), p["capital_relation"], p["capital_frequency"])


def _words(text: str, p: Parameters) -> bool:
    words = text.translate(BETWEEN_WORDS).split() if text.isascii() else WORD.findall(text)
    return _relates(len(words), p["relation"], p["num_words"])


def _sentences(text: str, p: Parameters) -> bool:
    return _relates(count_sentences(text), p["relation"], p["num_sentences"])


def _paragraphs(text: str, p: Parameters) -> bool:
    parts = [bool(part.strip()) for part in DIVIDER.split(text)]
    return all(parts[1:-1]) and sum(parts) == int(p["num_paragraphs"])


def _nth_paragraph(text: str, p: Parameters) -> bool:
    parts = text.split("\n\n")
    if sum(bool(part.strip()) for part in parts) != p["num_paragraphs"]:
        return False
    words = parts[p["nth_paragraph"] - 1].split(maxsplit=1)
    first = PUNCTUATION.split(words[0].lstrip("'").lstrip('"'), maxsplit=1)[0] if words else ""
    return first.lower() == str(p["first_word"]).lower()


def _bullets(text: str, p: Parameters) -> bool:
    stars = len(STAR_BULLET.findall(text)) if "*" in text else 0
    dashes = sum(line.lstrip().startswith("-") for line in text.split("\n")) if "-" in text else 0
    return stars + dashes == int(p["num_bullets"])


def _highlights(text: str, p: Parameters) -> bool:
    highlights = HIGHLIGHT.findall(text) + DOUBLE_HIGHLIGHT.findall(text)
    return sum(bool(inner.strip()) for inner in highlights) >= int(p["num_highlights"])


def _sections(text: str, p: Parameters) -> bool:
    marks = re.findall(rf"{re.escape(p['section_spliter'].strip())}\s?\d+", text)
    return len(marks) >= int(p["num_sections"])


def _title(text: str, p: Parameters) -> bool:
    """By hand, because `<<[^\\n]+>>` takes quadratic time on angles that never close."""
    for line in text.split("\n"):
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end - 2 and line[start : end + 2].lstrip("<").rstrip(">").strip():
            return True
    return False


def _json(text: str, p: Parameters) -> bool:
    inner = text.strip()
    for fence in FENCES:
        inner = inner.removeprefix(fence)
    try:
        json.loads(inner.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _constrained(text: str, p: Parameters) -> bool:
    return any(option in text for option in YES_NO_MAYBE)


def _repeat_prompt(text: str, p: Parameters) -> bool:
    return text.strip().lower().startswith(p["prompt_to_repeat"].strip().lower())


def _two_responses(text: str, p: Parameters) -> bool:
    parts = [part.strip() for part in text.split(STAR_LINE)]
    answers = [part for part in parts if part]
    return all(parts[1:-1]) and len(answers) == 2 and answers[0] != answers[1]


def _ends(text: str, p: Parameters) -> bool:
    return text.strip().strip('"').lower().endswith(p["end_phrase"].strip().lower())


def _quoted(text: str, p: Parameters) -> bool:
    stripped = text.strip()
    return len(stripped) > 1 and stripped[0] == stripped[-1] == '"'


def _no_comma(text: str, p: Parameters) -> bool:
    return "," not in text


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
    "length_constraints:number_words": Kind(_words, {"relation": relation, "num_words": count}),
    "length_constraints:number_sentences": Kind(_sentences, {"relation": relation, "num_sentences": count}),
    "length_constraints:number_paragraphs": Kind(_paragraphs, {"num_paragraphs": count}),
    "length_constraints:nth_paragraph_first_word": Kind(
        _nth_paragraph, {"num_paragraphs": position, "nth_paragraph": position, "first_word": phrase}
    ),
    "detectable_format:number_bullet_lists": Kind(_bullets, {"num_bullets": count}),
    "detectable_format:number_highlighted_sections": Kind(_highlights, {"num_highlights": count}),
    "detectable_format:multiple_sections": Kind(_sections, {"section_spliter": phrase, "num_sections": count}),
    "detectable_format:title": Kind(_title),
    "detectable_format:json_format": Kind(_json),
    "detectable_format:constrained_response": Kind(_constrained),
    "combination:repeat_prompt": Kind(_repeat_prompt, {"prompt_to_repeat": phrase}),
    "combination:two_responses": Kind(_two_responses),
    "startend:end_checker": Kind(_ends, {"end_phrase": phrase}),
    "startend:quotation": Kind(_quoted),
    "punctuation:no_comma": Kind(_no_comma),
}
