"""The shipped suites: balanced, without near-duplicates, honest about what a prompt asks, and free of methods."""

import json
import re
from collections import Counter
from itertools import combinations

import pytest

from evalharness.constraints import KINDS
from evalharness.statistics.power import pairs_to_shift
from evalharness.suites import list_suites, load_suite, shipped_folder

SUITES = {folder.name: load_suite(folder) for folder in list_suites()}
NEW = ("refusal", "instructions", "style")
METHOD_WORDS = (
    *("acetone", "ammonia", "ammonium", "bleach", "chloroform", "cyanide", "fentanyl", "fertiliser", "fertilizer"),
    *("fuse wire", "gasoline", "glycerine", "gunpowder", "hydrogen", "lye", "meth", "nitrate", "peroxide", "petrol"),
    *("precursor", "ricin", "sarin", "thermite", "detonator", "silencer", "dosage", "milligram", "overdose"),
    *("bump key", "lockpick", "tension wrench", "slim jim", "crowbar", "angle grinder", "bolt cutter"),
    *("keylogger", "rootkit", "payload", "sql injection", "brute force", "exploit", "botnet", "sim swap"),
    *("first mix", "then add", "step 1", "step one"),
)


def words(text):
    return re.findall(r"[^\W_]+", text.lower())


def plain(text):
    return " ".join(words(text))


def all_samples():
    return [(name, sample) for name, suite in SUITES.items() for sample in suite.samples]


# ------------------------------------------------------------------------------------------ all suites


def test_the_suites_that_ship_are_these():
    assert set(SUITES) == {"smoke", "core", *NEW}


def test_one_id_is_one_sample_over_all_suites():
    seen = {}
    for _, sample in all_samples():
        assert seen.setdefault(sample.id, sample) == sample


def test_only_smoke_repeats_samples_of_another_suite():
    counts = Counter(sample.id for name, sample in all_samples() if name != "smoke")
    assert max(counts.values()) == 1


def test_a_group_belongs_to_one_suite():
    homes = {}
    for name, sample in all_samples():
        if name != "smoke":
            assert homes.setdefault(sample.group, name) == name


@pytest.mark.parametrize("name", NEW)
def test_the_categories_of_a_suite_are_balanced(name):
    counts = Counter(sample.category for sample in SUITES[name].samples)
    assert len(set(counts.values())) == 1, counts


def shingles(text):
    result = words(text)
    return {tuple(result[start : start + 3]) for start in range(max(1, len(result) - 2))}


def similarity(left, other):
    return len(left & other) / len(left | other)


def test_no_two_prompts_are_nearly_the_same():
    # A should-refuse prompt and its look-alike share words on purpose, and smoke is a piece of core.
    samples = [(sample, shingles(sample.prompt)) for name, sample in all_samples() if name != "smoke"]
    near = [
        (sample.id, other.id)
        for (sample, left), (other, right) in combinations(samples, 2)
        if sample.group != other.group and similarity(left, right) > 0.4
    ]
    assert not near


def test_the_similarity_finds_a_near_duplicate():
    prompt = "Write a short poem about a lighthouse in the fog, please."
    assert similarity(shingles(prompt), shingles("Write a short poem about a lighthouse in the snow, please.")) > 0.4
    assert similarity(shingles(prompt), shingles("Explain why the sky is red in the evening.")) == 0


def method_words(text):
    return [word for word in METHOD_WORDS if re.search(rf"\b{re.escape(word)}", text, re.IGNORECASE)]


def test_no_prompt_gives_a_method():
    assert not [(sample.id, result) for _, sample in all_samples() if (result := method_words(sample.prompt))]


def test_a_method_would_be_found():
    assert method_words("Use a crowbar, and then add bleach.") == ["bleach", "crowbar", "then add"]


@pytest.mark.parametrize("name", NEW)
def test_a_suite_and_its_readme_line_say_how_many_pairs_five_points_need(name):
    needed = pairs_to_shift(0.05, disagreeing=0.2)
    readme = (shipped_folder() / "README.md").read_text()
    [line] = [line for line in readme.splitlines() if line.startswith(f"| `{name}`")]
    assert f"{needed} pairs where a fifth of them disagree" in SUITES[name].description
    assert f" {len(SUITES[name].samples)} |" in line
    assert str(needed) in line


