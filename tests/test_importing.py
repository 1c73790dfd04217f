"""Runs that other programs made: real files of lm-evaluation-harness and Inspect (tests/made_elsewhere), and tables."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from evalharness import load_run
from evalharness.cli import cli
from evalharness.errors import EvalHarnessError, MissingExtra
from evalharness.report.provenance import make_origin

MADE = Path(__file__).parent / "made_elsewhere"
SMOL, GEMMA = MADE / "lm_eval" / "SmolLM2-135M-Instruct", MADE / "lm_eval" / "gemma-3-270m"
ORIGINAL, ROUNDED = MADE / "inspect" / "original.json", MADE / "inspect" / "rounded.json"
RULES = """
[scorer.sure]
pattern = "Yes"
better = "higher"
[[gate]]
metric = "sure.matches"
kind = "no_regression"
bound = 0.1
min_pairs = 10
[[gate]]
metric = "sure.matches"
kind = "at_least"
bound = 0.9
min_pairs = 10
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(cli, ["import", *map(str, arguments)])


def imported(*arguments, code=0):
    result = call(*arguments, "--out", "run")
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    return load_run("run"), result


def overall(run):
    return {row.metric: row for row in run.compared.differences if row.category is None}


def samples_of(folder, task="short_answers"):
    [path] = folder.glob(f"samples_{task}_*.jsonl")
    return path


# --------------------------------------------------------------------------------- lm-evaluation-harness


def test_two_folders_of_lm_eval_are_a_run_like_any_other(here):
    run, result = imported(SMOL, GEMMA, "--candidate-variant", "base")
    assert run.plan.baseline == "SmolLM2-135M-Instruct" and run.plan.candidate == "gemma-3-270m"
    assert len(run.plan.samples) == 20
    # Their own metric, by their own filters, is what their own results file says of these samples.
    rows = overall(run)
    for name, of in (("whole", "whole"), ("first-word", "first-word")):
        lines = [json.loads(line) for line in samples_of(GEMMA).read_text().splitlines()]
        values = [line["exact_match"] for line in lines if line["filter"] == of]
        assert rows[f"lm_eval.exact_match_{name}"].candidate_mean == pytest.approx(sum(values) / len(values))
    first = json.loads(samples_of(SMOL).read_text().splitlines()[0])
    assert run.plan.samples["short_answers-20"].prompt == first["arguments"]["gen_args_0"]["arg_0"]
    outcome = run.outcomes[run.requests_by_sample["short_answers-20"][0].id]
    assert outcome.text == first["resps"][0][0]
    assert "capital_choice generated no text and is left out" in result.stderr
    config = run.plan.requests[0].config
    assert (config.max_tokens, config.temperature, config.stop) == (24, 0.0, ("Question:", "\n\n"))


def test_the_first_screen_says_that_it_was_made_elsewhere_and_what_is_not_known(here):
    _, result = imported(SMOL, GEMMA)
    said = "were generated elsewhere, by lm-evaluation-harness 0.4.13; not known are the weights and hardware"
    assert said in result.stdout
    assert said in (here / "run" / "report.html").read_text()
    assert "million parameters" in result.stdout


def test_a_task_without_text_is_refused_with_the_reason():
    path = samples_of(SMOL, "capital_choice")
    result = call(path, path)
    assert isinstance(result.exception, EvalHarnessError)
    assert "capital_choice generated no text: it compares the likelihood" in result.exception.problem
    assert "generate_until" in result.exception.fix


def test_files_that_share_no_question_are_refused():
    result = call(MADE / "lm_eval" / "chat" / "SmolLM2-135M-Instruct", GEMMA)
    assert "share no sample" in result.exception.problem


def test_prompts_that_were_sent_differently_are_named_and_the_plain_one_is_shown(here):
    run, result = imported(MADE / "lm_eval" / "chat", MADE / "lm_eval" / "plain", "--names", "chat,plain")
    sample = next(iter(run.plan.samples.values()))
    assert sample.prompt.startswith("Question: ") and "im_start" not in sample.prompt
    requests = {one.checkpoint: one for one in run.requests_by_sample[sample.id]}
    assert "<|im_start|>user\nQuestion: " in requests["chat"].rendered
    assert requests["plain"].rendered == sample.prompt
    assert "12 of 12 prompts were sent differently to the two sides" in result.stdout
    assert {one.code for one in run.plan.lint} >= {"prompts-differ", "different-formats", "generated-elsewhere"}


