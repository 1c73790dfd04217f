"""Completions generated elsewhere: how a file answers requests, and what is refused."""

import json

import pytest

from evalharness.backends.replay import ReplayBackend
from evalharness.errors import BackendError, UnknownModel
from evalharness.prompting import build_prompt
from evalharness.records import (
    Checkpoint,
    Completion,
    GenerationConfig,
    GenerationRequest,
    Message,
    RenderedPrompt,
    Sample,
)

SAMPLE = Sample(id="a", messages=(Message(role="user", content="Say hi\nin French."),), category="c")


def backend(path, prompt_format="raw", **options):
    model = f"replay/{path}"
    return ReplayBackend(
        Checkpoint(name="old", model=model, variant="base", prompt_format=prompt_format, options=options)
    )


def answered(path, *lines, sample=SAMPLE, prompt_format="raw", replicate=0):
    """The outcome of one request to a file with these lines."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    opened = backend(path, prompt_format)
    prompt = build_prompt(sample, prompt_format)
    request = GenerationRequest.of(opened.resolve(), sample.id, prompt, RenderedPrompt(), GenerationConfig(), replicate)
    [outcome] = opened.generate([request])
    return outcome


@pytest.fixture
def path(tmp_path):
    return tmp_path / "made.jsonl"


@pytest.mark.parametrize("prompt_format", ["raw", "chat", "icl"])
@pytest.mark.parametrize("key", [{"sample_id": "a"}, {"prompt": "Say hi\nin French."}])
def test_a_line_answers_by_sample_or_by_prompt_in_every_format(path, key, prompt_format):
    outcome = answered(path, {**key, "text": "Salut \u2028 ✓", "finish_reason": "stop"}, prompt_format=prompt_format)
    assert (outcome.text, outcome.finish_reason) == ("Salut \u2028 ✓", "stop")


def test_a_finish_reason_that_was_not_recorded_stays_unknown(path):
    assert answered(path, {"sample_id": "a", "text": ""}).finish_reason is None


def test_replicates_are_answered_by_their_own_lines(path):
    lines = [{"sample_id": "a", "text": str(n), "replicate": n} for n in range(3)]
    assert [answered(path, *lines, replicate=n).text for n in range(3)] == ["0", "1", "2"]


@pytest.mark.parametrize("line", [{"sample_id": "b", "text": "x"}, {"prompt": "Say hi", "text": "x"}])
def test_what_the_file_does_not_answer_is_a_failure(path, line):
    outcome = answered(path, line)
    assert not isinstance(outcome, Completion)
    assert (outcome.kind, outcome.message) == ("missing", f"{path} has no completion for sample a")


def test_a_second_line_for_a_sample_is_refused_naming_both(path):
    with pytest.raises(BackendError, match="lines 1 and 3 both answer 'a'"):
        answered(
            path, {"sample_id": "a", "text": "x"}, {"sample_id": "b", "text": "x"}, {"sample_id": "a", "text": "y"}
        )


def test_two_lines_that_answer_a_sample_in_different_ways_are_refused(path):
    lines = [{"sample_id": "a", "text": "x"}, {"prompt": "Say hi\nin French.", "text": "y"}]
    with pytest.raises(BackendError, match="lines 1 and 2 both answer 'a'"):
        answered(path, *lines)


@pytest.mark.parametrize(
    ("line", "said", "fix"),
    [
        ({"sample_id": "a"}, ":1: text: Field required", "text"),
        ({"sample_id": "a", "txt": "x", "text": "x"}, ":1: there is no key 'txt'", "'text'"),
        ({"text": "x"}, ":1 needs either sample_id or prompt", "one of the two"),
        ({"sample_id": "a", "prompt": "p", "text": "x"}, ":1 needs either sample_id or prompt", "one of the two"),
        ({"sample_id": "", "text": "x"}, ":1: sample_id: String should have at least 1 character", "sample_id"),
        ({"sample_id": "a", "replicate": -1, "text": "x"}, ":1: replicate: Input should be greater than", "replicate"),
        ({"sample_id": "a", "text": 5}, ":1: text: Input should be a valid string", "text"),
        ({"sample_id": "a", "text": "x", "finish_reason": "eos"}, ":1: finish_reason: Input should be 'stop'", ""),
    ],
)
def test_a_wrong_line_is_named_with_the_mend(path, line, said, fix):
    with pytest.raises(BackendError) as refused:
        answered(path, line)
    assert refused.value.problem.startswith(str(path) + said)
    assert fix in refused.value.fix


def test_a_file_with_a_mark_carriage_returns_and_blank_lines_is_read(path):
    answered(path, {"sample_id": "a", "text": "x"})
    path.write_bytes(b'\xef\xbb\xbf{"sample_id": "a", "text": "hi"}\r\n\r\n')
    request = GenerationRequest.of(
        backend(path).resolve(), "a", build_prompt(SAMPLE, "raw"), RenderedPrompt(), GenerationConfig()
    )
    assert [completion.text for completion in backend(path).generate([request])] == ["hi"]


@pytest.mark.parametrize(("content", "said"), [(b"", "is empty"), (b"\n \n", "is empty"), (b"\xff", "cannot be read")])
def test_a_file_without_completions_is_refused(path, content, said):
    path.write_bytes(content)
    with pytest.raises(BackendError, match=said):
        backend(path).resolve()


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ('{"sample_id": "c"', r":3: Invalid JSON"),
        ('{"sample_id": "a", "text": "y"}', "lines 1 and 3 both answer 'a'"),
    ],
)
def test_a_wrong_line_is_found_before_anything_is_generated(path, last, said):
    """A corrected file has another identity: a run with outcomes of the other side could not be resumed."""
    path.write_text('{"sample_id": "a", "text": "x"}\n{"sample_id": "b", "text": "x"}\n' + last + "\n")
    with pytest.raises(BackendError, match=said):
        backend(path).resolve()


def test_a_missing_file_and_an_option_are_refused(path):
    with pytest.raises(UnknownModel, match="there is no file"):
        backend(path).resolve()
    with pytest.raises(BackendError, match="does not support the option dtype"):
        backend(path, dtype="float32")


def test_the_identity_is_the_content(path):
    answered(path, {"sample_id": "a", "text": "x"})
    first = backend(path).resolve().identity.weights_digest
    answered(path, {"sample_id": "a", "text": "y"})
    assert backend(path).resolve().identity.weights_digest != first