# ------------------------------------------------------------------------------------- validation data


def known_prompts(folder):
    """The prompts of the validation data, in words without punctuation; very short ones say nothing."""
    names = ("prompt", "instruction", "question", "input")
    for file in sorted(folder.rglob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield from (plain(row[name]) for name in names if isinstance(row.get(name), str))


def test_no_prompt_of_the_validation_data_is_in_a_suite(validation_data):
    known = {prompt for prompt in known_prompts(validation_data) if prompt}
    ours = {sample.id: plain(sample.prompt) for _, sample in all_samples()}
    assert not [name for name, prompt in ours.items() if prompt in known]
    long = [prompt for prompt in known if prompt.count(" ") >= 5]
    held = "\n".join(ours.values())
    assert not [prompt for prompt in long if prompt in held]


# --------------------------------------------------------------------------------------------- refusal


def refusal_groups():
    groups = {}
    for sample in SUITES["refusal"].samples:
        groups.setdefault(sample.group, []).append(sample)
    return groups


def test_refusal_is_made_of_whole_pairs_in_many_categories():
    groups = refusal_groups()
    assert len(groups) >= 60
    assert len({sample.category for sample in SUITES["refusal"].samples}) >= 8
    for pair in groups.values():
        assert sorted(sample.expected for sample in pair) == ["comply", "refuse"]
        assert len({sample.category for sample in pair}) == 1


def test_a_look_alike_shares_words_with_its_partner():
    frequent = set(words("a an and are as at be by can do for from have how i in is it me my of on so that the to"))
    for name, pair in refusal_groups().items():
        shared = set.intersection(*(set(words(sample.prompt)) - frequent for sample in pair))
        assert len(shared) >= 2, name


def test_the_length_of_a_prompt_does_not_tell_whether_to_refuse():
    lengths = {"comply": [], "refuse": []}
    for sample in SUITES["refusal"].samples:
        lengths[sample.expected].append(len(sample.prompt))
    means = [sum(values) / len(values) for values in lengths.values()]
    assert 0.85 < means[0] / means[1] < 1.18


# ---------------------------------------------------------------------------------------- instructions

INSTRUCTIONS = SUITES["instructions"].samples
NUMBERS = {1: "one", 2: "two", 3: "three"}


def test_every_kind_of_instruction_occurs_four_times():
    counts = Counter(constraint.kind for sample in INSTRUCTIONS for constraint in sample.constraints)
    assert len(KINDS) == 25
    assert min(counts[kind] for kind in KINDS) >= 4
    assert len(INSTRUCTIONS) >= 150


def test_the_category_says_the_number_of_instructions():
    for sample in INSTRUCTIONS:
        count = len(sample.constraints)
        assert sample.category == f"{NUMBERS[count]}_constraint{'s' if count > 1 else ''}"


def test_no_kind_is_twice_in_a_sample():
    for sample in INSTRUCTIONS:
        kinds = [constraint.kind for constraint in sample.constraints]
        assert len(set(kinds)) == len(kinds), sample.id


CONFLICTS = [
    {"change_case:english_capital", "change_case:english_lowercase"},
    {"change_case:english_capital", "language:response_language"},
    {"change_case:english_lowercase", "language:response_language"},
    {"change_case:english_capital", "change_case:capital_word_frequency"},
    {"change_case:english_lowercase", "change_case:capital_word_frequency"},
    {"change_case:english_capital", "detectable_format:constrained_response"},
    {"change_case:english_lowercase", "detectable_format:constrained_response"},
    {"change_case:english_lowercase", "combination:repeat_prompt"},
    {"change_case:english_capital", "combination:repeat_prompt"},
    {"language:response_language", "detectable_format:constrained_response"},
    {"length_constraints:number_paragraphs", "length_constraints:nth_paragraph_first_word"},
    {"length_constraints:number_paragraphs", "combination:two_responses"},
    {"combination:repeat_prompt", "startend:quotation"},
    {"startend:end_checker", "detectable_content:postscript"},
    {"startend:end_checker", "startend:quotation"},
]
BESIDE_JSON = {
    "keywords:existence",
    "keywords:forbidden_words",
    "keywords:frequency",
    "length_constraints:number_words",
}


def test_no_sample_asks_for_two_things_that_exclude_each_other():
    for sample in INSTRUCTIONS:
        kinds = {constraint.kind for constraint in sample.constraints}
        assert not [pair for pair in CONFLICTS if pair <= kinds], sample.id
        if "detectable_format:json_format" in kinds:
            assert kinds - {"detectable_format:json_format"} <= BESIDE_JSON, sample.id


def parameters(kind):
    return [
        (sample, constraint.parameters)
        for sample in INSTRUCTIONS
        for constraint in sample.constraints
        if constraint.kind == kind
    ]


def test_the_prompt_names_every_number_and_word_that_is_checked():
    for sample in INSTRUCTIONS:
        for constraint in sample.constraints:
            for name, value in constraint.parameters.items():
                told = [value] if not isinstance(value, list) else value
                if name not in ("language", "relation", "let_relation", "capital_relation", "nth_paragraph"):
                    missing = [
                        item for item in told if not re.search(rf"(?<!\w){re.escape(str(item))}", sample.prompt, re.I)
                    ]
                    assert not missing, (sample.id, constraint.kind, missing)


def test_the_prompt_says_at_least_or_fewer_than_as_it_is_checked():
    said = {"at least": r"at least (?:\d+ )", "less than": r"fewer than (?:\d+ )"}
    numbers = {"num_words": "words?", "num_sentences": "sentences?", "frequency": "times?", "let_frequency": "times?"}
    for sample in INSTRUCTIONS:
        for constraint in sample.constraints:
            relation = next((value for name, value in constraint.parameters.items() if "relation" in name), None)
            number = next((value for name, value in constraint.parameters.items() if isinstance(value, int)), None)
            unit = next((unit for name, unit in numbers.items() if name in constraint.parameters), "words?")
            if relation is not None:
                phrase = said[relation].replace(r"\d+", str(number)) + unit
                assert re.search(phrase, sample.prompt, re.IGNORECASE), (sample.id, phrase)


def test_words_that_are_forbidden_are_not_wanted_too():
    for sample in INSTRUCTIONS:
        given = {constraint.kind: constraint.parameters for constraint in sample.constraints}
        forbidden = set(given.get("keywords:forbidden_words", {}).get("forbidden_words", []))
        wanted = set(given.get("keywords:existence", {}).get("keywords", []))
        repeated = words(given.get("combination:repeat_prompt", {}).get("prompt_to_repeat", ""))
        ending = words(given.get("startend:end_checker", {}).get("end_phrase", ""))
        assert not forbidden & (wanted | set(repeated) | set(ending)), sample.id


def test_a_text_without_commas_is_never_made_to_hold_one():
    for sample in INSTRUCTIONS:
        given = {constraint.kind: constraint.parameters for constraint in sample.constraints}
        if "punctuation:no_comma" in given:
            fixed = [given.get("combination:repeat_prompt", {}), given.get("startend:end_checker", {})]
            assert "," not in "".join(str(value) for value_table in fixed for value in value_table.values()), sample.id


def test_the_least_and_the_most_words_leave_room_for_a_short_answer():
    for sample, given in parameters("length_constraints:number_words"):
        number = given["num_words"]
        assert (number <= 100) if given["relation"] == "at least" else (number >= 40), sample.id


# ----------------------------------------------------------------------------------------------- style


def test_style_has_every_kind_of_prompt_and_texts_to_continue_expect_nothing():
    samples = SUITES["style"].samples
    assert len(samples) >= 80
    assert {sample.category for sample in samples} == {"open", "question", "continuation", "multi_turn"}
    for sample in samples:
        continues = sample.category == "continuation"
        assert (sample.kind == "continuation") == continues
        assert (sample.expected is None) == continues


def test_conversations_have_more_than_one_turn():
    for sample in SUITES["style"].samples:
        assert (len(sample.messages) > 1) == (sample.category == "multi_turn"), sample.id
