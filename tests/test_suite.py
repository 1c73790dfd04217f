"""Suites on disk: what is refused, with file and line, and what the shipped ones hold."""

import json
from collections import Counter

import pytest

from evalharness.constraints import check
from evalharness.errors import SuiteError
from evalharness.scorers import open_scorer
from evalharness.suites import list_suites, load_suite

HEAD = 'name = "x"\nversion = "1"\nlicense = "x"\nsource = "x"\nscorers = ["style"]\n'
GOOD = {"id": "a", "prompt": "Hi", "category": "c"}
WORDS = {"kind": "length_constraints:number_words", "parameters": {"relation": "at least", "num_words": 5}}


def write(folder, *samples, head=HEAD):
    """A suite of these samples; a string is a line as it stands."""
    lines = [sample if isinstance(sample, str) else json.dumps(sample) for sample in samples]
    (folder / "suite.toml").write_text(head, encoding="utf-8")
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("line", "said", "fix"),
    [
        ("{", "not valid JSON", "correct it"),
        ("[]", "not a JSON object", '"prompt"'),
        ({**GOOD, "promt": "Hi"}, "unknown key 'promt'", "'prompt'"),
        ({"id": "a", "category": "c"}, "needs either prompt or messages", "one of the two"),
        (
            {**GOOD, "messages": [{"role": "user", "content": "Hi"}]},
            "needs either prompt or messages",
            "one of the two",
        ),
        ({**GOOD, "prompt": "half \ud800 a pair"}, "", ""),
        ('{"id": "a", "prompt": "Hi", "category": ' + "9" * 5000 + "}", "", ""),
        ("[" * 100_000, "", ""),
        ('{"id": "a", "id": "b", "prompt": "Hi", "category": "c"}', "'id'", ""),
        ({**GOOD, "prompt": " "}, "a turn is empty", "correct"),
        ({**GOOD, "id": ""}, "id and category must not be empty", "correct"),
        ({**GOOD, "expected": "refusal"}, "expected: Input should be 'comply' or 'refuse'", "correct"),
        ({**GOOD, "kind": "story"}, "kind: Input should be 'instruction' or 'continuation'", "correct"),
        ({"id": "a", "category": "c", "messages": []}, "messages: Tuple should have at least 1 item", "correct"),
        (
            {"id": "a", "category": "c", "messages": [{"role": "assistant", "content": "Hi"}]},
            "the last turn must be the user's",
            "correct",
        ),
        ({**GOOD, "constraints": [{**WORDS, "kind": "length_constraints:number_word"}]}, "number_word'", "correct"),
        ({**GOOD, "constraints": [{**WORDS, "parameters": {"relation": "at most"}}]}, "num_words", "correct"),
        (
            {**GOOD, "constraints": [{**WORDS, "parameters": {"relation": "about", "num_words": 5}}]},
            "relation",
            "correct",
        ),
    ],
)
def test_a_wrong_line_is_refused_with_file_and_line(tmp_path, line, said, fix):
    write(tmp_path, {**GOOD, "id": "first"}, "", line)
    with pytest.raises(SuiteError) as refused:
        load_suite(tmp_path)
    assert refused.value.problem.startswith(f"{tmp_path / 'samples.jsonl'}:3")
    assert said in refused.value.problem
    assert fix in refused.value.fix


@pytest.mark.parametrize(
    ("head", "said", "fix"),
    [
        ("name = ", "not valid TOML", "correct"),
        (HEAD + 'scorer = "style"\n', "unknown key 'scorer'", "'scorers'"),
        (HEAD.replace('license = "x"\n', ""), "license: Field required", "license"),
        (HEAD.replace('["style"]', "[]"), "scorers", "scorers"),
        (HEAD.replace('["style"]', '["style", "style"]'), "'style'", ""),
    ],
)
def test_a_wrong_head_is_refused(tmp_path, head, said, fix):
    write(tmp_path, GOOD, head=head)
    with pytest.raises(SuiteError) as refused:
        load_suite(tmp_path)
    assert refused.value.problem.startswith(str(tmp_path / "suite.toml"))
    assert said in refused.value.problem
    assert fix in refused.value.fix