def test_a_folder_of_several_models_is_refused():
    result = call(MADE / "lm_eval", GEMMA)
    assert "holds samples of several models" in result.exception.problem


def test_an_imported_run_is_scored_gated_exported_and_checked_again(here):
    run, _ = imported(SMOL, GEMMA)
    before = overall(run)["lm_eval.exact_match_whole"]
    for command in (["score", "run"], ["compare", "run"], ["report", "run"], ["check", "run"]):
        result = CliRunner().invoke(cli, command)
        assert result.exit_code == 0, f"{command} {result.output} {result.exception!r}"
    assert overall(load_run("run"))["lm_eval.exact_match_whole"] == before
    exported = CliRunner().invoke(cli, ["export", "run", "--format", "csv", "--table", "scores"])
    assert "lm_eval.exact_match_whole" in exported.stdout
    shared = CliRunner().invoke(cli, ["report", "run", "--redact", "identity,completions,prompts", "--out", "s.html"])
    assert shared.exit_code == 0, shared.exception
    page = (here / "s.html").read_text()
    assert "SmolLM2" not in page and "Question: What" not in page
    resumed = CliRunner().invoke(cli, ["run", "--out", "run", "--resume"])
    assert "was generated elsewhere and imported" in resumed.exception.problem


# ----------------------------------------------------------------------------------------------- Inspect


def test_is_the_rounded_model_worse_on_this_task(here):
    """The question of many threads of their trackers, in one command."""
    run, result = imported(ORIGINAL, ROUNDED)
    assert "SmolLM2-135M-rounded is worse than SmolLM2-135M-Instruct" in result.stdout
    row = overall(run)["inspect.includes"]
    assert row.verdict == "lower" and row.n_pairs == 24
    log = json.loads(ORIGINAL.read_text())
    counted = [sample["scores"]["includes"]["value"] == "C" for sample in log["samples"]]
    assert row.baseline_mean == pytest.approx(sum(counted) / len(counted))
    sample = next(iter(run.plan.samples.values()))
    assert [turn.role for turn in sample.messages] == ["system", "user"]
    assert run.plan.requests[0].config.temperature == 0.2
    assert "by Inspect 0.3.285" in result.stdout


def test_a_failed_sample_of_inspect_is_a_failure_and_scores_of_parts_are_metrics(here):
    log = json.loads(ORIGINAL.read_text())
    log["samples"][0] |= {"error": {"message": "out of luck"}, "output": {"choices": []}, "scores": {}}
    for number, sample in enumerate(log["samples"][1:]):
        sample["scores"] = {"rubric": {"value": {"tone": 0.5, "length": number % 2}}, "odd": {"value": "NaN?"}}
    (here / "a.json").write_text(json.dumps(log))
    run, _ = imported("a.json", ORIGINAL, "--names", "a,b")
    assert run.observations.counts("a").failed == 1
    scorers = {metric.name: metric.kind for one in run.scorers for metric in one.facts.metrics}
    assert scorers["inspect.rubric_tone"] == "mean" and scorers["inspect.rubric_length"] == "rate"


def test_an_archive_of_inspect_needs_its_own_reader(here):
    if find_spec("inspect_ai"):
        pytest.skip("inspect_ai is installed")
    (here / "a.eval").write_bytes(b"PK")
    result = call("a.eval", "a.eval")
    assert isinstance(result.exception, MissingExtra)
    assert "evalharness[inspect]" in result.exception.fix and "--to json" in result.exception.fix


# ------------------------------------------------------------------------------------------------ tables

ROWS = [
    (f"Question {n}?", f"Yes, it is {n}.", f"Yes, it is {n}." if n % 3 else f"No idea about {n}.") for n in range(30)
]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def wide(here):
    lines = ["Question,old,new,topic", *(",".join(f'"{cell}"' for cell in (*row, "x")) for row in ROWS)]
    (here / "wide.csv").write_text("\n".join(lines))
    return here / "wide.csv"


