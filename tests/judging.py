"""A finished run of two replayed files, and a model of the test server that judges it as it is told."""

import json

from evalharness import pipeline
from evalharness.config import build_config
from evalharness.preferences.judge.asking import JudgeSettings

QUESTION = ("Tell me about tea.", "Tell me about coffee.", "Tell me about bread.")
FIRST, SECOND = ((".", "A"),), ((".", "B"),)
NEVER = ((".", "Both are fine, I think."),)


def write_suite(folder, scorers='["style"]'):
    """Three questions and a text to go on with."""
    folder.mkdir()
    head = 'name = "s"\nversion = "1"\nlicense = "CC0-1.0"\nsource = "own"\n'
    (folder / "suite.toml").write_text(f"{head}scorers = {scorers}\n")
    lines = [f'{{"id": "q{n}", "prompt": "{text}", "category": "c"}}' for n, text in enumerate(QUESTION)]
    lines.append('{"id": "go-on", "prompt": "Once upon a", "category": "c", "kind": "continuation"}')
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def finished_run(folder, baseline, candidate, *, scorers='["style"]'):
    """A run of two replayed files, by the texts of the three questions."""
    sides = {}
    for name, texts in (("old", baseline), ("new", candidate)):
        path = folder / f"{name}.jsonl"
        rows = [{"sample_id": f"q{n}", "text": text, "finish_reason": "stop"} for n, text in enumerate(texts)]
        rows.append({"sample_id": "go-on", "text": f" time, said {name}.", "finish_reason": "stop"})
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        sides[name] = {"model": f"replay/{path}", "variant": "instruct", "prompt_format": "chat"}
    suite = write_suite(folder / "suite", scorers)
    data = {"suite": [str(suite)], "baseline": "old", "candidate": "new", "checkpoint": sides}
    config = build_config(data, {}, source="test")
    return pipeline.run(config, out=folder / "run")


def judge_with(run, server, says, *, name="judge", again=False):
    """Let a model of the server judge that answers prompts by patterns."""
    server.set(models=[{"name": name, "like": "smollm2", "says": says}])
    settings = JudgeSettings(model=f"ollama/{name}", options={"host": server.url, "backoff": 0.01})
    return pipeline.judge(run.path, settings, again=again)