def test_two_lines_with_one_id_are_named(tmp_path):
    write(tmp_path, GOOD, {**GOOD, "id": "b"}, "", GOOD)
    with pytest.raises(SuiteError, match=r"samples.jsonl: lines 1 and 4 both have the id 'a'"):
        load_suite(tmp_path)


def test_a_suite_without_samples_is_refused(tmp_path):
    with pytest.raises(SuiteError, match=r"samples.jsonl holds no sample"):
        load_suite(write(tmp_path, "", " "))


@pytest.mark.parametrize(
    ("name", "fix"), [("cor", "'core'"), ("./nowhere", "smoke"), ("core,style", "--suite A --suite B")]
)
def test_a_suite_that_is_not_there_is_refused_with_those_there_are(name, fix):
    with pytest.raises(SuiteError, match=f"no suite, folder or file '{name}'") as refused:
        load_suite(name)
    assert fix in refused.value.fix


def test_a_folder_that_is_no_suite_does_not_hide_the_shipped_one_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "core").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(load_suite("core").samples) == 60


@pytest.mark.parametrize("name", ["suite.toml", "samples.jsonl"])
def test_a_missing_file_and_one_that_is_not_utf8_are_named(tmp_path, name):
    write(tmp_path, GOOD)
    (tmp_path / name).write_bytes(b"\xff\xfe")
    with pytest.raises(SuiteError, match=f"{name} is not UTF-8"):
        load_suite(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(SuiteError, match=f"there is no file .*{name}"):
        load_suite(tmp_path)


def test_a_sample_without_a_group_is_its_own(tmp_path):
    suite = load_suite(write(tmp_path, GOOD, {**GOOD, "id": "b", "group": "g"}))
    assert [sample.group for sample in suite.samples] == ["a", "g"]


def test_the_digest_follows_the_content_not_the_writing(tmp_path):
    before = load_suite(write(tmp_path, GOOD)).digest
    (tmp_path / "samples.jsonl").write_bytes(b'\xef\xbb\xbf{"category": "c",  "prompt": "Hi", "id": "a"}\r\n\r\n')
    assert load_suite(tmp_path).digest == before
    assert load_suite(write(tmp_path, {**GOOD, "prompt": "Ho"})).digest != before
    assert load_suite(write(tmp_path, GOOD, head=HEAD.replace('"style"', '"refusal"'))).digest != before


# ------------------------------------------------------------------------------------------ the shipped


@pytest.fixture(params=[folder.name for folder in list_suites()])
def shipped(request):
    return load_suite(request.param)


@pytest.mark.parametrize("name", ["smoke", "core"])
def test_a_suite_for_a_quick_look_covers_all_scorers(name):
    samples = load_suite(name).samples
    assert {sample.kind for sample in samples} == {"instruction", "continuation"}
    assert {sample.expected for sample in samples} >= {"comply", "refuse"}
    assert any(sample.constraints for sample in samples)


def test_a_shipped_suite_is_described_and_its_scorers_open(shipped):
    assert shipped.description
    for name in shipped.scorers:
        open_scorer(name)


def test_every_prompt_to_refuse_has_a_safe_look_alike(shipped):
    asked = Counter((sample.group, sample.expected) for sample in shipped.samples)
    for sample in shipped.samples:
        if sample.expected == "refuse":
            assert asked[sample.group, "refuse"] == asked[sample.group, "comply"] == 1, sample.id


def test_no_constraint_of_a_shipped_suite_is_followed_by_silence(shipped):
    for sample in shipped.samples:
        assert not all(check(constraint, "") for constraint in sample.constraints) or not sample.constraints


def test_the_sizes_are_those_that_the_readme_states():
    assert {name: len(load_suite(name).samples) for name in ("smoke", "core")} == {"smoke": 8, "core": 60}
