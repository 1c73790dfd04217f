"""`evalharness gate` as a CI job calls it: exit codes, files, and what goes to which stream."""

import json
import xml.etree.ElementTree as ET

import pytest
from command import call, refused

from evalharness.records import GateReport
from evalharness.store import RunStore

EXPERIMENT = """
suite = ["many", "few"]
baseline = "before"
candidate = "after"
[checkpoint.before]
model = "replay/./before.jsonl"
variant = "instruct"
prompt_format = "raw"
[checkpoint.after]
model = "replay/./after.jsonl"
variant = "instruct"
prompt_format = "raw"
"""


def rule(metric="style.loop", kind="no_regression", bound=0.1, **more):
    lines = {"metric": metric, "kind": kind, "bound": bound, "min_pairs": 40, **more}
    return "[[gate]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())


SAMPLES = {"many": [f"many-{n}" for n in range(60)], "few": [f"few-{n}" for n in range(8)]}
ANSWER = "Here is what I would say. It is short and it ends."
LOOP = "\n".join(["Write a poem about the ocean."] * 12)


def write_suite(folder, name):
    (folder / name).mkdir()
    head = {"name": name, "version": "1", "license": "x", "source": "written for the test"}
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in (head | {"scorers": ["style"]}).items()]
    (folder / name / "suite.toml").write_text("".join(lines))
    rows = [{"id": sample, "prompt": f"Write about {sample}.", "category": "c"} for sample in SAMPLES[name]]
    (folder / name / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_completions(path, *, looping=0, failing=0):
    """Answers that end; the first `looping` go in circles, the last `failing` are missing."""
    ids = [*SAMPLES["many"], *SAMPLES["few"]]
    rows = [
        {"sample_id": name, "text": LOOP, "finish_reason": "length"}
        if number < looping
        else {"sample_id": name, "text": ANSWER, "finish_reason": "stop"}
        for number, name in enumerate(ids[: len(ids) - failing])
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def folder(tmp_path):
    """Two suites and two checkpoints that answer alike."""
    for name in SAMPLES:
        write_suite(tmp_path, name)
    for name in ("before", "after"):
        write_completions(tmp_path / f"{name}.jsonl")
    (tmp_path / "e.toml").write_text(EXPERIMENT)
    return tmp_path


def finished(folder, rules="", **after):
    """A run in `r` without rules; the rules are in a file of their own."""
    write_completions(folder / "after.jsonl", **after)
    call("run", "e.toml", "--out", "r", cwd=folder)
    (folder / "gates.toml").write_text(rules)
    return folder


def test_a_checkpoint_that_answers_as_before_passes_with_0(folder):
    finished(folder, rule() + rule("style.words", bound=5, direction="higher", max_truncated=1))
    result = call("gate", "r", "--config", "gates.toml", cwd=folder)
    assert result.stdout.splitlines()[-1] == "Gate: pass (2 of 2 rules pass)"
    stored = GateReport.model_validate_json((folder / "r" / "gate.json").read_text())
    assert stored.verdict == "pass"
    assert RunStore(folder / "r").load().gate == stored


def test_a_checkpoint_that_loops_fails_with_3_and_the_samples_are_in_both_files(folder):
    finished(folder, rule(), looping=30)
    result = call("gate", "r", "--config", "gates.toml", "--junit", "j.xml", "--markdown", "g.md", cwd=folder, code=3)
    assert "Gate: fail (0 of 1 rules pass)" in result.stdout
    assert "30 of " in result.stdout
    first = SAMPLES["many"][0]
    failure = ET.parse(folder / "j.xml").find(".//failure")
    assert failure.attrib["type"] == "fail"
    assert f"{first}: 0 -> 1" in failure.text
    assert f"<code>{first}</code> | 0 | 1 |" in (folder / "g.md").read_text()


def test_too_few_pairs_are_undecided_with_4(folder):
    finished(folder, rule(min_pairs=1_000))
    result = call("gate", "r", "--config", "gates.toml", cwd=folder, code=4)
    assert "fewer than the required 1,000" in " ".join(result.stdout.split())


def test_a_run_where_half_the_requests_failed_never_passes(folder):
    finished(folder, rule(min_pairs=20, bound=0.9), failing=34)
    result = call("gate", "r", "--config", "gates.toml", cwd=folder, code=4)
    assert "50 % have no completion" in " ".join(result.stdout.split())


def test_a_rule_on_a_suite_is_judged_on_that_suite_alone(folder):
    finished(folder, rule(suite="few", min_pairs=1) + rule(suite="many", min_pairs=1), looping=60)
    shown = json.loads(call("gate", "r", "--config", "gates.toml", "--json", cwd=folder, code=3).stdout)
    few, many = shown["results"]
    assert (few["n"], few["n_against"], few["verdict"]) == (8, 0, "undecided")
    assert (many["n"], many["n_against"], many["verdict"]) == (60, 60, "fail")


def test_plan_says_whether_the_suites_can_decide_the_gate(folder):
    (folder / "gated.toml").write_text(EXPERIMENT + rule(bound=0.05))
    result = call("plan", "gated.toml", "--show", "0", "--margin", "5", cwd=folder)
    assert "style.loop no_regression 0.05 costs most: it needs 630 pairs, and the suites have 68" in " ".join(
        result.stdout.split()
    )
    finished(folder)
    found = json.loads(call("plan", "gated.toml", "--json", "--earlier", "r", cwd=folder).stdout)["prospects"]
    assert found["rules"][0]["assumed"] == "as in r"
    assert found["rules"][0]["chances"] == {"passes": 0.0, "undecided": 1.0, "fails": 0.0}


def test_a_margin_of_the_user_is_kept_with_the_run_and_shown_wherever_the_verdict_is(folder):
    finished(folder)
    assert "equivalent" not in call("compare", "r", cwd=folder).stdout
    shown = call("compare", "r", "--margin", "20", cwd=folder).stdout
    assert "equivalent within 0.2" in shown
    assert "No metric differs between the two sides, in 68 pairs." in shown
    assert "equivalent within 20 points" in (folder / "r" / "report.html").read_text()
    rows = json.loads(call("compare", "r", "--json", cwd=folder).stdout)["differences"]
    assert {(row["verdict"], row["margin"]) for row in rows if row["metric"] == "style.loop"} == {("equivalent", 0.2)}


def test_on_github_the_summary_is_appended_and_rules_are_annotated(folder):
    finished(folder, rule(), looping=30)
    (folder / "s.md").write_text("before\n")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "s.md"}
    result = call("gate", "r", "--config", "gates.toml", cwd=folder, env=env, code=3)
    [line] = [line for line in result.stdout.splitlines() if line.startswith("::")]
    assert line.startswith("::error title=gate fail%3A style.loop no_regression 0.1::")
    assert (folder / "s.md").read_text().startswith("before\n## The gate failed")
    as_json = call("gate", "r", "--config", "gates.toml", "--json", cwd=folder, env=env, code=3)
    assert json.loads(as_json.stdout)["verdict"] == "fail"
    assert "::error" in as_json.stderr


def test_a_rule_of_a_hostile_repository_gives_github_no_command_and_the_terminal_no_code(folder):
    name = "::stop-commands::x ##[group]y \u001b[31m $(touch pwned) {{7*7}} ${{ github.token }}"
    finished(folder, rule(name=name), looping=30)
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "s.md"}
    result = call("gate", "r", "--config", "gates.toml", "--junit", "j.xml", cwd=folder, env=env, code=3)
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.strip().startswith("::")] == ["::error"]
    assert "##[" not in "".join(line for line in lines if not line.startswith("::error"))
    assert "\x1b" not in result.stdout + (folder / "s.md").read_text() + (folder / "j.xml").read_text()
    assert "49" not in ET.parse(folder / "j.xml").find(".//testcase").attrib["name"]
    assert not list(folder.glob("**/pwned"))


