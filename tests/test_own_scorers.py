"""Scorers that a configuration declares: a Python file, a regular expression, a JSON schema, recorded values."""

import json
import shutil

import pytest
from click.testing import CliRunner

from evalharness import load_run
from evalharness.cli import cli
from evalharness.errors import EvalHarnessError, ScorerError
from evalharness.records import Completion, Sample
from evalharness.scorers import Item, facts_of, open_scorer
from evalharness.scorers.own.declared import validator_of

COLOUR = '''
def score(sample, text) -> bool:
    """names a colour"""
    return any(colour in text.lower() for colour in ("red", "blue", "green"))
'''
CONFIG = """
suite = "questions.csv"
[checkpoint.base]
model = "replay/./old.jsonl"
variant = "instruct"
[checkpoint.instruct]
model = "replay/./new.jsonl"
variant = "instruct"
[scorer.reward]
model = "none"
[scorer.colour]
path = "colour.py"
better = "higher"
[scorer.polite]
pattern = "(?i)please"
better = "higher"
title = "says please"
[scorer.order]
schema = {type = "object", required = ["n"], properties = {n = {type = "integer"}}}
[[gate]]
metric = "polite.matches"
kind = "no_regression"
bound = 0.2
min_pairs = 20
"""
DRAFT_07 = "http://json-schema.org/draft-07/schema#"
TEXTS = {"old": "Please take the red one.", "new": '{"n": 3}'}


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An experiment with three scorers of its own, run."""
    folder = tmp_path_factory.mktemp("own")
    questions = [f"What is number {number}?" for number in range(40)]
    (folder / "questions.csv").write_text("prompt\n" + "\n".join(questions))
    for name, text in TEXTS.items():
        lines = [json.dumps({"prompt": one, "text": text, "finish_reason": "stop"}) for one in questions]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))
    (folder / "colour.py").write_text(COLOUR)
    (folder / "evalharness.toml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = call("run", "evalharness.toml", "--out", "run")
    assert result.exit_code == 3, result.output
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy, in which a test works."""
    shutil.copytree(made, tmp_path / "own")
    monkeypatch.chdir(tmp_path / "own")
    return tmp_path / "own"


def test_declared_scorers_are_compared_gated_reported_and_exported(here):
    run = load_run("run")
    rows = {row.metric: row for row in run.compared.differences if row.category is None}
    means = {name: (rows[name].baseline_mean, rows[name].candidate_mean) for name in rows if name[:5] != "style"}
    assert means == {"colour.yes": (1.0, 0.0), "polite.matches": (1.0, 0.0), "order.valid": (0.0, 1.0)}
    assert rows["colour.yes"].verdict == "lower"
    assert run.gate is not None and [one.verdict for one in run.gate.results] == ["fail"]
    page = (here / "run" / "report.html").read_text()
    assert "names a colour" in page and "says please" in page
    exported = call("export", "run", "--format", "csv", "--table", "scores")
    assert '"order.valid",0.0,"scored","no"' in exported.stdout


def test_what_a_scorer_was_is_kept_with_the_run_and_its_content_is_its_version(here):
    scorers = {one.name: one for one in load_run("run").scorers}
    assert scorers["colour"].identity["file"] == "colour.py"
    assert scorers["polite"].identity == {"pattern": "(?i)please"}
    before = scorers["colour"].version
    (here / "colour.py").write_text(COLOUR.replace('"red"', '"ochre"'))
    assert call("score", "run", "--config", "evalharness.toml").exit_code == 0
    again = load_run("run")
    assert {one.name: one.version for one in again.scorers}["colour"] != before
    assert max(again.observations.of_samples("base", "colour.yes").values()) == 0.0


def test_a_scorer_that_fails_on_every_completion_is_named_before_the_findings(here):
    (here / "colour.py").write_text("def score(sample, text) -> bool:\n    return 1 / 0\n")
    result = call("score", "run", "--config", "evalharness.toml")
    assert "Read with care: colour failed on 40 of 40 completions of base" in result.output
    assert any("base: colour failed on 40 of 40" in warning.text for warning in load_run("run").compared.warnings)


def test_a_python_file_that_a_run_names_is_not_run(here):
    """A run directory may be a stranger's."""
    (here / "colour.py").write_text("open('taken', 'w').close()\n" + COLOUR)
    for command in (("score", "run"), ("run", "--out", "run", "--resume")):
        result = call(*command)
        assert isinstance(result.exception, ScorerError), result.output
        assert "only run for a configuration that you name" in result.exception.problem
        assert "--config evalharness.toml" in result.exception.fix
    for command in (("compare", "run"), ("gate", "run"), ("report", "run"), ("check", "run")):
        call(*command)
    assert not (here / "taken").exists()
    (here / "run" / "colour.py").write_text("open('taken', 'w').close()\n" + COLOUR)
    (here / "run" / "evalharness.toml").write_text(CONFIG)
    result = call("score", "run", "--config", "run/evalharness.toml")
    assert "code of a run is never run" in result.exception.problem
    assert not (here / "taken").exists()


def test_only_needed_once_more_for_the_regular_expression_alone(here):
    config = CONFIG.replace('[scorer.colour]\npath = "colour.py"\nbetter = "higher"\n', "")
    (here / "plain.toml").write_text(config)
    assert call("run", "plain.toml", "--out", "second").exit_code == 3
    assert call("score", "second").exit_code == 0


def scorer(folder, **settings):
    return open_scorer("mine", settings, folder)


