"""The states of completions, on texts that are easy to mistake, and the measures of their form."""

import json
import re
import zlib
from pathlib import Path
from unicodedata import normalize

import pytest
from hard_strings import SCENES
from hypothesis import given, settings
from hypothesis import strategies as st

from evalharness.completion.state import ENDINGS, NON_ANSWERS
from evalharness.records import Completion, Message, Sample, Score
from evalharness.scorers import Item, open_scorer
from evalharness.scorers.style import Style

VISIBLE = 0.35
"""Share of its bytes to which zlib compresses a text that visibly repeats itself."""
MOST_SPANS = 14
POEM = "Write a poem about nature"
FRANCE = "What is the capital of France?"
REFRAIN = "\n".join(
    f"{line}\n  And miles to go before I rest,"
    for line in (
        "The road is long, the night is cold,",
        "The story now is nearly told,",
        "The woods are quiet, dark and deep,",
        "There is a promise I must keep,",
    )
)
SONG = (
    "Row, row, row your boat\nGently down the stream\nMerrily, merrily, merrily, merrily\nLife is but a dream\n\n" * 2
)
TABLE = "| Name | Yes | No |\n|---|---|---|\n" + "".join(f"| Item {row} | Yes | No |\n" for row in range(12))
JSON = json.dumps([{"name": f"item{row}", "price": 3 * row, "tags": ["a", "b"]} for row in range(12)], indent=1)
CODE = (
    "```python\n" + "".join(f"def test_{row}():\n    assert add({row}, 1) == {row + 1}\n\n" for row in range(8)) + "```"
)
HTML = "<ul>\n" + "".join(f"  <li><a href='#'>Link {row}</a></li>\n" for row in range(12)) + "</ul>"
TIMES = "\n".join(f"7 x {row} = {7 * row}" for row in range(1, 13))
TIPS = (
    "1. Drink water before each meal.\n2. Walk for half an hour a day.\n3. Sleep eight hours.\n"
    "4. Eat less sugar.\n5. Cook at home more often.\n6. Take the stairs."
)
CAPITALS = "\n".join(
    f"The capital of {country} is {city}."
    for country, city in (
        ("France", "Paris"), ("Spain", "Madrid"), ("Italy", "Rome"), ("Poland", "Warsaw"), ("Greece", "Athens"),
        ("Norway", "Oslo"), ("Austria", "Vienna"), ("Portugal", "Lisbon"),
    )
)  # fmt: skip
SPEECH = (
    "I hope that one day we rise.\nI hope that one day we sit together.\nI hope that one day we sing.\nI hope today!"
)
GEMMA_POEM = ".\n\n" + "Write a poem about the ocean.\n\n" * 11 + "Write a poem about the ocean"
GEMMA_FRANCE = "\n\nThe capital of France is Paris.\n\nWhat is the capital of France?" * 6
GEMMA_FORUM = "\n\n[User 0001]\n\nI'm a bit confused about this. I've been reading a lot of books on the subject."
GEMMA_CAT = " table, his head resting on the table. He was happy because he was happy." + (
    " He was happy because he was happy." * 9
)


def score(
    prompt: str,
    text: str,
    finish_reason: str | None = "stop",
    kind: str = "instruction",
    completion_tokens: int | None = None,
) -> Score:
    sample = Sample(id="s", messages=(Message(role="user", content=prompt),), category="c", kind=kind)
    completion = Completion(request_id="r", text=text, finish_reason=finish_reason, completion_tokens=completion_tokens)
    return Style().score([Item(sample, completion)])[0]


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (POEM, REFRAIN), ("Sing me something", SONG), ("Make a table", TABLE), ("Give me some JSON", JSON),
        ("Write tests for add", CODE), ("Make a list of links in HTML", HTML), ("The table of seven, please", TIMES),
        ("Give me health tips", TIPS), ("List the capitals of Europe", CAPITALS), ("A short speech", SPEECH),
        ("A matrix of zeros", "0 0 0 0 0\n" * 5), ("Draw a tree", "  *\n ***\n*****"), ("Hello", "Hello!"),
    ],
)  # fmt: skip
def test_text_whose_form_repeats_by_nature_ends_by_itself(prompt, text):
    assert score(prompt, text).label == "itself"


