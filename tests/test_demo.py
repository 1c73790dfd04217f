"""The demo is true: the bundled pair behaves as the report says, and the committed example is what the code makes."""

import json
import re
import shutil
from pathlib import Path

import pytest
from test_cli import call

from evalharness import load_run
from evalharness.records import Completion
from evalharness.report import unpack

pytestmark = pytest.mark.checkpoints
COMMAND = "evalharness demo --suite core --max-tokens 160 --out reports/example"
EXAMPLE = Path(__file__).parent.parent / "reports" / "example"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One run of the demo, with its determinism check."""
    folder = tmp_path_factory.mktemp("demo")
    call("demo", "--out", "run", "--check-determinism", "3", "--reward-model", "bundled", cwd=folder)
    return load_run(folder / "run")


def cell(run, checkpoint, sample):
    [request] = [one for one in run.requests_of(checkpoint) if one.sample_id == sample]
    return run.outcomes[request.id], {score.scorer: score for score in run.scores_of(request.id)}


def test_the_base_loops_on_the_poem_and_is_labelled_so(demo):
    completion, scores = cell(demo, "base", "poem-nature")
    assert completion.finish_reason == "length"
    assert completion.text.count("Write a poem about the ocean.") > 3
    assert scores["style"].label == "loop"
    assert scores["refusal"].label == "no_answer"


def test_the_instruct_checkpoint_answers_and_ends_by_itself(demo):
    completion, scores = cell(demo, "instruct", "capital-france")
    assert "Paris" in completion.text
    assert (completion.finish_reason, completion.stopped_by) == ("stop", "<|im_end|>")
    assert (scores["style"].label, scores["refusal"].label) == ("answer", "compliance")


def test_a_non_answer_is_never_counted_as_compliance(demo):
    for request in demo.plan.requests:
        scores = {score.scorer: score for score in demo.scores_of(request.id)}
        if scores["refusal"].label == "no_answer":
            assert not {"complied", "unsafe_compliance"} & {name for name, v in scores["refusal"].values.items() if v}
        if scores["style"].label in ("empty", "echo", "loop", "continuation", "self_dialogue"):
            assert scores["refusal"].label in ("no_answer", None), request.sample_id
            assert not scores["instruction"].values.get("prompt_strict")


def test_one_bos_and_never_two(demo):
    for request in demo.requests_of("base"):
        assert request.first_token_ids[0] == 2
        assert request.first_token_ids[1] != 2
    for request in demo.requests_of("instruct"):
        assert request.rendered.startswith("<|im_start|>system")
        assert request.first_token_ids[:2] == (1, 9690)


def test_the_determinism_check_is_made_and_said(demo):
    assert [(check.checkpoint, check.n, check.changed) for check in demo.determinism] == [
        ("base", 3, ()),
        ("instruct", 3, ()),
    ]
    assert "float32" in demo.determinism[0].batch
    assert "0 of 3 completions changed" in (demo.path / "report.html").read_text().replace("\xa0", " ")


def texts(run):
    return {
        (request.checkpoint, request.sample_id): run.outcomes[request.id].text
        for request in run.plan.requests
        if isinstance(run.outcomes[request.id], Completion)
    }


def test_the_committed_example_goes_on_where_the_demo_ends(demo):
    """The example has more samples and longer completions, of the same checkpoints; both are greedy."""
    example = texts(load_run(EXAMPLE))
    same = sum(example[key].startswith(text.rstrip("\ufffd")) for key, text in texts(demo).items())
    # Another processor may round differently and turn a greedy tie.
    assert same >= len(texts(demo)) - 2


@pytest.fixture(scope="module")
def scored_again(tmp_path_factory):
    """The committed completions, scored and compared anew."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder / "example")
    call("score", "example", cwd=folder)
    return load_run(folder / "example")


def test_the_committed_scores_are_what_the_completions_give(scored_again):
    committed = load_run(EXAMPLE)
    assert len(scored_again.scores) == len(committed.scores)
    for new, old in zip(scored_again.scores, committed.scores, strict=True):
        # A reward is computed in floating point, in batches.
        assert new.values == pytest.approx(old.values, abs=1e-3), "run `make example`"
        assert new.model_copy(update={"values": old.values}) == old, "run `make example`"


def test_the_committed_comparison_is_what_the_scores_give(scored_again):
    committed = load_run(EXAMPLE).comparison
    assert [one.sentence for one in scored_again.comparison.findings] == [one.sentence for one in committed.findings]
    old = {(one.metric, one.category): one.verdict for one in committed.differences}
    assert {(one.metric, one.category): one.verdict for one in scored_again.comparison.differences} == old


def test_the_committed_report_is_what_the_comparison_gives(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "example")
    call("report", "example", cwd=tmp_path)
    drawn, committed = ((folder / "report.html").read_text() for folder in (tmp_path / "example", EXAMPLE))
    assert unpack(drawn) == unpack(committed), "run `make example`"
    # What is packed may differ in its bytes with another version of zlib; what can be read without it may not.
    packed = re.compile(r'<script type="application/gzip;base64".*?</script>', re.DOTALL)
    assert packed.sub("", drawn) == packed.sub("", committed), "run `make example`"


def test_the_demo_gives_rewards_and_says_what_they_are_good_for(demo):
    rewards = [score for score in demo.scores if score.scorer == "reward"]
    assert len(rewards) == len(demo.outcomes)
    page = (demo.path / "report.html").read_text().replace("\xa0", " ")
    assert "good for distinguishing an answer from a loop" in page
    assert "At equal length" in page or "No length-controlled figure" in page


def test_the_example_tells_nothing_about_the_machine_but_its_hardware():
    content = "".join(path.read_text() for path in EXAMPLE.iterdir() if path.suffix != "")
    assert not re.search(r"/(?:home|root|Users|tmp)/", content)
    assert json.loads((EXAMPLE / "manifest.json").read_text())["command"] == COMMAND
