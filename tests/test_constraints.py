"""Verifiable instructions: each kind, the loose readings, validation, and agreement with published verdicts."""

import json

import pytest

from evalharness.constraints import KINDS, check, check_loose, validate
from evalharness.records import Constraint

AT_LEAST, LESS = "at least", "less than"
CASES = {
    "keywords:existence": ({"keywords": ["sea", "Bridge"]}, "The SEA and a bridge.", "The sea."),
    "keywords:forbidden_words": ({"forbidden_words": ["cat"]}, "A category.", "A Cat!"),
    "keywords:frequency": ({"relation": AT_LEAST, "keyword": "go", "frequency": 2}, "Go and go.", "Go."),
    "keywords:letter_frequency": ({"let_relation": LESS, "letter": "a", "let_frequency": 2}, "A bit.", "Aha."),
    "length_constraints:number_words": ({"relation": LESS, "num_words": 3}, "Two words.", "These are three."),
    "length_constraints:number_sentences": ({"relation": LESS, "num_sentences": 2}, "Dr. No left.", "One. Two."),
    "length_constraints:number_paragraphs": ({"num_paragraphs": 2}, "One\n***\nTwo", "One\n\nTwo"),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"},
        "First.\n\nThen, second.",
        "First.\n\nNow then.",
    ),
    "detectable_format:number_bullet_lists": ({"num_bullets": 2}, "* one\n- two", "* one"),
    "detectable_format:number_highlighted_sections": ({"num_highlights": 1}, "A *word* here.", "A word."),
    "detectable_format:multiple_sections": (
        {"section_spliter": "SECTION", "num_sections": 2},
        "SECTION 1\na\nSECTION 2\nb",
        "SECTION 1\na",
    ),
    "detectable_format:title": ({}, "<<A title>>\nText", "A title\nText"),
    "detectable_format:json_format": ({}, '```json\n{"a": 1}\n```', "{a: 1}"),
    "detectable_format:constrained_response": ({}, "My answer is maybe.", "Perhaps."),
    "detectable_content:number_placeholders": ({"num_placeholders": 2}, "[name] at [place]", "[name]"),
    "detectable_content:postscript": ({"postscript_marker": "P.S."}, "Bye.\nP.S. More.", "Bye."),
    "combination:repeat_prompt": ({"prompt_to_repeat": "Say hi."}, "say hi. Hi!", "Hi!"),
    "combination:two_responses": ({}, "One\n******\nTwo", "One\n******\nOne"),
    "change_case:capital_word_frequency": (
        {"capital_relation": AT_LEAST, "capital_frequency": 1},
        "A NASA plan.",
        "All small.",
    ),
    "change_case:english_capital": ({}, "ALL HIGH.", "All high."),
    "change_case:english_lowercase": ({}, "all low.", "All low."),
    "startend:end_checker": ({"end_phrase": "The end."}, 'So. "The End."', "The end. Or not."),
    "startend:quotation": ({}, '"Quoted."', 'Only "partly".'),
    "punctuation:no_comma": ({}, "No comma.", "One, two."),
}


def test_every_kind_has_a_case():
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
    assert not check_loose(constraint, "")


def test_the_loose_reading_forgives_a_preamble_and_asterisks():
    lower = Constraint(kind="change_case:english_lowercase")
    assert not check(lower, "Sure! Here it is:\nall low.")
    assert check_loose(lower, "Sure! Here it is:\nall low.")
    assert check_loose(Constraint(kind="startend:quotation"), '**"Quoted."**')


@pytest.mark.parametrize(
    ("kind", "parameters", "complaint"),
    [
        ("punctuation:no_coma", {}, "did you mean punctuation:no_comma"),
        ("language:response_language", {"language": "de"}, "no such kind"),
        ("punctuation:no_comma", {"x": 1}, "takes the parameters"),
        ("length_constraints:number_words", {"relation": AT_LEAST}, "takes the parameters"),
        ("length_constraints:number_words", {"relation": "about", "num_words": 5}, "must be 'at least'"),
        ("length_constraints:number_words", {"relation": LESS, "num_words": "5"}, "must be of type int"),
        ("detectable_format:number_bullet_lists", {"num_bullets": True}, "must be of type int"),
        ("keywords:existence", {"keywords": []}, "must not be empty"),
        ("keywords:existence", {"keywords": [3]}, "must not be empty"),
    ],
)
def test_a_constraint_that_does_not_fit_is_refused(kind, parameters, complaint):
    with pytest.raises(ValueError, match=complaint):
        validate(Constraint(kind=kind, parameters=parameters))


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("reading", ["strict", "loose"])
def test_verdicts_agree_with_the_published_reference(validation_data, reading):
    """On the stable verdicts of the kinds that are here; sentences are split by rules instead of a trained model."""
    folder = validation_data / "ifeval"
    prompts = {row["key"]: row for row in rows(folder / "prompts.jsonl")}
    responses = {row["key"]: row["response"] for row in rows(folder / "responses_gpt4.jsonl")}
    judge = check if reading == "strict" else check_loose
    disagreements = []
    checked = 0
    for row in rows(folder / "reference_gpt4.jsonl"):
        if row["instruction_id"] not in KINDS or not row[f"{reading}_stable"]:
            continue
        parameters = prompts[row["key"]]["kwargs"][row["index"]]
        given = {name: value for name, value in parameters.items() if value is not None}
        given = {name: given[name] for name in KINDS[row["instruction_id"]].parameters}
        checked += 1
        if judge(Constraint(kind=row["instruction_id"], parameters=given), responses[row["key"]]) != row[reading]:
            disagreements.append((row["key"], row["instruction_id"]))
    assert checked > 780
    assert len(disagreements) <= 0.01 * checked, disagreements