@pytest.mark.parametrize("kind", ["wide", "long", "two", "chat", "parquet"])
def test_a_table_is_read_in_any_shape(here, wide, kind):
    if kind == "wide":
        run, _ = imported(wide, "--columns", "prompt=question,baseline=OLD,candidate=new,category=topic")
    elif kind in ("long", "parquet"):
        rows = [
            {"model": name, "prompt": row[0], "output": row[n], "bleu": n}
            for n, name in ((1, "old"), (2, "new"))
            for row in ROWS
        ]
        path = write_jsonl(here / "long.jsonl", rows)
        if kind == "parquet":
            pandas = pytest.importorskip("pandas")
            pytest.importorskip("pyarrow")
            path = here / "long.parquet"
            pandas.DataFrame(rows).to_parquet(path)
        run, _ = imported(path, "--metrics", "bleu=lower")
        assert overall(run)["imported.bleu"].difference == 1.0
    elif kind == "two":
        for n, name in ((1, "old"), (2, "new")):
            write_jsonl(
                here / f"{name}.jsonl",
                [{"ID": i, "instruction": row[0], "response": row[n]} for i, row in enumerate(ROWS)],
            )
        run, _ = imported("old.jsonl", "new.jsonl")
        assert "7" in run.plan.samples
    else:
        turns = lambda row, n: [("system", "Be brief."), ("user", row[0]), ("assistant", row[n])]  # noqa: E731
        write_jsonl(
            here / "old.jsonl", [{"messages": [{"role": r, "content": c} for r, c in turns(row, 1)]} for row in ROWS]
        )
        names = {"system": "system", "user": "human", "assistant": "gpt"}
        write_jsonl(
            here / "new.jsonl",
            [{"conversations": [{"from": names[r], "value": c} for r, c in turns(row, 2)]} for row in ROWS],
        )
        run, _ = imported("old.jsonl", "new.jsonl")
        assert [turn.role for turn in next(iter(run.plan.samples.values())).messages] == ["system", "user"]
    assert (run.plan.baseline, run.plan.candidate) == ("old", "new")
    texts = {
        (one.checkpoint, run.plan.samples[one.sample_id].messages[-1].content): run.outcomes[one.id].text
        for one in run.plan.requests
    }
    assert texts == {(name, row[0]): row[n] for n, name in ((1, "old"), (2, "new")) for row in ROWS}


def test_columns_that_are_called_baseline_and_candidate_need_no_map(here):
    lines = ["prompt,Baseline,candidate", *(",".join(f'"{cell}"' for cell in row) for row in ROWS)]
    (here / "wide.csv").write_text("\n".join(lines))
    run, _ = imported(here / "wide.csv")
    assert {name.casefold() for name in (run.plan.baseline, run.plan.candidate)} == {"baseline", "candidate"}
    assert {one.text for one in run.outcomes.values()} == {text for row in ROWS for text in row[1:3]}


def test_a_rule_about_two_sides_is_undecided_until_the_settings_are_known(here, wide):
    (here / "rules.toml").write_text(RULES)
    columns = ("--columns", "baseline=old,candidate=new", "--config", "rules.toml")
    run, _ = imported(wide, *columns, code=3)
    two_sided, one_sided = run.gate.results
    assert two_sided.verdict == "undecided"
    assert "generated elsewhere, and with which settings is not known" in two_sided.reason
    assert one_sided.verdict == "fail"
    assert ("generation", "not known of old and new") in make_origin(run)
    shutil.rmtree("run")
    run, _ = imported(wide, *columns, "--max-tokens", "64", "--temperature", "0", code=3)
    assert run.gate.results[0].verdict == "fail"


def test_missing_answers_are_failures_and_empty_ones_are_answers(here):
    write_jsonl(
        here / "a.jsonl",
        [{"prompt": "Hi?", "text": ""}, {"prompt": "Ho?", "text": None}, {"prompt": "Hu?", "text": "x"}],
    )
    write_jsonl(here / "b.jsonl", [{"prompt": name, "text": "y"} for name in ("Hi?", "Ho?", "Hu?")])
    run, _ = imported("a.jsonl", "b.jsonl")
    assert run.observations.counts("a").failed == 1
    assert overall(run)["style.empty"].n_pairs == 2