@pytest.mark.parametrize("text", [REFRAIN, TABLE, JSON, CODE, HTML, TIMES, TIPS])
def test_the_same_text_cut_by_the_limit_is_cut_and_no_loop(text):
    assert score("Please do it", text, "length").label == "cut"


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (POEM, GEMMA_POEM),
        (POEM, "".join(f"\nWrite a poem about the {it}." for it in ("ocean", "sky", "moon", "sea", "sun", "rain"))),
        (FRANCE, GEMMA_FRANCE),
        ("List three fruits.", "List three fruits.\n\n" * 12),
        ("Laugh", "ha" * 60),
        ("Say it", "z" * 50),
        ("Play", "🎹🎻🎸🎼" * 20),
        ("说吧", "我爱你" * 30),
        ("Tell me a story", "Once there was a king who had a cat. " + "The cat was very happy with the king. " * 6),
        ("Podcasts?", "\n".join(f"{row}. The Guide to the Whole Universe" for row in range(5, 30))),
    ],
)
def test_going_in_circles_is_a_loop_when_the_limit_ends_it(prompt, text):
    assert score(prompt, text, "length").label == "loop"


def test_a_late_loop_is_found_and_its_place_is_shown():
    beginning = "Bees live in hives and gather nectar from flowers in the spring. " + TIPS
    result = score("Tell me about bees", beginning + "\n" + "They make honey in the hive. " * 8, "length")
    assert result.label == "loop"
    assert result.spans[0].label == "loop"
    assert result.spans[0].start >= len(beginning)


def test_an_aborted_generation_is_a_loop():
    for text in ("The trees are green.", POEM, f"{POEM} {POEM}", "\n" * 31, "", "..."):
        assert score(POEM, text, "loop_abort").label == "loop"


def test_repetition_that_was_asked_for_is_no_loop():
    assert score("Repeat the word cat 20 times", "cat " * 20).label == "itself"


def test_the_prompt_once_or_twice_is_an_echo_and_more_often_a_loop():
    once, cut = score(FRANCE, FRANCE), score(FRANCE, f"{FRANCE}\n{FRANCE}\nWhat is the cap", "length")
    assert (once.values["echo"], once.label, cut.values["echo"], cut.label) == (1, "itself", 1, "cut")
    assert score(FRANCE, f"{FRANCE}\n" * 3).label == "loop"
    assert score(FRANCE, f"{FRANCE} Paris.").values["echo"] == 0


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (FRANCE, "The capital of France is Paris.\n\nWhat is the capital of Spain?\nMadrid."),
        (FRANCE, "A. Berlin\nB. Paris\nC. Rome\nD. Madrid"),
        (POEM, " and the seasons of the year"),
        ("Why is the sky blue?", GEMMA_FORUM),
        ("Explain how rainbows form.", "Posted by admin on Monday\n\n12 comments\n\nI was wondering too."),
        ("Explain how rainbows form.", "What is a cloud made of? What is the colour of snow? Why does it rain at all?"),
        (FRANCE, "Paris.\n\nExercise 2: Name the rivers of France."),
        (FRANCE, "Q: What is the capital of Spain?\nA: Madrid."),
        (FRANCE, "Paris.<|endoftext|>The stock market rose on Monday."),
    ],
)
def test_going_on_with_the_document_is_a_continuation(prompt, text):
    assert score(prompt, text).label == "continuation"


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Help me plan my garden", "What kind of soil do you have? How much sun does your garden get?"),
        ("Write 3 questions about Rome", "Who was Nero?\nWhen did the city burn?\nWhere was the senate?"),
        ("A recipe for bread", "Ingredients:\n- flour\n- salt\n\nInstructions:\n\n1. Mix all.\n2. Bake for an hour."),
        ("Write a dialogue between a user and an assistant", "User: Hi\nAssistant: Hello!\nUser: Bye"),
        (FRANCE, "Assistant: Paris."),
        (FRANCE, "Paris.</s>"),
    ],
)
def test_what_only_looks_like_a_continuation_is_none(prompt, text):
    assert score(prompt, text).label == "itself"


@pytest.mark.parametrize(
    "text",
    [
        "Paris.\nUser: And of Spain?\nAssistant: Madrid.",
        "Paris.\n\nHuman: Thanks!",
        "Paris<|im_end|>\n<|im_start|>user\nThanks",
        "Paris.<end_of_turn>\n<start_of_turn>user\nThanks",
    ],
)
def test_writing_the_other_side_is_a_self_dialogue(text):
    assert score(FRANCE, text).label == "self_dialogue"