def test_the_rules_of_a_run_are_in_its_manifest_and_judged_when_it_is_finished(folder):
    (folder / "e.toml").write_text(EXPERIMENT + rule())
    call("run", "e.toml", "--out", "r", cwd=folder)
    assert RunStore(folder / "r").load().gate.verdict == "pass"
    before = (folder / "r" / "gate.json").read_bytes()
    call("gate", "r", cwd=folder)
    call("score", "r", cwd=folder)
    assert (folder / "r" / "gate.json").read_bytes() == before


def test_scores_that_are_rewritten_take_the_verdict_with_them(folder):
    finished(folder, rule())
    call("gate", "r", "--config", "gates.toml", cwd=folder)
    call("score", "r", cwd=folder)
    assert not (folder / "r" / "gate.json").exists()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("[scorer.style]\nlenght = 3\n", "e.toml: [scorer.style] has an unknown key 'lenght'"),
        ('until_decided = true\ndecide = ["style.lop"]\n', "e.toml: decide: there is no metric 'style.lop'"),
        (
            rule("style.repeated_share", "at_most", 2),
            "e.toml: [[gate]] 1: no bound of 2 can be decided: style.repeated_share is at most 1",
        ),
        (
            rule("style.words", "at_most", -3),
            "e.toml: [[gate]] 1: no bound of -3 can be decided: style.words is at least 0",
        ),
    ],
)
def test_the_file_is_named_before_any_checkpoint_is_looked_at(folder, table, problem):
    experiment = EXPERIMENT.replace("replay/./", "replay/./not-there/")
    (folder / "e.toml").write_text(table + experiment if table.startswith("until") else experiment + table)
    for command in (("plan", "e.toml"), ("run", "e.toml", "--out", "r")):
        assert refused(*command, cwd=folder)[0] == problem


