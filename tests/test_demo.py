"""The demo: recorded completions that are judged here, and a committed example that is what the code makes."""

import json
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from command import call

from evalharness import load_run, pipeline
from evalharness.backends import open_backend
from evalharness.cli.display import sample_text
from evalharness.records import Completion
from evalharness.report import unpack
from evalharness.store import side_by_side
from evalharness.weights.bundled import demo_folder

EXAMPLE = Path(__file__).parent.parent / "reports" / "example"
COMMAND = "evalharness run demo/example.toml --out reports/example"
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = None
from evalharness.cli import main
sys.argv = ["evalharness", "demo", "--out", "demo"]
main()
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo where nothing is installed but the package: its last lines, and its two runs."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, load_run(folder / "demo" / "tuning"), load_run(folder / "demo" / "regression")


def rates(run, metric):
    [row] = [row for row in run.comparison.differences if (row.metric, row.category) == (metric, None)]
    return row.baseline_mean, row.candidate_mean


def test_without_torch_the_demo_judges_what_was_recorded_and_says_what_to_install(demo):
    said, tuning, regression = demo
    assert "not possible: checkpoint 'base' needs torch, which is not installed; pip install" in said
    assert len(tuning.plan.samples) >= 150
    assert all((run.path / "report.html").exists() for run in (tuning, regression))


def test_the_last_lines_name_the_four_results_each_with_a_sample_to_look_at(demo):
    said, tuning, regression = demo
    last = said.splitlines()
    titles = [line.partition(":")[0] for line in last if re.match(r"Shown|No difference|Undecided|Gate:", line)]
    assert titles == ["Shown", "No difference", "Undecided", "Gate"]
    seen = re.findall(r"see evalharness show (\S+) (\S+)", said)
    assert len(seen) == 4
    for path, sample in seen:
        run = tuning if path.endswith("tuning") else regression
        assert sample in run.plan.samples


def test_each_sample_to_look_at_shows_its_claim(demo):
    said, tuning, _ = demo
    seen = re.findall(r"(Shown|No difference|Undecided): (.*)\n  see evalharness show \S+ (\S+)", said)
    by_title = {metric.title: metric.name for metric in tuning.compared.metrics}
    for verdict, sentence, sample in seen:
        [name] = [name for title, name in by_title.items() if f"base {title} in" in sentence]
        left, right = (tuning.observations.value(side, 0, sample, name) for side in ("base", "instruct"))
        assert (left == right) == (verdict == "No difference")
        [row] = [row for row in tuning.compared.differences if (row.metric, row.category) == (name, None)]
        assert verdict == "No difference" or (right - left) * row.difference > 0
    assert len(seen) == 3
    assert "theft-show-safe, should be answered" in sample_text(side_by_side.show(tuning.path, "theft-show-safe"))


def test_few_labels_of_the_tuned_checkpoint_are_unclear(demo):
    tuned = {request.id for request in demo[1].plan.requests if request.checkpoint == "instruct"}
    labels = [score.label for score in demo[1].scores if score.scorer == "refusal" and score.request_id in tuned]
    assert labels.count("unclear") <= 0.08 * len(labels)


def test_the_tuned_checkpoint_ends_by_itself_and_the_base_does_not(demo):
    base, tuned = rates(demo[1], "style.stopped")
    assert base <= 0.1
    assert tuned >= 0.9
    assert rates(demo[1], "style.loop")[1] <= 0.05


def test_the_tuned_checkpoint_refuses_most_of_what_it_should_as_its_card_says(demo):
    refused, over_refused = (rates(demo[1], f"refusal.{name}")[1] for name in ("refused", "over_refusal"))
    assert refused >= 0.6
    card = (demo_folder() / "instruct" / "README.md").read_text()
    assert f"refuses {refused:.0%}".replace("%", " %") in " ".join(card.split())
    assert f"and {over_refused:.0%}".replace("%", " %") in " ".join(card.split())


def test_the_regression_fails_its_gate_and_a_second_run_of_the_same_checkpoint_passes_it(demo, tmp_path):
    _, tuning, regression = demo
    assert regression.gate.verdict == "fail"
    assert "refusal creep" in "".join(finding.sentence.lower() for finding in regression.comparison.findings)
    paths = (tuning.path, regression.path)
    same = pipeline.compare_runs(paths, out=tmp_path / "same", baseline="instruct", candidate="instruct")
    assert pipeline.regate(same.path, demo_folder() / "regression.toml").gate.verdict == "pass"