def test_whitespace_or_thinking_alone_is_empty_and_has_no_other_measures():
    for text in ("", " \n\t", "<think>Paris, I suppose.</think>\n"):
        result = score(FRANCE, text)
        assert (result.label, result.values["empty"], result.values["words"]) == ("itself", 1, 0)
        assert not {"distinct_2", "repeated_share", "finished_sentence", "markdown", "preamble"} & set(result.values)


def test_going_on_is_the_right_behaviour_on_a_text_to_continue():
    result = score("The cat sat on the", " mat and purred.", kind="continuation")
    assert (result.label, result.explanation) == ("itself", "continues the text, as asked")
    assert "continuation" not in result.values
    assert score("The cat sat on the", " mat. Then it", "length", "continuation").label == "cut"
    assert score("The cat sat on the", GEMMA_CAT, "length", "continuation").label == "loop"


def test_exactly_one_ending_holds_and_is_the_label():
    for text in ("", FRANCE, GEMMA_FRANCE, "Paris.", "Paris.\nUser: Thanks", GEMMA_FORUM):
        for end in ("stop", "length"):
            result = score(FRANCE, text, end)
            assert [name for name in ENDINGS if result.values.get(name, result.label == name)] == [result.label]


def test_an_ending_says_nothing_of_what_was_done_with_the_request():
    refusal, answer = "I'm sorry, but I can't help with that.", "The capital of France is Paris."
    for end, label in (("stop", "itself"), ("length", "cut")):
        assert {score(FRANCE, text, end).label for text in (refusal, answer, FRANCE, "")} == {label}
    assert not {"answers", "responds"} & {metric.title for metric in Style.facts.metrics}
    assert all(label.answers for label in Style.facts.labels)


def test_stopped_is_known_only_where_the_end_was_recorded():
    assert score(FRANCE, "Paris.", "stop").values["stopped"] == 1
    assert score(FRANCE, "Paris", "length").values["stopped"] == 0
    assert "stopped" not in score(FRANCE, "Paris.", None).values


def test_measures_of_form():
    result = score(FRANCE, "Sure! Here it is:\n\n# Capital\n\nIt is **Paris**, and Paris it is").values
    assert (result["preamble"], result["markdown"], result["finished_sentence"]) == (1, 1, 0)
    assert result["words"] == 12
    assert result["distinct_2"] == 9 / 11
    assert score(FRANCE, 'He said "Paris."').values["finished_sentence"] == 1


def test_each_kind_of_markdown_is_told_from_the_others():
    kinds = {
        "headings": "# Capital\nIt is Paris.",
        "lists": "It has:\n- a river\n- a tower",
        "code": "Type `print` and see.",
        "bold": "It is **Paris** of course.",
        "tables": "| a | b |\n|---|---|\n| 1 | 2 |",
    }
    for kind, text in kinds.items():
        values = score(FRANCE, text).values
        assert [name for name in kinds if values[name]] == [kind]
        assert values["markdown"] == 1


def test_a_comment_or_a_list_in_a_code_block_is_code_alone():
    values = score(FRANCE, "Run this:\n```python\n# a comment\n- 1\n| x |\n```\nIt prints one.").values
    assert (values["code"], values["headings"], values["lists"], values["tables"]) == (1, 0, 0, 0)


def test_manner_is_read_with_the_place_of_each_flag():
    text = "I'm sorry, it might perhaps rain. Would you like to stay at home with me?"
    result = score(FRANCE, text)
    assert [result.values[name] for name in ("apology", "first_person", "second_person", "question_at_end")] == [1] * 4
    assert result.values["hedging"] == pytest.approx(100 * 2 / 15)
    assert {span.label: text[span.start : span.end] for span in result.spans} == {
        "apology": "sorry",
        "first_person": "I",
        "second_person": "you",
    }


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("Spanish", "La capital de Francia es París, y está en el norte del país."),
        ("French", "La capitale de la France est Paris, et elle est dans le nord du pays."),
        ("German", "Die Hauptstadt von Frankreich ist Paris, und sie ist nicht im Süden."),
        ("Italian", "La capitale della Francia è Parigi, che non è nel sud del paese."),
        ("Portuguese", "A capital da França é Paris, e não fica no sul do país."),
        ("Chinese", "法国的首都是巴黎。"),
        ("Japanese", "フランスの首都はパリです。"),
        ("Korean", "프랑스의 수도는 파리입니다."),
        ("Russian", "Столица Франции - Париж."),
        ("Arabic", "عاصمة فرنسا هي باريس."),
    ],
)
def test_the_language_is_named_and_english_measures_are_left_out(language, text):
    result = score("What is the capital of France, and where is it?", text)
    assert result.explanation.endswith(f"; in {language}")
    assert (result.values["english"], result.values["same_language"]) == (0, 0)
    assert not {"hedging", "first_person", "second_person", "grade"} & set(result.values)


