"""What a notebook types: the public names, strings as paths, frames, and a run that shows itself."""

import ast
import json
import subprocess
import sys
from html import unescape
from pathlib import Path

import pandas
import pytest
from small_run import small_config

import evalharness
from evalharness import compare_models, load_run, read_config, records, run

REPOSITORY = Path(__file__).parent.parent
NOTEBOOK = REPOSITORY / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    return run(small_config(folder), out=str(folder / "run"))


def executed(source, names):
    """What a cell shows: the value of its last expression, as HTML where it has any."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    if last is None:
        return None
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return value._repr_html_() if hasattr(value, "_repr_html_") else repr(value)


def test_the_notebook_of_the_docs_runs_from_top_to_bottom(monkeypatch):
    monkeypatch.chdir(NOTEBOOK.parent)
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in cells)
    names = {}
    shown = [executed("".join(cell["source"]), names) for cell in cells]
    assert shown[0].startswith("<iframe") and shown[-1].endswith("report.html')")
    first, again = names["run"].differences, names["mine"].differences
    overall = first[first["category"].isna() & (first["candidate"] == "instruct")].set_index("metric")["difference"]
    mine = again[again["category"].isna()].set_index("metric")["difference"]
    same = ["style.words", "style.stopped"]
    pandas.testing.assert_series_equal(mine[same], overall[same])


def test_a_run_is_one_line_and_shows_its_verdict_and_chart(finished):
    assert repr(finished) == f"<Run {finished.path}: base and instruct, 6 of 6 outcomes, gate: {finished.gate.verdict}>"
    frame = finished._repr_html_()
    page = unescape(frame.split('srcdoc="', 1)[1].split('" style=', 1)[0])
    assert frame.count("<") == 2 and "sandbox" in frame and "<script" not in page
    assert "On the same 3 prompts, instruct" in page
    assert f"{finished.path}/report.html" in page


def test_a_completion_cannot_leave_the_frame(tmp_path):
    config = small_config(tmp_path)
    name = '"><script>alert(1)</script>'
    sides = [one.model_copy(update={"name": name}) if one.name == "base" else one for one in config.checkpoints]
    made = run(config.model_copy(update={"checkpoints": tuple(sides), "baseline": name}), out=tmp_path / "run")
    frame = made._repr_html_()
    assert frame.count("<") == 2 and frame.count('"') == 4
    assert "<script" not in unescape(frame.split('srcdoc="', 1)[1])


def test_a_run_that_was_not_compared_is_one_line(finished, tmp_path):
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("manifest.json", "plan.json", "requests.jsonl", "outcomes.jsonl", "scores.jsonl", "scorers.json"):
        (copied / name).write_bytes((finished.path / name).read_bytes())
    assert "6 of 6 outcomes, not compared&gt;" in load_run(copied)._repr_html_()


def test_frames_have_the_pairs_that_disagree_with_both_texts(finished):
    assert list(finished.disagreements.columns) == [
        *("sample_id", "category", "replicate", "metric", "baseline", "candidate"),
        *("baseline_completion", "candidate_completion"),
    ]
    assert len(finished.completions) == 6
    assert set(finished.differences["candidate"]) == {"instruct"}


def test_each_row_of_disagreements_is_a_pair_that_differs():
    example = load_run(str(REPOSITORY / "reports" / "example"))
    pairs = example.disagreements
    assert (pairs["baseline"] != pairs["candidate"]).all() and not pairs["candidate_completion"].isna().any()
    row = pairs[pairs["metric"] == "refusal.over_refusal"].iloc[0]
    difference = next(one for one in example.compared.differences if one.metric == "refusal.over_refusal")
    assert (pairs["metric"] == "refusal.over_refusal").sum() == difference.n_higher + difference.n_lower
    [request] = [
        one for one in example.requests_by_sample[row["sample_id"]] if one.checkpoint == example.plan.candidate
    ]
    assert example.outcomes[request.id].text == row["candidate_completion"]


def test_two_models_are_compared_by_their_names(tmp_path, capsys):
    small_config(tmp_path)
    models = [f"replay/{tmp_path}/{side}.jsonl" for side in ("base", "instruct")]
    given = {"suite": tmp_path / "few", "limit": 2, "max_tokens": 9, "scorer": {"reward": {"model": "none"}}}
    made = compare_models(
        *models, variants=("instruct", "instruct"), formats=("raw", "raw"), out=str(tmp_path / "run"), **given
    )
    assert (made.plan.baseline, made.plan.candidate, len(made.plan.samples)) == ("baseline", "candidate", 2)
    assert {request.config.max_tokens for request in made.plan.requests} == {9}
    shown = [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert shown == [
        f"{side}: {what}" for side in ("baseline", "candidate") for what in ("loading", "2 requests", "2/2")
    ]
    with pytest.raises(evalharness.EvalHarnessError, match="compare_models has an unknown key 'limits'"):
        compare_models(*models, limits=3)


def test_strings_are_paths(finished, tmp_path):
    path = tmp_path / "evalharness.toml"
    path.write_text(
        '[checkpoint.base]\nmodel = "hf/a/b"\nvariant = "base"\n'
        '[checkpoint.instruct]\nmodel = "hf/a/c"\nvariant = "instruct"\n'
    )
    assert read_config(str(path)) == read_config(path)
    assert load_run(str(finished.path)).compared == finished.compared


def test_all_public_names_and_all_records_are_listed():
    assert {"run", "compare_models", "Checkpoint", "GenerationConfig"} <= set(dir(evalharness))
    for name in dir(evalharness):
        assert getattr(evalharness, name) is not None
    assert evalharness.Checkpoint is records.Checkpoint
    with pytest.raises(AttributeError, match="'Chekpoint'"):
        evalharness.Chekpoint  # noqa: B018


def test_the_names_of_records_cost_nothing_at_the_start():
    program = "import sys, evalharness; hasattr(evalharness, 'cli'); assert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
