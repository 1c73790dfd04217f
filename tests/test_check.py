"""`check`, and that every reader sees when derived files are of an earlier state."""

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_run import small_config, write_ratings

from evalharness import pipeline, sharing
from evalharness.cli import cli
from evalharness.errors import EvalHarnessError, StoreError
from evalharness.store import lock
from evalharness.store.check import MOST, check_run
from evalharness.store.side_by_side import show


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run with a report and with one person's ratings."""
    folder = tmp_path_factory.mktemp("check")
    pipeline.run(small_config(folder), out=folder / "run")
    sharing.import_ratings(folder / "run", write_ratings(folder / "run"))
    return folder / "run"


@pytest.fixture
def run(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "run"))


def problems(path):
    return {(problem.file, problem.kind) for problem in check_run(path).problems}


def lines(path):
    return path.read_bytes().splitlines(keepends=True)


def test_a_whole_run_is_whole_and_nothing_is_written(run):
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.iterdir()}
    checked = check_run(run)
    assert checked.whole and not checked.problems
    assert checked.outcomes == checked.requests == len(pipeline.load_run(run).plan.requests)
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.iterdir()} == before


DAMAGE = {
    "outcome lost": ("outcomes.jsonl", lambda old: b"".join(old[:3] + old[4:]), {("outcomes.jsonl", "incomplete")}),
    "outcome torn": ("outcomes.jsonl", lambda old: b"".join(old)[:-9], {("outcomes.jsonl", "damaged")}),
    "outcome foreign": ("outcomes.jsonl", lambda old: b"".join([*old, b"{}\n"]), {("outcomes.jsonl", "damaged")}),
    "score lost": ("scores.jsonl", lambda old: b"".join(old[:-1]), {("scores.jsonl", "stale")}),
    "score torn": ("scores.jsonl", lambda old: b"".join(old)[:-9], {("scores.jsonl", "damaged")}),
    "rating lost": ("preferences.jsonl", lambda old: b"".join(old[:1]), {("comparison.json", "stale")}),
    "plan broken": ("plan.json", lambda old: b"".join(old)[:-9], {("plan.json", "damaged")}),
    "report lost": ("report.html", lambda old: None, {("report.html", "incomplete")}),
    "comparison lost": ("comparison.json", lambda old: None, {("comparison.json", "incomplete")}),
    "scorers lost": ("scorers.json", lambda old: None, {("scores.jsonl", "stale")}),
}


@pytest.mark.parametrize("which", DAMAGE)
def test_damage_is_named_with_what_to_do(run, which):
    name, damage, expected = DAMAGE[which]
    content = damage(lines(run / name))
    (run / name).unlink() if content is None else (run / name).write_bytes(content)
    assert expected <= problems(run)
    assert all(problem.fix for problem in check_run(run).problems)