def test_no_language_is_claimed_where_it_cannot_be_told():
    for text in ("Paris", "42", "x = f(y)"):
        assert "english" not in score(FRANCE, text).values


def test_the_reading_level_is_the_formula_of_coleman_and_liau():
    text = "The cat sat on the mat and it was warm. " * 2 + "A dog came to the door of the house with a ball. " * 3
    words = re.findall(r"\w+", text)
    expected = 5.88 * sum(map(len, words)) / len(words) - 29.6 * 5 / len(words) - 15.8
    assert len(words) >= 50
    assert score("Tell me a story", text).values["grade"] == pytest.approx(expected)
    assert "grade" not in score("Tell me a story", "The cat sat on the mat.").values


def test_every_value_is_a_metric_and_every_metric_has_a_value():
    text = "The capital of France is Paris, and it has been so for many hundreds of years. " + " ".join(TIPS.split())
    result = score("What is the capital of France, and why is it so?", f"{text} {REFRAIN}", completion_tokens=70).values
    assert set(result) == {metric.name.removeprefix("style.") for metric in open_scorer("style").metrics}


PARTS = st.sampled_from(
    ["The cat sat. ", "User: hi", "\n", "\r\n", "\r", "Q: why?", "é", "e\u0301", "Å", "’", "\u200b", "1. a b c d",
     "```", " ", "<|im_start|>", "<think>", "</think>", "</s>", "我爱你", "가", "한국", "ｆｕｌｌ", "ﬁ", "- ",
     "| a | b |", "!" * 41, "What is it?"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=200), st.lists(PARTS, max_size=25).map("".join))


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from(["stop", "length", None]))
def test_a_state_depends_on_neither_trailing_whitespace_nor_line_ends_nor_normal_form(text, finish_reason):
    label = score(POEM, text, finish_reason).label
    assert score(POEM, text + " \r\n\t\u3000\n", finish_reason).label == label
    assert score(POEM, normalize("NFC", text), finish_reason).label == label
    assert score(POEM, normalize("NFD", text), finish_reason).label == label
    levelled = text.replace("\r\n", "\n").replace("\r", "\n")
    assert score(POEM, levelled, finish_reason).label == label
    assert score(POEM, levelled.replace("\n", "\r\n"), finish_reason).label == label


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS, st.sampled_from(["stop", "length", "loop_abort", None]))
def test_any_text_gets_a_state_and_every_span_lies_in_it(prompt, text, finish_reason):
    result = score(prompt, text, finish_reason)
    assert result.label in ENDINGS
    assert all(0 <= span.start < span.end <= len(text) for span in result.spans)
    assert len(result.spans) <= MOST_SPANS


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.id)
def test_every_span_of_a_hard_string_lies_in_it_and_its_values_are_metrics(scene):
    result = score(scene.prompt, scene.completion, scene.end, scene.kind)
    assert all(0 <= span.start < span.end <= len(scene.completion) for span in result.spans)
    assert {f"style.{name}" for name in result.values} <= {metric.name for metric in Style.facts.metrics}


def states_and_shares(validation_data: Path, kind: str) -> list[tuple[str, float]]:
    """The state of each completion and to which share of its bytes zlib can compress it; blank ones are left out."""
    results = []
    with (validation_data / "base_vs_instruct" / "self_instruct_252.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            text = row["response"].encode()
            if row["kind"] == kind and text.strip():
                label = score(row["prompt"], row["response"], None).label
                results.append((label, len(zlib.compress(text, 9)) / len(text) if len(text) >= 300 else 1.0))
    return results


def test_raw_base_outputs_that_visibly_loop_are_flagged(validation_data):
    # Nobody labelled them, so that another measure says which loop: prose compresses to half, these to a third.
    visible = [label for label, share in states_and_shares(validation_data, "base") if share < VISIBLE]
    assert len(visible) >= 200
    assert sum(label in NON_ANSWERS for label in visible) >= 0.95 * len(visible)


def test_answers_of_tuned_models_are_hardly_ever_flagged(validation_data):
    result = states_and_shares(validation_data, "instruct")
    assert sum(label in NON_ANSWERS for label, _ in result) <= 0.03 * len(result)
    plain = [label for label, share in result if share >= VISIBLE]
    assert sum(label in NON_ANSWERS for label in plain) <= 0.01 * len(plain)
