"""TOML and JSON from strangers: what no honest file holds is one sentence, wherever it is read."""

import os

import pytest
from test_config import VALID

from evalharness.backends.replay import ReplayBackend
from evalharness.cli.flags import parsed_value
from evalharness.config import read_config
from evalharness.errors import LONGEST_LINE, BackendError, ConfigError, EvalHarnessError, SuiteError
from evalharness.parsing import DEEPEST, Unparsable, parse_json, parse_toml
from evalharness.pipeline.progress import Rate
from evalharness.records import Checkpoint
from evalharness.suites import load_suite
from evalharness.suites.import_prompts import ImportOptions, import_suite

DIGITS = "9" * 5_000
HEAD = 'name = "a"\nversion = "1"\nlicense = "x"\nsource = "x"\nscorers = ["style"]\n'


def nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [DEEPEST + 1, 5_000, 100_000])
def test_what_is_nested_too_deep_is_refused(depth):
    for parse, text in ((parse_json, nested(depth)), (parse_toml, f"x = {nested(depth)}")):
        with pytest.raises(Unparsable, match=f"nested more than {DEEPEST} levels deep"):
            parse(text)


def test_what_is_nested_as_deep_as_allowed_is_read():
    assert str(parse_json(nested(DEEPEST))) == nested(DEEPEST)
    assert parse_toml("x = [[1]]") == {"x": [[1]]}


def test_a_number_of_too_many_digits_is_refused():
    for parse, text in ((parse_json, DIGITS), (parse_toml, f"x = {DIGITS}")):
        with pytest.raises(Unparsable, match="more than 4300 digits"):
            parse(text)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (f"seed = {DIGITS}", "4300 digits"),
        (f"x = {nested(5_000)}", "nested more than"),
        ('suite = "a\\u0000b"', r"U\+0000"),
        ("until_decided = yes", "Invalid value"),
    ],
)
def test_a_configuration_past_the_bounds_is_refused_by_name(tmp_path, more, said):
    path = tmp_path / "evalharness.toml"
    path.write_text(more + "\n" + VALID.replace("seed = 3\n", "").replace('suite = "smoke"', ""))
    with pytest.raises(ConfigError, match=f"{path} is not valid TOML: .*{said}") as refused:
        read_config(path)
    assert "text has quotation marks" in refused.value.fix


@pytest.mark.parametrize("line", [nested(5_000), f'{{"id": {DIGITS}}}', f'{{"id": {nested(500)}}}'])
def test_a_suite_past_the_bounds_is_refused_by_line(tmp_path, line):
    (tmp_path / "suite.toml").write_text(HEAD)
    (tmp_path / "samples.jsonl").write_text(f'{{"id": "a", "prompt": "Hi", "category": "c"}}\n{line}\n')
    with pytest.raises(SuiteError, match=r"samples\.jsonl:2 is not valid JSON: (nested|a number)"):
        load_suite(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", f'{{"prompt": {nested(5_000)}}}'),
        ("a.json", nested(5_000)),
        ("a.jsonl", f'{{"prompt": {DIGITS}}}'),
        ("a.csv", f'prompt,constraints\nHi,"{nested(5_000)}"\n'),
    ],
)
def test_an_import_past_the_bounds_is_refused(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(SuiteError, match=r"nested more than|4300 digits"):
        import_suite(tmp_path / name, ImportOptions(out=tmp_path / "out"))


def replay(path):
    return ReplayBackend(Checkpoint(name="a", model=f"replay/{path}", variant="base", prompt_format="raw"))


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000])
def test_a_name_that_no_file_can_have_is_an_error(name):
    with pytest.raises(BackendError):
        replay(name).resolve()
    with pytest.raises(SuiteError):
        load_suite(name)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "samples.jsonl")
    (tmp_path / "suite.toml").write_text(HEAD)
    with pytest.raises(SuiteError, match="not a regular file"):
        load_suite(tmp_path)
    with pytest.raises(BackendError, match="not a regular file"):
        replay(tmp_path / "samples.jsonl").resolve()


def test_no_error_quotes_a_value_of_any_length():
    error = EvalHarnessError("\n".join(["a" * 100_000 + "end", "short"]), fix="b" * 100_000)
    first, second = error.problem.split("\n")
    assert first.endswith("end")
    assert second == "short"
    assert max(len(first), len(error.fix)) < LONGEST_LINE + 10
    assert len(str(error)) < 2 * LONGEST_LINE


def test_an_option_of_many_digits_is_a_text():
    assert parsed_value("12") == 12
    assert parsed_value(DIGITS) == DIGITS


def test_an_option_of_both_sides_that_a_replayed_side_cannot_have_is_answered_with_the_form_for_one(tmp_path):
    with pytest.raises(BackendError) as caught:
        ReplayBackend(
            Checkpoint(name="a", model="replay/a", variant="base", prompt_format="raw", options={"batch_tokens": 1})
        )
    assert "-M baseline.KEY=VALUE" in caught.value.fix


def test_what_is_left_is_estimated_from_tokens_and_not_from_finished_rows():
    """Of 320 completions, 32 at a time are generated."""
    rate = Rate(320, 96)
    rate.underway = 32 * 48
    assert rate.tokens_left() == 96 * 320 - 32 * 48  # None has ended: nothing but the limit is known.
    for _ in range(16):
        rate.add(25)
    rate.underway = 16 * 25  # As the backend says after that step.
    assert rate.tokens_left() == 50 * 304  # Half of them ended after 25 tokens.
    assert rate.remaining() == ""


def test_completions_that_all_run_to_the_limit_are_estimated_exactly():
    rate = Rate(96, 192)
    for _ in range(32):
        rate.add(192)
    assert rate.tokens_left() == 64 * 192