def judged(one, text):
    sample = Sample.model_validate({"id": "s", "messages": [{"role": "user", "content": "Hi"}], "category": "c"})
    return one.score_item(Item(sample, Completion(request_id="r", text=text, finish_reason="stop")))


def test_a_function_may_give_a_number_or_decline(tmp_path):
    (tmp_path / "a.py").write_text("def score(sample, text) -> float:\n    return None if not text else len(text)\n")
    one = scorer(tmp_path, path="a.py")
    assert judged(one, "four").values == {"value": 4.0}
    assert judged(one, "").status == "unscored"
    assert one.facts.metrics[0].kind == "mean"
    (tmp_path / "b.py").write_text("def score(sample, text) -> bool:\n    return 0.5\n")
    assert judged(scorer(tmp_path, path="b.py"), "x").status == "failed"


def test_a_pattern_marks_what_it_finds(tmp_path):
    score = judged(scorer(None, pattern="a+"), "baa a")
    assert [(span.start, span.end) for span in score.spans] == [(1, 3), (4, 5)]


@pytest.mark.parametrize(
    ("settings", "problem", "fix"),
    [
        ({"pattern": "("}, "not a regular expression", "docs/plugins.md"),
        ({"pattern": "a", "path": "b.py"}, "path and pattern", "keep one"),
        ({"pattern": "a", "titel": "b"}, "unknown key 'titel'", "title"),
        ({"path": "none.py"}, "there is no file", "relative to the folder"),
        ({"path": "bad.py"}, "cannot be imported: SyntaxError", "correct that file"),
        ({"path": "empty.py"}, "no function score of a sample and a text", "def score(sample, text) -> bool:"),
        ({"path": "vague.py"}, "does not say whether", "-> float"),
        ({"schema": {"typ": "object"}}, "schema: $: Unevaluated properties are not allowed ('typ' was", "the schema"),
        ({"schema": {"items": {"typ": "object"}}}, "schema: $.items: Unevaluated properties", "the schema"),
        ({"schema": {"type": "objekt"}}, "schema: $.type: 'objekt' is not valid", "the schema"),
        ({"schema": {"pattern": "("}}, "'(' is not a 'regex'", "the schema"),
        ({"schema": {"$schema": DRAFT_07, "type": 3}}, "schema: $.type: 3 is not", "the schema"),
        ({"schema": {"$schema": ["x"]}}, "schema: $['$schema']: ['x'] is not of type", "the schema"),
        ({"schema": "three.json"}, "schema: $: 3 is not of type", "the schema"),
        ({"schema": "none.json"}, "cannot be read", "JSON"),
    ],
)
def test_a_wrong_table_is_refused_with_the_key(tmp_path, settings, problem, fix):
    (tmp_path / "bad.py").write_text("def score(:\n")
    (tmp_path / "three.json").write_text("3")
    (tmp_path / "empty.py").write_text("def rate(text): ...\n")
    (tmp_path / "vague.py").write_text("def score(sample, text):\n    return True\n")
    with pytest.raises(ScorerError) as refused:
        scorer(tmp_path, **settings)
    assert problem in refused.value.problem
    assert fix in refused.value.fix


def test_a_known_scorer_keeps_its_name():
    with pytest.raises(EvalHarnessError, match="unknown key 'pattern'"):
        open_scorer("style", {"pattern": "a"}, None)
    with pytest.raises(ScorerError, match="no scorer named 'stile'") as refused:
        facts_of("stile")
    assert "write 'style'" in refused.value.fix


@pytest.mark.parametrize(
    ("value", "schema", "fits"),
    [
        (1.0, {"type": "integer"}, True),
        (True, {"enum": [1]}, False),
        ({"a": 1}, {"properties": {"a": {"$ref": "#/$defs/two"}}, "$defs": {"two": {"minimum": 2}}}, False),
        ({"n": [2]}, {"oneOf": [{"required": ["n"]}, {"required": ["m"]}]}, True),
        ([1, "x"], {"$schema": DRAFT_07, "items": [{}, {"type": "string"}]}, True),
    ],
)
def test_a_schema_fits_as_its_draft_says(value, schema, fits):
    assert validator_of(schema, "").is_valid(value) == fits


def test_a_schema_elsewhere_is_never_fetched(tmp_path):
    one = scorer(tmp_path, schema={"$ref": "https://example.org/schema.json"})
    with pytest.raises(Exception, match="Unresolvable"):
        judged(one, "{}")


def test_a_schema_in_a_file_reads_a_whole_completion(tmp_path):
    (tmp_path / "s.json").write_text('{"type": "object", "required": ["n"]}')
    one = scorer(tmp_path, schema="s.json")
    assert judged(one, ' {"n": 1}\n').values == {"valid": 1.0}
    assert "not JSON" in judged(one, '```json\n{"n": 1}\n```').explanation
    assert judged(one, "{}").explanation == "$: 'n' is a required property"


def test_recorded_values_are_taken_with_the_completion():
    one = open_scorer("lm_eval", {"recorded": {"acc": {"kind": "rate", "better": "higher"}}})
    sample = Sample.model_validate({"id": "s", "messages": [{"role": "user", "content": "Hi"}], "category": "c"})
    scores = [
        one.score_item(Item(sample, Completion(request_id="r", text="x", finish_reason=None, values=values)))
        for values in ({"lm_eval.acc": 1.0, "other.acc": 0.0}, {})
    ]
    assert scores[0].values == {"acc": 1.0}
    assert (scores[0].label, [label.title for label in one.facts.labels]) == ("yes", ["acc", "not: acc"])
    assert scores[1].status == "unscored"
