"""Verifiable instructions: each kind once followed and once broken, refused parameters, and properties of all."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.constraints import KINDS, check, judge, validate
from evalharness.constraints.language import LANGUAGES, detect_language
from evalharness.constraints.sentences import count_capital_words, count_sentences
from evalharness.records import Constraint

AT_LEAST, LESS = "at least", "less than"
CASES = {
    "keywords:existence": ({"keywords": ["sea", "Bridge"]}, "The SEA and a bridge.", "The sea."),
    "keywords:forbidden_words": ({"forbidden_words": ["cat", "c++"]}, "A category.", "A Cat!"),
    "keywords:frequency": ({"relation": AT_LEAST, "keyword": "go", "frequency": 2}, "Go and go.", "Go."),
    "keywords:letter_frequency": ({"let_relation": LESS, "letter": "a", "let_frequency": 2}, "A bit.", "Aha."),
    "language:response_language": (
        {"language": "de"},
        "Der Hund schläft heute den ganzen Tag im Garten.",
        "The dog sleeps in the garden all day long.",
    ),
    "length_constraints:number_words": ({"relation": LESS, "num_words": 3}, "Two words.", "These are three."),
    "length_constraints:number_sentences": ({"relation": LESS, "num_sentences": 2}, "Dr. No left.", "One. Two."),
    "length_constraints:number_paragraphs": ({"num_paragraphs": 2}, "One\n***\nTwo", "One\n\nTwo"),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"},
        'First.\n\n"Then, second.',
        "First.\n\nNow then.",
    ),
    "detectable_format:number_bullet_lists": ({"num_bullets": 2}, "* one\n- two", "* one"),
    "detectable_format:number_highlighted_sections": ({"num_highlights": 1}, "A *word* here.", "A word."),
    "detectable_format:multiple_sections": (
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1\na\nSECTION 2\nb",
        "SECTION 1\na",
    ),
    "detectable_format:title": ({}, "<<A title>>\nText", "<< >>\nText"),
    "detectable_format:json_format": ({}, '```json\n{"a": 1}\n```', "{a: 1}"),
    "detectable_format:constrained_response": ({}, "My answer is maybe.", "Perhaps."),
    "detectable_content:number_placeholders": ({"num_placeholders": 2}, "[name] at [place]", "[name] [\n]"),
    "detectable_content:postscript": ({"postscript_marker": "P.S."}, "Bye.\nP. S. More.", "Bye."),
    "combination:repeat_prompt": ({"prompt_to_repeat": "Say hi."}, "say hi. Hi!", "Hi!"),
    "combination:two_responses": ({}, "One\n******\nTwo", "One\n******\nOne"),
    "change_case:capital_word_frequency": (
        {"capital_relation": AT_LEAST, "capital_frequency": 1},
        "A NASA plan.",
        "all small.",
    ),
    "change_case:english_capital": ({}, "ALL OF IT IS HIGH.", "All of it is high."),
    "change_case:english_lowercase": ({}, "all of this is written low.", "All of this is written low."),
    "startend:end_checker": ({"end_phrase": "The end."}, 'So. "The End."', "The end. Or not."),
    "startend:quotation": ({}, '"Quoted."', 'Only "partly".'),
    "punctuation:no_comma": ({}, "No comma.", "One, two."),
}
EVERY = st.sampled_from([Constraint(kind=kind, parameters=case[0]) for kind, case in CASES.items()])
TEXTS = st.text() | st.text(alphabet="aA1 .,?!*-_<>[]{}()#\"'`\n\r\t“”’é\u0301\u200b\ud800", max_size=200)


def test_all_25_kinds_are_here_each_with_a_case():
    assert len(KINDS) == 25
    assert set(CASES) == set(KINDS)


@pytest.mark.parametrize("kind", CASES)
def test_a_kind_is_followed_and_broken(kind):
    parameters, follows, breaks = CASES[kind]
    constraint = Constraint(kind=kind, parameters=parameters)
    validate(constraint)
    assert check(constraint, follows)
    assert not check(constraint, breaks)


@pytest.mark.parametrize("kind", CASES)
def test_an_empty_completion_follows_nothing(kind):
    constraint = Constraint(kind=kind, parameters=CASES[kind][0])
    assert not check(constraint, " \n")
    assert not judge(constraint, "").loose


@pytest.mark.parametrize("kind", CASES)
def test_parameters_that_are_null_count_as_not_given(kind):
    nulls = dict.fromkeys(("num_words", "relation", "language", "keywords", "some_other"))
    parameters, follows, _ = CASES[kind]
    constraint = Constraint(kind=kind, parameters=nulls | parameters)
    validate(constraint)
    assert check(constraint, follows)


def test_the_loose_reading_forgives_a_preamble_and_asterisks():
    lower = Constraint(kind="change_case:english_lowercase")
    text = "Sure! Here it is:\nall of this is written low."
    assert not check(lower, text)
    assert judge(lower, text).loose
    assert judge(Constraint(kind="startend:quotation"), 'Sure:\n**"Quoted."**\nAnything else?').loose


@pytest.mark.parametrize(
    ("kind", "parameters", "complaint"),
    [
        ("punctuation:no_coma", {}, "write 'punctuation:no_comma'"),
        ("language:response_language", {"language": "german"}, "must be a language code"),
        ("language:response_language", {"language": "zh"}, "zh-"),
        ("punctuation:no_comma", {"x": 1}, "takes the parameters"),
        ("length_constraints:number_words", {"relation": AT_LEAST}, "takes the parameters"),
        ("length_constraints:number_words", {"relation": AT_LEAST, "num_words": None}, "takes the parameters"),
        ("length_constraints:number_words", {"relation": "about", "num_words": 5}, "must be 'at least'"),
        ("length_constraints:number_words", {"relation": LESS, "num_words": "5"}, "must be a whole number"),
        ("length_constraints:number_words", {"relation": LESS, "num_words": -1}, "must be a whole number"),
        ("length_constraints:number_words", {"relation": ["less than"], "num_words": 5}, "must be 'at least'"),
        ("detectable_format:number_bullet_lists", {"num_bullets": True}, "must be a whole number"),
        ("keywords:existence", {"keywords": []}, "must be a list of strings"),
        ("keywords:existence", {"keywords": "sea"}, "must be a list of strings"),
        ("keywords:existence", {"keywords": [3]}, "must be a list of strings"),
        ("startend:end_checker", {"end_phrase": " "}, "must be a string that is not empty"),
        (
            "keywords:letter_frequency",
            {"letter": "ab", "let_relation": LESS, "let_frequency": 2},
            "must be one character",
        ),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "then"},
            "beyond num_paragraphs",
        ),
    ],
)
def test_a_constraint_that_does_not_fit_is_refused(kind, parameters, complaint):
    with pytest.raises(ValueError, match=complaint):
        validate(Constraint(kind=kind, parameters=parameters))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", 3),
        ("Really?! Yes!!!", 2),
        ("It costs 3.50 euros at example.com today.", 1),
        ("Mr. Smith met Dr. Jones at 5 p.m. in St. Louis.", 1),
        ("He met J. R. Smith. They spoke.", 2),
        ('She said "No." Then she left.', 2),
        ("He waited... and waited... Then he left.", 2),
        ("1. Apples\n2. Pears", 3),
        ("no stop\nno stop", 1),
        ('"Quoted."', 1),
    ],
)
def test_sentences_are_counted_as_the_reference_counts_them(text, sentences):
    assert count_sentences(text) == sentences


@pytest.mark.parametrize(
    ("text", "words"),
    [("COVID-19, NASA/ESA!", 2), ("**BOLD** and U.S.", 2), ("I can't; I'm sure", 2), ("WE'RE", 2), ("iPhone 12", 0)],
)
def test_capital_words_are_counted_as_the_reference_counts_them(text, words):
    assert count_capital_words(text) == words


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Heute scheint die Sonne und wir gehen spazieren.", "de"),
        ("Aujourd'hui il fait beau et nous allons marcher.", "fr"),
        ("Сегодня светит солнце, и мы идём гулять.", "ru"),
        ("今日はいい天気ですね。", "ja"),
        ("오늘은 날씨가 좋습니다.", "ko"),
        ("आज मौसम बहुत अच्छा है और हम टहलने जा रहे हैं।", "hi"),
        ("🙂 123", None),
    ],
)
def test_languages_are_told_apart(text, language):
    assert detect_language(text) == language


def test_the_language_codes_are_those_of_the_profiles():
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    assert sorted(factory.get_lang_list()) == sorted(LANGUAGES)


def test_without_langdetect_the_language_is_an_error_with_the_mend():
    code = (
        "import sys; sys.modules['langdetect'] = None\n"
        "from evalharness.constraints.language import detect_language\n"
        "from evalharness.errors import ScorerError\n"
        "try: detect_language('text')\n"
        "except ScorerError as error: sys.exit(error.fix != 'pip install langdetect')\n"
        "sys.exit(2)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_suites_load_without_the_language_profiles():
    code = "import sys, evalharness.suites; sys.exit('langdetect' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("unit", ["[", "<", "*", "\n", " \n", "* \n", "a", ".", '"', "A.", "'", "SECTION ", "1", "{"])
def test_a_long_text_of_one_thing_is_judged(kind, unit):
    """A quadratic rule would need minutes for 200 kB and run into the time limit of the whole suite."""
    judge(Constraint(kind=kind, parameters=CASES[kind][0]), unit * (200_000 // len(unit)))


@settings(max_examples=500, deadline=None)
@given(constraint=EVERY, text=TEXTS)
def test_any_text_is_judged_and_what_holds_strictly_holds_loosely(constraint, text):
    verdict = judge(constraint, text)
    assert verdict.loose or not verdict.strict
    assert verdict.strict == check(constraint, text)


@settings(max_examples=500, deadline=None)
@given(constraint=EVERY, text=TEXTS, ends=st.sampled_from(["\r\n", "\r"]), tail=st.text(" \t\n", max_size=4))
def test_line_ends_and_trailing_white_space_change_nothing(constraint, text, ends, tail):
    text = text.replace("\r", "")
    assert judge(constraint, text) == judge(constraint, text.replace("\n", ends) + tail)


def test_a_decomposed_accent_is_the_same_letter():
    constraint = Constraint(kind="keywords:existence", parameters={"keywords": ["cafe\u0301"]})
    assert check(constraint, "A caf\u00e9.")
    assert check(constraint, "A cafe\u0301.")


def test_parameters_survive_json():
    for kind, (parameters, _, _) in CASES.items():
        assert Constraint.model_validate_json(json.dumps({"kind": kind, "parameters": parameters})).kind == kind