def test_a_misspelt_metric_is_found_before_any_checkpoint_is_looked_at(folder):
    experiment = EXPERIMENT.replace("replay/./", "replay/./not-there/")
    (folder / "e.toml").write_text(experiment + rule("style.lop"))
    problem, fix = refused("run", "e.toml", "--out", "r", cwd=folder)
    assert problem == "e.toml: [[gate]] 1: there is no metric 'style.lop'"
    assert fix == "write 'style.loop'"
    assert not (folder / "r").exists()
    assert refused("plan", "e.toml", cwd=folder) == (problem, fix)


def test_a_run_without_rules_and_a_comparison_of_other_scores_are_refused(folder):
    finished(folder, rule())
    assert "was started without gate rules" in refused("gate", "r", cwd=folder)[0]
    lines = (folder / "r" / "scores.jsonl").read_text().splitlines(keepends=True)
    (folder / "r" / "scores.jsonl").write_text("".join(lines[:-1]))
    problem, fix = refused("gate", "r", "--config", "gates.toml", cwd=folder)
    assert "newer than its comparison" in problem
    assert fix == "evalharness score r"


def test_folders_of_the_files_are_made(folder):
    finished(folder, rule())
    call("gate", "r", "--config", "gates.toml", "--junit", "a/b/j.xml", "--markdown", "c/g.md", cwd=folder)
    assert ET.parse(folder / "a" / "b" / "j.xml").getroot().tag == "testsuites"
    assert (folder / "c" / "g.md").read_text().startswith("## The gate passed")


def test_a_file_that_cannot_be_written_is_named_with_its_flag(folder):
    finished(folder, rule())
    arguments = ("gate", "r", "--config", "gates.toml", "--junit", "e.toml/j.xml")
    problem, _ = refused_after_the_table(*arguments, cwd=folder)
    assert problem.startswith("--junit: e.toml/j.xml cannot be written")


def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_generated(folder):
    said = call("run", "e.toml", "--out", "r", "--junit", "many", cwd=folder, code=2)
    assert "'many' is a directory" in said.stderr
    assert not (folder / "r").exists()


def test_a_side_that_completed_nothing_is_no_success_even_without_a_gate(folder):
    (folder / "after.jsonl").write_text('{"sample_id": "another", "text": "x", "finish_reason": "stop"}\n')
    problem, fix = refused_after_the_table("run", "e.toml", "--out", "r", cwd=folder)
    assert "after completed none of 68 requests" in problem
    assert "r/report.html" in fix
    assert (folder / "r" / "report.html").exists()


def test_nor_does_it_pass_any_gate(folder):
    (folder / "e.toml").write_text(EXPERIMENT + rule(min_pairs=1))
    (folder / "after.jsonl").write_text('{"sample_id": "another", "text": "x", "finish_reason": "stop"}\n')
    said = call("run", "e.toml", "--out", "r", cwd=folder, code=4)
    assert "Gate: undecided (0 of 1 rules pass)" in said.stdout


def test_a_limit_in_quotes_is_refused(folder):
    finished(folder, rule(max_failures="0.5"))
    assert (
        "max_failures: Input should be a valid number" in refused("gate", "r", "--config", "gates.toml", cwd=folder)[0]
    )


def test_a_reason_tells_a_bound_as_it_was_written(folder):
    finished(folder, rule(bound=0.0375))
    said = call("gate", "r", "--config", "gates.toml", "--json", cwd=folder, code=4).stdout
    assert "; required: no worse by more than 3.75 points, and the interval contains the bound" in said


def refused_after_the_table(*arguments, cwd):
    """The problem and the fix, where the verdict was printed before."""
    error = call(*arguments, cwd=cwd, code=2).stderr
    problem, _, fix = error.partition("\n  Fix: ")
    return problem.rpartition("Error: ")[2], fix.strip()
