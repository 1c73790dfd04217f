"""What leaves a run directory and what comes back to it, by the commands."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from report_run import SCENES, make_run, many, rewarded

from evalharness import pipeline, sharing
from evalharness.cli import cli
from evalharness.errors import SharingError, StoreError
from evalharness.preferences import pairs_of
from evalharness.records import Completion
from evalharness.report import excerpt, unpack
from evalharness.store import RunStore
from evalharness.store.outputs import RUN_FILES


def written(run, path):
    """The run as a directory."""
    store = RunStore(path)
    with store.lock(create=True):
        store.start(run.manifest, run.plan, resume=False)
        with store.appending() as outcomes:
            for event in (*run.outcomes.values(), *run.notices):
                outcomes.append(event)
        store.write_scores(run.scores, run.scorers)
    pipeline.recompare(path)
    return path


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return written(make_run(many(40)), tmp_path_factory.mktemp("runs") / "meadow-run")


def invoke(*words):
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)


def ratings(path, *preferred):
    run = pipeline.load_run(path)
    lines = (
        {
            "run": run.compared.evidence_digest,
            "sample_id": pair.sample.id,
            "preferred": preferred_side,
            "rater": "somebody",
        }
        for pair, preferred_side in zip(pairs_of(run), preferred, strict=False)
    )
    file = path.parent / "ratings.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


# --------------------------------------------------------------------------------------------- ratings


def test_imported_ratings_are_in_the_run_and_in_its_report(tmp_path):
    path = written(make_run(), tmp_path / "run")
    result = invoke("rate", "import", path, ratings(path, "candidate", "both bad", "baseline"))
    assert result.exit_code == 0 and "3 ratings: 3 new, 0 changed, 0 known" in result.output
    assert [preference.preferred for preference in pipeline.load_run(path).preferences] == [
        "candidate",
        "tie",
        "baseline",
    ]
    assert "somebody" in (path / "report.html").read_text()


def test_importing_the_same_file_again_changes_nothing(tmp_path):
    path = written(make_run(), tmp_path / "run")
    file = ratings(path, "candidate", "tie")
    invoke("rate", "import", path, file)
    before = (path / "preferences.jsonl").read_bytes()
    assert "0 new, 0 changed, 2 known" in invoke("rate", "import", path, file).output
    assert (path / "preferences.jsonl").read_bytes() == before


def test_ratings_of_a_run_whose_scores_changed_are_refused_and_nothing_is_stored(tmp_path):
    path = written(make_run(), tmp_path / "run")
    file = ratings(path, "candidate")
    store = RunStore(path)
    store.write_scores(list(store.read_scores())[:-1])
    with pytest.raises((SharingError, StoreError)):
        sharing.import_ratings(path, file)
    assert not (path / "preferences.jsonl").exists()


def test_one_wrong_line_stores_nothing(tmp_path):
    path = written(make_run(), tmp_path / "run")
    file = ratings(path, "candidate", "nobody")
    with pytest.raises(SharingError, match=r"ratings\.jsonl:2"):
        sharing.import_ratings(path, file)
    assert not (path / "preferences.jsonl").exists()


# ------------------------------------------------------------------------------------------------ reports


def test_a_redacted_report_is_written_beside_the_runs_own(directory, tmp_path):
    out = tmp_path / "out.html"
    assert invoke("report", directory, "--redact", "completions,identity", "--out", out).exit_code == 0
    text = out.read_text()
    run = pipeline.load_run(directory)
    # A base that repeats its prompt wrote what may stay: the prompts do.
    prompts = "".join(sample.prompt for sample in run.plan.samples.values())
    texts = {
        outcome.text for outcome in run.outcomes.values() if isinstance(outcome, Completion) and len(outcome.text) > 40
    }
    assert not any(text_left in text for text_left in texts if text_left not in prompts)
    assert "meadow" not in text and "This report was redacted" in text


def test_redaction_needs_a_file_of_its_own(directory):
    result = CliRunner().invoke(cli, ["report", str(directory), "--redact", "harmful"])
    assert "--out FILE" in result.exception.fix


def test_a_file_that_would_say_too_much_is_never_written(tmp_path):
    # An id is no place for a completion, and `completions` leaves ids alone.
    said = "the river was high and the mill stood still for all of that long and rainy spring"
    scene = replace(SCENES[0], sample=SCENES[0].sample.model_copy(update={"id": said, "group": said}), instruct=said)
    path = written(make_run((scene, *SCENES[1:])), tmp_path / "run")
    out = tmp_path / "out" / "mail.html"
    out.parent.mkdir()
    out.write_text("what was here before")
    with pytest.raises(SharingError, match="would still contain a quotation"):
        sharing.share(path, out, profiles=("completions",), force=True)
    for name in ("csv", "jsonl"):
        with pytest.raises(SharingError, match="would still contain a quotation"):
            invoke("export", path, "--format", name, "--redact", "completions", "--out", tmp_path / "out" / "new")
    assert [path.name for path in out.parent.iterdir()] == ["mail.html"] and out.read_text() == "what was here before"


@pytest.mark.parametrize("name", ["csv", "jsonl", "markdown"])
def test_an_export_is_redacted_by_the_same_profiles(tmp_path, name):
    directory, out = written(rewarded(), tmp_path / "meadow-run"), tmp_path / "out"
    result = invoke("export", directory, "--format", name, "--redact", "completions,prompts,identity", "--out", out)
    assert result.exit_code == 0 and "Not removed: names of suites" in result.stderr
    text, run = out.read_text(), pipeline.load_run(directory)
    assert not any(sample in text for sample in run.plan.samples)
    assert not any(sample.prompt in text for sample in run.plan.samples.values())
    assert "meadow" not in text and "brook" not in text and "sample-1" in text + "sample-1" * (name == "markdown")


def test_a_redacted_table_of_columns_holds_the_same_rows(directory, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    words = ("export", directory, "--redact", "prompts", "--format")
    invoke(*words, "parquet", "--out", tmp_path / "out.parquet")
    invoke(*words, "jsonl", "--out", tmp_path / "out.jsonl")
    frame = pandas.read_parquet(tmp_path / "out.parquet")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert list(frame["completion"].dropna()) == [
        line["completion"] for line in lines if line["completion"] is not None
    ]


def test_an_excerpt_shows_some_of_every_category_and_all_numbers(directory, tmp_path):
    out = tmp_path / "out.html"
    invoke("report", directory, "--samples", "12", "--out", out)
    run, text = pipeline.load_run(directory), out.read_text().replace("\xa0", " ")
    shown = unpack(text)["samples"]
    assert len(shown) == 12 and "An excerpt: 12 of 40 samples" in text and "40 samples" in text
    all_categories = {sample.category for sample in run.plan.samples.values()}
    assert {unpack(text)["categories"][sample["category"]] for sample in shown} == all_categories
    evidence = [name for finding in run.compared.findings for name in finding.sample_ids]
    assert len({sample["id"] for sample in shown} & set(evidence)) >= 6


@pytest.mark.parametrize("flags", [(), ("--all-samples",)], ids=["default", "all-samples"])
@pytest.mark.parametrize("others", [(), ("--redact", "identity")], ids=["own", "shared"])
def test_a_large_run_shows_an_excerpt_and_says_how_to_get_all(flags, others, directory, tmp_path, monkeypatch):
    monkeypatch.setattr(excerpt, "MOST_READABLE", 12)
    out = tmp_path / "out.html" if others else directory / "report.html"
    said = invoke("report", directory, *flags, *others, *(("--out", out) if others else ()))
    text = out.read_text().replace("\xa0", " ")
    part = "this file holds 12 of the 40 samples; all numbers and charts above cover all samples"
    assert len(unpack(text)["samples"]) == (40 if flags else 12)
    assert (part in text) != bool(flags)
    if not others:
        note = (
            f"The report shows 12 of 40 samples; all numbers cover all samples. For all samples in one file: {COMMAND}"
        )
        assert (note.format(directory) in said.stderr) != bool(flags)


COMMAND = "evalharness report {} --all-samples"


def test_an_excerpt_can_be_redacted(directory, tmp_path):
    out = tmp_path / "out.html"
    invoke("report", directory, "--samples", "5", "--redact", "prompts", "--out", out)
    assert [sample["id"].startswith("sample-") for sample in unpack(out.read_text())["samples"]] == [True] * 5


def test_a_report_to_pass_on_leaves_the_run_as_it_was(directory, tmp_path):
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    sharing.share(directory, tmp_path / "out.html", profiles=("harmful", "identity"), samples=3)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_a_place_that_cannot_be_written_is_named(directory, tmp_path):
    with pytest.raises(SharingError, match="--out"):
        (tmp_path / "a file").touch()
        sharing.share(directory, tmp_path / "a file" / "out.html")


# ------------------------------------------------------------------------------------------------ exports


def test_an_export_goes_to_stdout_or_into_a_folder(directory, tmp_path):
    printed = invoke("export", directory, "--format", "csv", "--table", "scores")
    invoke("export", directory, "--format", "csv", "--table", "scores", "--out", tmp_path)
    assert (tmp_path / "meadow-run-scores.csv").read_bytes() == printed.stdout_bytes


def test_training_pairs_are_written_with_what_was_left_out(tmp_path):
    path = written(rewarded(), tmp_path / "run")
    result = invoke("export", path, "--format", "trl", "--plain", "--out", tmp_path / "pairs.jsonl")
    assert result.exit_code == 0 and "left out" in result.stderr
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert rows and {"prompt", "chosen", "rejected", "margin", "source"} <= set(rows[0])


# ------------------------------------------------------------------------------- files of the run itself


@pytest.mark.parametrize("name", sorted(RUN_FILES))
@pytest.mark.parametrize("words", [("report", "--redact", "harmful"), ("export", "--format", "jsonl")], ids=" ".join)
def test_no_file_of_a_run_is_written_over(directory, name, words):
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    command, *flags = words
    with pytest.raises(SharingError, match="is a file of the run") as caught:
        invoke(command, directory, *flags, "--out", directory / ".." / directory.name / name)
    assert caught.value.fix == "choose a new file"
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_all_files_that_a_run_writes_are_known_as_its_own(tmp_path):
    path = written(make_run(), tmp_path / "run")
    sharing.import_ratings(path, ratings(path, "candidate"))
    assert {file.name for file in path.iterdir() if not file.name.startswith(".")} <= RUN_FILES


def test_a_file_of_that_name_outside_a_run_may_be_written(directory, tmp_path):
    assert invoke("report", directory, "--out", tmp_path / "report.html").exit_code == 0


def test_an_empty_list_of_profiles_writes_no_report_that_is_whole(directory, tmp_path):
    with pytest.raises(SharingError, match="no redaction profile given"):
        invoke("report", directory, "--redact", "", "--out", tmp_path / "mail.html")
    assert not (tmp_path / "mail.html").exists()
