"""A run directory as a stranger may hand it over: every free text in every file is hostile, and all of them fit."""

import json
from dataclasses import replace

from hostile_texts import SHORT
from pydantic import ValidationError
from report_run import BASE, CONFIG, preferred

from evalharness.records import (
    Comparison,
    GateReport,
    GateResult,
    GateRule,
    GateSample,
    GenerationRequest,
    Interval,
    JudgeFailure,
    Judging,
    Manifest,
    Plan,
    Preference,
    Score,
    Scoring,
)
from evalharness.store import RunStore

ADDRESSES = (
    "file:///etc/hostname",
    "data:text/html,<script>evil(1)</script>",
    "data:image/svg+xml,<svg onload=evil(1)>",
    "javascript:evil(1)//",
    "blob:null/0000",
    "view-source:file:///",
)
FILES = {
    "manifest.json": Manifest,
    "plan.json": Plan,
    "comparison.json": Comparison,
    "gate.json": GateReport,
    "requests.jsonl": GenerationRequest,
    "scorers.json": Scoring,
    "scores.jsonl": Score,
    "preferences.jsonl": Preference,
    "judgings.jsonl": Judging,
}


def judged_by_all():
    """A run with everything that a report can show: rewards, people, a judge with failures, a gate with noise."""
    run = preferred()
    rule = GateRule(metric="style.loop", kind="no_regression", bound=0.02, name="loops", category="open")
    against = tuple(GateSample(sample_id=sample, baseline=0.0, candidate=1.0) for sample in run.plan.samples)[:3]
    result = GateResult(
        rule=rule, title="loops", candidate=run.plan.candidate, asked="no worse", counts="pairs",
        verdict="undecided", reason="too few", n=18, estimate=0.1,
        interval=Interval(low=-0.2, high=0.4), noise=0.05, n_against=3, against=against,
    )  # fmt: skip
    judging = Judging(
        rater="a judge", baseline="base", candidate="instruct", judge=BASE, prompt_version=1,
        prompt_text="Which is of more use?\n\n${request}\n\n${first}\n\n${second}\n", generation=CONFIG,
        failures=tuple(
            JudgeFailure(sample_id=name, reason=f"no letter for {name}") for name in [*run.plan.samples][:7]
        ),
        notes=("The judge has the weights of base, which it compares.",),
    )  # fmt: skip
    gate = GateReport(verdict="undecided", baseline="base", candidate="instruct", results=(result,))
    return replace(run, gate=gate, judgings=(judging,))


def write_run(run, folder):
    """A run as files."""
    store = RunStore(folder)
    with store.lock(create=True):
        store.start(run.manifest, run.plan, resume=False)
        with store.appending() as events:
            for event in [*run.outcomes.values(), *run.notices, *run.determinism]:
                events.append(event)
        store.write_scores(run.scores, run.scorers)
        store.write_comparison(run.comparison)
        store.write_gate(run.gate)
        store.write_opinions(run.preferences, run.judgings)
    return folder


def strange_run(folder):
    """A run read from files of which every text that may be anything is hostile; counts what was put in."""
    write_run(judged_by_all(), folder)
    stranger = Stranger([*ADDRESSES, *SHORT])
    for name, record in FILES.items():
        path = folder / name
        whole = name.endswith(".json")
        parts = [path.read_text()] if whole else path.read_text().splitlines()
        path.write_text("".join(stranger.rewritten(part, record) + ("" if whole else "\n") for part in parts))
    outcomes = folder / "outcomes.jsonl"
    outcomes.write_text("".join(stranger.outcome(line) + "\n" for line in outcomes.read_text().splitlines()))
    return RunStore(folder).load(), stranger.put


class Stranger:
    """Replaces texts, each by one of its own everywhere, so that what belongs together still does."""

    def __init__(self, texts):
        self.texts, self.put, self.free = texts, {}, {}

    def hostile(self, text):
        if text not in self.put:
            self.put[text] = f"{self.texts[len(self.put) % len(self.texts)]} {text}"
        return self.put[text]

    def rewritten(self, part, record):
        """The JSON of a record with every text replaced that the record accepts."""
        data = json.loads(part)
        for path in list(places(data)):
            before = at(data, path)
            put(data, path, self.hostile(before))
            # What may stand in one row of a list may stand in all, so each kind of place is tried once.
            kind = (record, tuple("*" if isinstance(key, int) else key for key in path))
            if not self.may(kind, data):
                put(data, path, before)
        return json.dumps(data)

    def may(self, kind, data):
        """Whether the record is still one with that place rewritten."""
        if kind not in self.free:
            self.free[kind] = fits(kind[0], data)
        return self.free[kind]

    def outcome(self, line):
        """Outcomes have fixed words in few places; the rest is free."""
        data = json.loads(line)
        free = ("request_id", "checkpoint", "text", "message", "stopped_by", "batch")
        return json.dumps({key: self.hostile(value) if key in free and value else value for key, value in data.items()})


def fits(record, data):
    try:
        record.model_validate_json(json.dumps(data))
    except ValidationError:
        return False
    return True


def places(data, path=()):
    """Where the texts are."""
    if isinstance(data, str):
        yield path
    elif isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, (*path, key))


def at(data, path):
    for key in path:
        data = data[key]
    return data


def put(data, path, value):
    at(data, path[:-1])[path[-1]] = value