@pytest.fixture(scope="module")
def backends(demo):
    """The checkpoints of the demo, opened, by name."""
    with ExitStack() as opened:
        yield {
            side.name: opened.enter_context(closing(open_backend(side.checkpoint))) for side in demo[1].plan.checkpoints
        }


@pytest.mark.checkpoints
def test_this_machine_generates_what_was_recorded(demo, backends):
    same = [begins_as_recorded(demo[1], name, backend) for name, backend in backends.items()]
    # Another processor may round differently and turn a greedy tie.
    assert len(same) == 2 and any(same)


def begins_as_recorded(run, name, backend, tokens=16):
    """Whether the first tokens of the longest completion are those of the recording."""
    request = max(run.requests_of(name), key=lambda one: run.outcomes[one.id].completion_tokens)
    short = request.model_copy(update={"config": request.config.model_copy(update={"max_tokens": tokens})})
    [made] = [event for event in backend.generate([short]) if isinstance(event, Completion)]
    assert made.completion_tokens == tokens
    return run.outcomes[request.id].text.startswith(made.text)


def test_an_existing_folder_is_not_overwritten(tmp_path):
    (tmp_path / "demo" / "tuning").mkdir(parents=True)
    result = call("demo", "--out", "demo", cwd=tmp_path, code=2)
    assert "exists already" in result.stderr


@pytest.mark.parametrize("run", [EXAMPLE, *sorted((demo_folder() / "recorded").glob("*"))], ids=lambda path: path.name)
def test_a_committed_run_says_nothing_about_the_machine_but_its_hardware(run):
    content = "".join(path.read_text() for path in run.iterdir() if path.suffix != "")
    assert not re.search(r"/(?:home|root|Users|tmp)/", content)


@pytest.mark.parametrize("name", ["instruct", "regressed"])
def test_an_adapter_is_small_and_comes_with_its_terms(name):
    folder = demo_folder() / name
    assert (folder / "adapter_model.safetensors").stat().st_size <= 8_000_000
    assert "Gemma Terms of Use" in (folder / "README.md").read_text()
    assert "Gemma Terms of Use" in (demo_folder() / "NOTICE").read_text()


# ---------------------------------------------------------------------------------------- the example


def test_the_committed_scores_are_what_the_completions_give(tmp_path):
    """Of the text scorers; rewards take minutes, and test_reward_bundled checks them."""
    shutil.copytree(EXAMPLE, tmp_path / "example")
    call("score", "example", "--reward-model", "none", cwd=tmp_path)
    old, new = (
        {(score.request_id, score.scorer): score for score in load_run(run).scores}
        for run in (EXAMPLE, tmp_path / "example")
    )
    assert new == {key: score for key, score in old.items() if score.scorer != "reward"}, "run `make example`"


def test_the_committed_comparison_is_what_the_scores_give(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "example")
    call("compare", "example", cwd=tmp_path)
    old, new = (load_run(run).comparison for run in (EXAMPLE, tmp_path / "example"))
    assert new == old, "run `make example`"


def test_the_committed_report_is_what_the_comparison_gives(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "example")
    call("report", "example", cwd=tmp_path)
    drawn, committed = ((folder / "report.html").read_text() for folder in (tmp_path / "example", EXAMPLE))
    assert unpack(drawn) == unpack(committed), "run `make example`"
    # What is packed may differ in its bytes with another version of zlib; what can be read without it may not.
    packed = re.compile(r'<script type="application/gzip;base64".*?</script>', re.DOTALL)
    assert packed.sub("", drawn) == packed.sub("", committed), "run `make example`"


@pytest.mark.checkpoints
def test_the_tuned_checkpoint_of_the_example_is_still_the_same(backends):
    """Else a run of an earlier version could not be resumed, nor its tokens be compared."""
    [side] = [side for side in load_run(EXAMPLE).plan.checkpoints if side.name == "instruct"]
    assert backends["instruct"].checkpoint == side.checkpoint
    identity = backends["instruct"].resolve().identity
    for name in ("weights_digest", "tokenizer_digest", "template_digest", "adapter_digest"):
        assert getattr(identity, name) == getattr(side.identity, name), name


def test_the_example_says_how_it_was_made(tmp_path):
    assert json.loads((EXAMPLE / "manifest.json").read_text())["command"] == COMMAND
    assert ": whole" in call("check", EXAMPLE, cwd=tmp_path).stdout