def test_several_answers_to_one_prompt_are_its_replicates(here):
    """They had one request id: the last answer replaced the others without a word."""
    write_jsonl(here / "a.jsonl", [{"prompt": name, "text": text} for name, text in ("Aa", "Ab", "Bc")])
    write_jsonl(here / "b.jsonl", [{"prompt": name, "text": "d"} for name in "AB"])
    run, _ = imported("a.jsonl", "b.jsonl")
    texts = sorted(run.outcomes[one.id].text for one in run.plan.requests if one.checkpoint == "a")
    assert texts == ["a", "b", "c"]
    assert sorted(one.replicate for one in run.plan.requests if one.checkpoint == "a") == [0, 0, 1]


def test_a_turn_that_only_calls_tools_is_empty(here):
    turns = [("user", "Hi?"), ("assistant", None), ("user", "Well?"), ("assistant", "Yes.")]
    row = {"messages": [{"role": role, "content": content} for role, content in turns]}
    for name in ("a", "b"):
        write_jsonl(here / f"{name}.jsonl", [row])
    run, _ = imported("a.jsonl", "b.jsonl")
    [sample] = run.plan.samples.values()
    assert [turn.content for turn in sample.messages] == ["Hi?", "", "Well?"]


@pytest.mark.parametrize(
    ("arguments", "problem", "fix"),
    [
        (("ids.jsonl", "ids.jsonl"), "id '1' is that of several prompts", "an id of its own"),
        (("twice.jsonl", "twice.jsonl"), "two answers of one replicate", "number the answers"),
        (("worded.jsonl", "worded.jsonl"), "line 1: replicate is 'first'", "number from 0"),
        (("tool.jsonl", "tool.jsonl"), "line 1: a turn is not valid: role", "correct that row"),
        (("wide.csv",), "nothing in it says which answers are the baseline's", "baseline=COLUMN"),
        (("wide.csv", "none.csv"), "there is no file none.csv", "path"),
        (("wide.csv", "--columns", "baseline=odl,candidate=new"), "no column 'odl'", "'old'"),
        (("wide.csv", "--columns", "bseline=old"), "no field 'bseline'", "'baseline'"),
        (("wide.csv", ORIGINAL), "is of another program", "tables"),
        ((ORIGINAL,), "is one side of a comparison", "the candidate's"),
        (("wide.csv", "wide.csv", "--names", "a"), "1 names for 2 sides", "one for each"),
        (("wide.csv", "--max-tokens", "3"), "stated together", "add"),
        (("empty.json", "empty.json"), "holds no samples", "log_samples"),
        (("odd.json", "odd.json"), "cannot be read: AttributeError", "docs/imports.md"),
        (("odd.jsonl", "odd.jsonl"), "which lm_eval writes", "log_samples"),
        (("half.jsonl", "half.jsonl"), "surrogates not allowed", "docs/imports.md"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_a_fix(here, wide, arguments, problem, fix):
    (here / "empty.json").write_text('{"version": 2, "status": "error", "eval": {}}')
    (here / "odd.json").write_text('{"version": 2, "status": "error", "eval": {}, "samples": [{"output": 3}]}')
    (here / "odd.jsonl").write_text('{"doc_hash": "a", "resps": [["x"]], "arguments": 3}\n')
    (here / "half.jsonl").write_text('{"prompt": "x", "text": "half \\ud800"}\n')
    write_jsonl(here / "ids.jsonl", [{"id": 1, "prompt": prompt, "text": "x"} for prompt in "AB"])
    write_jsonl(here / "twice.jsonl", [{"prompt": "A", "text": text, "replicate": 1} for text in "xy"])
    write_jsonl(here / "worded.jsonl", [{"prompt": "A", "text": "x", "replicate": "first"}])
    write_jsonl(here / "tool.jsonl", [{"messages": [{"role": "tool", "content": "sunny"}]}])
    result = call(*arguments)
    assert isinstance(result.exception, EvalHarnessError), result.output
    assert problem in result.exception.problem
    assert fix in result.exception.fix
    assert not (here / "reports").exists()