@pytest.mark.parametrize("which", [damage for damage in DAMAGE if damage not in ("plan broken", "report lost")])
@pytest.mark.parametrize(
    "words",
    [("report",), ("export", "--format", "markdown"), ("report", "--redact", "completions", "--out", "x.html")],
    ids=["report", "export", "redact"],
)
def test_no_reader_shows_results_of_another_state(run, which, words, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    name, damage, _ = DAMAGE[which]
    content = damage(lines(run / name))
    (run / name).unlink() if content is None else (run / name).write_bytes(content)
    command, *flags = words
    with pytest.raises(EvalHarnessError) as caught:
        CliRunner().invoke(cli, [command, str(run), *flags], catch_exceptions=False)
    assert "evalharness" in caught.value.fix or "--resume" in caught.value.fix


FILES = ("manifest.json", "plan.json", "requests.jsonl", "outcomes.jsonl", "scores.jsonl", "scorers.json",
         "comparison.json", "gate.json", "preferences.jsonl", "report.html")  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_digit_that_changed_anywhere_is_noticed(run, name):
    """Also where the file is still valid, and no other file says what was in it."""
    content = (run / name).read_bytes()
    places = [place for place, sign in enumerate(content) if chr(sign) in "123456789"]
    for place in places[:: max(1, len(places) // 3)]:
        digit = b"7" if content[place : place + 1] != b"7" else b"8"
        (run / name).write_bytes(content[:place] + digit + content[place + 1 :])
        with suppress(StoreError):
            assert not check_run(run).whole, place


def test_what_was_changed_by_hand_is_whole_again_after_what_the_check_says(run):
    path = run / "gate.json"
    path.write_text(re.sub(r'"verdict": "\w+"', '"verdict": "fail"', path.read_text()))
    [problem] = check_run(run).problems
    assert (problem.file, problem.fix) == ("gate.json", f"evalharness gate {run}")
    assert "was changed after evalharness wrote it" in problem.message
    pipeline.regate(run)
    assert check_run(run).whole


def test_a_run_without_digests_is_checked_by_what_else_there_is(run):
    (run / "digests.json").unlink()
    assert check_run(run).whole
    (run / "digests.json").write_text('{"report.html": []}')
    assert problems(run) == {("report.html", "damaged")}
    pipeline.redraw(run)
    assert check_run(run).whole


def test_lost_outcomes_are_a_warning_of_the_next_comparison(run):
    kept = lines(run / "outcomes.jsonl")
    (run / "outcomes.jsonl").write_bytes(b"".join(kept[:-3]))
    scored = pipeline.rescore(run)
    assert any(f"3 of {len(kept):,} requests have no outcome" in warning.text for warning in scored.compared.warnings)
    assert problems(run) == {("outcomes.jsonl", "incomplete")}


def test_all_that_is_stale_is_whole_again_after_what_the_check_says(run):
    (run / "preferences.jsonl").write_bytes(lines(run / "preferences.jsonl")[0])
    [problem] = check_run(run).problems
    assert problem.fix == f"evalharness compare {run}"
    pipeline.recompare(run)
    assert check_run(run).whole


def test_ratings_of_one_report_by_two_people_are_both_taken(run):
    sharing.import_ratings(run, write_ratings(run, rater="another"))
    assert {preference.rater for preference in pipeline.load_run(run).preferences} == {"somebody", "another"}
    assert check_run(run).whole


def test_ids_that_the_plan_does_not_know_are_named(run):
    for name in ("outcomes.jsonl", "scores.jsonl"):
        line = json.loads(lines(run / name)[0]) | {"request_id": "x" * 100_000}
        with (run / name).open("a") as handle:
            handle.write(json.dumps(line) + "\n")
    named = [problem for problem in check_run(run).problems if "not in the plan" in problem.message]
    assert {problem.file for problem in named} == {"outcomes.jsonl", "scores.jsonl"}
    assert all(problem.line and len(problem.message) < 400 + len(str(run)) for problem in named)


@pytest.mark.parametrize("field", ["sample_id", "checkpoint"])
@pytest.mark.parametrize("read", [pipeline.rescore, pipeline.recompare, pipeline.redraw, pipeline.load_run])
def test_a_request_of_an_unknown_sample_or_checkpoint_is_refused_by_every_reader(run, field, read):
    first, *rest = lines(run / "requests.jsonl")
    (run / "requests.jsonl").write_bytes(
        b"".join([json.dumps(json.loads(first) | {field: "x"}).encode() + b"\n", *rest])
    )
    with pytest.raises(StoreError, match=r"names (checkpoint|sample) 'x', which is not in the plan"):
        read(run)


def test_a_wrong_score_is_named_with_its_line(run):
    first, *rest = lines(run / "scores.jsonl")
    (run / "scores.jsonl").write_bytes(b"".join([first, b'{"scorer": 1}\n', *rest]))
    with pytest.raises(StoreError, match=r"scores\.jsonl:2 is not valid"):
        pipeline.load_run(run).observations  # noqa: B018 - the scores are read when needed
    assert ("scores.jsonl", "damaged") in problems(run)


def test_ratings_are_stored_and_compared_under_one_lock(run, monkeypatch):
    file, taken = write_ratings(run, rater="another"), []
    monkeypatch.setattr(lock, "take", lambda folder, take=lock.take: taken.append(folder) or take(folder))
    sharing.import_ratings(run, file)
    assert taken == [run]


def test_links_fifos_and_folders_are_named_and_the_rest_is_read(run, tmp_path):
    (run / "gate.json").unlink()
    (run / "gate.json").symlink_to(tmp_path / "nowhere")
    (run / "scores.jsonl").unlink()
    os.mkfifo(run / "scores.jsonl")
    (run / "report.html").unlink()
    (run / "report.html").mkdir()
    assert problems(run) >= {(name, "damaged") for name in ("gate.json", "scores.jsonl", "report.html")}


def test_wrong_lines_without_end_are_counted(run):
    with (run / "outcomes.jsonl").open("ab") as handle:
        handle.write(b"nonsense\n" * 1000)
    checked = check_run(run)
    assert len([problem for problem in checked.problems if problem.line]) == MOST
    assert f"has {1000 - MOST:,} more wrong lines" in checked.problems[MOST].message


def test_the_command_has_an_exit_code_for_each_state(run, tmp_path):
    def check(*words):
        return CliRunner().invoke(cli, ["check", *map(str, words)], catch_exceptions=False)

    assert check(run).exit_code == 0 and "whole" in check(run).output
    (run / "report.html").unlink()
    assert check(run).exit_code == 5
    assert "Fix: evalharness report" in check(run).output
    assert json.loads(check(run, "--json").output)["problems"][0]["file"] == "report.html"
    with pytest.raises(StoreError, match="is not a run directory"):
        check(tmp_path)


def test_a_configuration_that_is_not_valid_is_named(run):
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"config": {"suites": 5}}))
    assert ("manifest.json", "damaged") in problems(run)
    with pytest.raises(StoreError, match=r"manifest\.json is not valid"):
        pipeline.rescore(run)


def edited_comparison(run, old, new):
    path = run / "comparison.json"
    path.write_text(path.read_text().replace(old, new))


def test_a_comparison_of_a_metric_that_it_does_not_hold_is_not_valid(run):
    held = json.loads((run / "comparison.json").read_text())["metrics"][0]["name"]
    edited_comparison(run, f'"metric": "{held}"', '"metric": "made.up"')
    with pytest.raises(StoreError, match=r"comparison.json is not valid: .*'made.up' is not among its metrics"):
        pipeline.load_run(run)
    assert ("comparison.json", "damaged") in problems(run)


def test_a_comparison_of_a_checkpoint_that_the_plan_does_not_have_is_refused(run):
    candidate = pipeline.load_run(run).plan.candidate
    edited_comparison(run, f'"candidate": "{candidate}"', '"candidate": "stranger"')
    with pytest.raises(StoreError, match="compares 'stranger', which is not in the plan"):
        pipeline.redraw(run)


def test_one_sample_is_not_shown_with_scores_of_other_outcomes(run):
    sample = next(iter(pipeline.load_run(run).plan.samples))
    (run / "outcomes.jsonl").write_bytes(b"".join(lines(run / "outcomes.jsonl")[:-1]))
    with pytest.raises(StoreError, match="changed after scoring"):
        show(run, sample)
