"""Redaction: what a profile names is planted in every field of a run, and is nowhere in the file that is passed on."""

import base64
import gzip
import html
import json
import re
import urllib.parse
import zlib
from dataclasses import fields, replace
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_run import make_run, rewarded

from evalharness.errors import SharingError
from evalharness.records import (
    Completion,
    Constraint,
    Estimate,
    Failure,
    GateReport,
    GateResult,
    GateRule,
    GateSample,
    JudgeFailure,
    Judging,
    Modelfile,
    Notice,
    Preference,
    Record,
    ScorerIdentity,
    TokenizerFacts,
    TokenLogprob,
)
from evalharness.report import render_html, unpack
from evalharness.scorers import facts_of
from evalharness.sharing.redaction import PROFILES, find_leaks, own_words, read_profiles, redact
from evalharness.sharing.redaction.fields import text_fields
from evalharness.sharing.redaction.quotes import CUT, Quotes
from evalharness.store import Run

# --------------------------------------------------------------------------------- a run with everything

QUOTED = {("Score", "explanation"), ("Failure", "message"), ("Preference", "explanation"), ("JudgeFailure", "reason")}
COMPLETIONS = QUOTED | {
    ("Completion", "text"), ("Completion", "thinking"), ("TokenLogprob", "token"), ("TokenLogprob", "top"),
}  # fmt: skip
IDS = {
    ("Sample", "id"), ("Sample", "group"), ("GenerationRequest", "sample_id"), ("DeterminismCheck", "changed"),
    ("Finding", "sample_ids"), ("LintFinding", "sample_ids"), ("GateSample", "sample_id"),
    ("Preference", "sample_id"), ("JudgeFailure", "sample_id"), ("RewardComparison", "contradicting"),
}  # fmt: skip
TEMPLATES = {
    ("TokenizerFacts", "chat_template"), ("Modelfile", "template"), ("Modelfile", "renderer"), ("Modelfile", "system"),
    ("Modelfile", "parameters"),
}  # fmt: skip
CHECKPOINTS = {
    ("Checkpoint", "name"), ("GenerationRequest", "checkpoint"), ("Notice", "checkpoint"),
    ("DeterminismCheck", "checkpoint"), ("Summary", "checkpoint"), ("FurtherComparison", "candidate"),
    ("Comparison", "baseline"), ("Comparison", "candidate"), ("LintFinding", "checkpoint"), ("Estimate", "checkpoint"),
    ("Plan", "baseline"), ("Plan", "candidate"), ("GateReport", "baseline"), ("GateReport", "candidate"),
    ("Preference", "baseline"), ("Preference", "candidate"), ("Judging", "baseline"), ("Judging", "candidate"),
    ("RewardLength", "checkpoint"), ("RewardOfState", "checkpoint"),
}  # fmt: skip
HIDDEN = {
    "harmful": COMPLETIONS,
    "completions": COMPLETIONS,
    "prompts": QUOTED | IDS | TEMPLATES | {
        ("Message", "content"), ("Constraint", "parameters"), ("Sample", "target"), ("Sample", "source"),
        ("Suite", "source"), ("RawPrompt", "text"), ("GenerationRequest", "rendered"), ("LintFinding", "message"),
        ("LintFinding", "fix"),
    },
    "identity": CHECKPOINTS | TEMPLATES | {
        ("Checkpoint", "model"), ("Checkpoint", "options"), ("CheckpointIdentity", "model"),
        ("CheckpointIdentity", "weights_digest"), ("CheckpointIdentity", "template_digest"),
        ("CheckpointIdentity", "tokenizer_digest"), ("CheckpointIdentity", "adapter_digest"),
        ("CheckpointIdentity", "manifest_digest"), ("CheckpointIdentity", "settings"), ("ResolvedCheckpoint", "notes"),
        ("Judging", "notes"), ("Judging", "rater"), ("Preference", "rater"), ("PreferenceSummary", "rater"),
        ("Score", "version"), ("ScorerIdentity", "version"),
        ("ScorerIdentity", "identity"), ("RewardComparison", "version"), ("Manifest", "command"),
        ("Manifest", "config"),
        ("Manifest", "hardware"), ("Manifest", "paired_from"),
    },
}  # fmt: skip
SENTENCES = {
    ("Suite", "description"), ("Notice", "message"), ("DeterminismCheck", "batch"), ("Finding", "sentence"),
    ("Comparison", "warnings"), ("GateRule", "name"), ("GateResult", "reason"), ("Judging", "prompt_text"),
    ("LengthControl", "note"), ("RewardComparison", "no_length_control"),
}  # fmt: skip
"""They are written by evalharness and stay, without what they quote or name."""
KEPT = {
    # What evalharness or a suite calls things; the report would be about nothing without it.
    ("Constraint", "kind"), ("Sample", "category"), ("Suite", "name"), ("Suite", "version"), ("Suite", "license"),
    ("Suite", "scorers"), ("Suite", "digest"), ("CheckpointIdentity", "backend"), ("Finding", "metric"),
    ("Finding", "name"), ("GateRule", "metric"), ("GateRule", "category"), ("GateRule", "suite"),
    ("LintFinding", "code"), ("Metric", "name"), ("Metric", "title"), ("Metric", "description"), ("Metric", "unit"),
    ("PairedDifference", "metric"), ("PairedDifference", "category"), ("PairedDifference", "method"),
    ("PairedDifference", "effect_size_name"), ("RewardAgreement", "scorers"), ("RewardComparison", "scorer"),
    ("RewardOfState", "state"), ("Score", "scorer"), ("Score", "label"), ("Score", "values"),
    ("ScorerIdentity", "name"), ("ScorerFacts", "name"), ("ScorerFacts", "heading"), ("ScorerFacts", "hint"),
    ("ScorerFacts", "form"), ("ScorerFacts", "unscored"), ("ScorerFacts", "model_help"), ("Label", "name"),
    ("Label", "title"), ("Label", "meaning"), ("NamedChange", "name"), ("NamedChange", "with_lower"),
    ("Metric", "flips"), ("Metric", "mirror_of"), ("Metric", "guarded_by"),
    ("Span", "label"),
    ("Summary", "metric"), ("Summary", "category"),
    # The conditions, without which no number can be judged.
    ("CheckpointIdentity", "quantization"), ("CheckpointIdentity", "device"), ("CheckpointIdentity", "dtype"),
    ("CheckpointIdentity", "attention"), ("CheckpointIdentity", "versions"), ("GenerationConfig", "stop"),
    ("RawPrompt", "stop"), ("TokenizerFacts", "bos_token"), ("TokenizerFacts", "end_tokens"),
    ("Completion", "stopped_by"), ("Manifest", "versions"), ("Manifest", "evalharness_version"),
    ("Manifest", "created"),
    # Digests over what is there, from which nothing can be read back.
    ("GenerationRequest", "id"), ("Completion", "request_id"), ("Failure", "request_id"), ("Score", "request_id"),
    ("Comparison", "evidence_digest"), ("GateReport", "evidence_digest"),
}  # fmt: skip


def everything():
    """A run in which every optional record is there."""
    run = rewarded()
    left, right = run.plan.checkpoints
    facts = TokenizerFacts(
        bos_token="<s>", bos_token_id=1, adds_bos=True, end_tokens={2: "</s>"}, chat_template="{{x}}"
    )
    modelfile = Modelfile(template="{{ .Prompt }}", renderer="r", system="be kind", parameters=(("stop", "word"),))
    left = left.model_copy(update={"tokenizer": facts, "modelfile": modelfile})
    settings_ = left.identity.model_copy(
        update={"settings": {"mode": "one"}, "adapter_digest": "a digest", "manifest_digest": "another digest"}
    )
    options = left.checkpoint.model_copy(update={"options": {"adapter": "some adapter"}})
    left = left.model_copy(update={"identity": settings_, "checkpoint": options})
    suite = run.plan.suites[0]
    asked = {
        "target": "a target",
        "source": "a source",
        "constraints": (Constraint(kind="k", parameters={"p": ["q"]}),),
    }
    samples = tuple(one.model_copy(update=asked) for one in suite.samples)
    suite = suite.model_copy(update={"samples": samples, "description": "a description"})
    estimates = (Estimate(checkpoint="base", requests=1, prompt_tokens=1, completion_tokens_at_most=1, memory_bytes=9),)
    plan = run.plan.model_copy(update={"suites": (suite,), "checkpoints": (left, right), "estimates": estimates})
    manifest = run.manifest.model_copy(update={"config": {"key": ["value"]}, "paired_from": ("earlier run",)})
    outcomes = {name: _with_thoughts(one) for name, one in run.outcomes.items()}
    said = [
        Preference(
            sample_id=one.id, baseline="base", candidate="instruct", source="human", rater="somebody",
            preferred="tie", explanation=f"neither of {one.id}",
        )
        for one in samples
    ]  # fmt: skip
    rule = GateRule(metric="style.loop", kind="at_most", bound=0.5, name="few loops")
    result = GateResult(
        rule=rule, verdict="fail", reason="too many loops", n=9, estimate=1.0, interval=None, n_against=1,
        against=(GateSample(sample_id=samples[0].id, baseline=None, candidate=1.0),),
    )  # fmt: skip
    judging = Judging(
        rater="a judge", baseline="base", candidate="instruct", judge=right, prompt_version=1, prompt_text="judge this",
        generation=plan.requests[0].config, notes=("a note",),
        failures=(JudgeFailure(sample_id=samples[0].id, reason="it said nothing"),),
    )  # fmt: skip
    return replace(
        run, plan=plan, manifest=manifest, outcomes=outcomes, preferences=tuple(said), judgings=(judging,),
        scorers=(
            ScorerIdentity(
                name="reward",
                version="1 of a model",
                identity={"model": "some/reward-model"},
                facts=facts_of("reward"),
            ),
        ),
        gate=GateReport(verdict="fail", baseline="base", candidate="instruct", results=(result,)),
        notices=(*run.notices, Notice(checkpoint="base", kind="rendered", message="the first prompt")),
    )  # fmt: skip


def _with_thoughts(outcome):
    if isinstance(outcome, Failure):
        return outcome
    tokens = (TokenLogprob(token=f"token of {outcome.request_id}", logprob=-1.0, top={"other token": -2.0}),)
    return outcome.model_copy(update={"thinking": f"thoughts on {outcome.request_id}", "logprobs": tokens})


RUN = everything()


# -------------------------------------------------------------------------------------------- planting


class Plants:
    """A planted text for each text, the same for the same, so that what refers to each other still does."""

    def __init__(self):
        self.made = {}

    def of(self, old):
        if not old:
            return old
        number = len(self.made)
        return self.made.setdefault(
            old, f"plant{number:05d} has\n<a> \"tail\" & 'more' that is plant{number:05d} of its own"
        )

    def name(self, old):
        return self.made.setdefault(old, f"plant{len(self.made):05d}-name") if old else old


def plant(value, chosen, make, in_scope=lambda record: True):
    """The same records with every text of the `chosen` fields planted."""
    match value:
        case Record():
            update = {}
            for name in type(value).model_fields:
                old = value.__dict__[name]
                here = (type(value).__name__, name) in chosen and in_scope(value)
                update[name] = _strings(old, make) if here else plant(old, chosen, make, in_scope)
            return value.model_copy(update=update)
        case tuple():
            return tuple(plant(one, chosen, make, in_scope) for one in value)
        case dict():
            return {key: plant(one, chosen, make, in_scope) for key, one in value.items()}
    return value


def _strings(value, make):
    match value:
        case str():
            return make(value)
        case tuple() | list():
            return type(value)(_strings(one, make) for one in value)
        case dict():
            return {make(key) if isinstance(key, str) and isinstance(one, float) else key: _strings(one, make)
                    for key, one in value.items()}  # fmt: skip
    return value


def planted_run(run, chosen, make, in_scope=lambda record: True):
    parts = {
        one.name: plant(run.__dict__[one.name], chosen, make, in_scope) for one in fields(run) if one.name != "path"
    }
    return Run(path=run.path, **parts)


def everything_in(text):
    """All that a reader, or a program, could find in the file."""
    data = json.dumps(unpack(text), ensure_ascii=False)
    return "\n".join((text, html.unescape(text), data, urllib.parse.unquote(text)))


def shared(run, *profiles):
    redacted = redact(run, profiles)
    text = render_html(redacted.run)
    assert not find_leaks(text.encode(), redacted.removed, [*redacted.kept, own_words()])
    return everything_in(text), redacted


def plants_in(text):
    return sorted(set(re.findall(r"plant\d{5}", text)))


def test_the_planted_run_shows_its_plants_without_redaction():
    run = planted_run(RUN, HIDDEN["completions"], Plants().of)
    assert len(plants_in(everything_in(render_html(run)))) > 30


@pytest.mark.parametrize("profile", ["completions", "prompts"])
def test_no_planted_text_is_left(profile):
    plants = Plants()
    run = planted_run(RUN, HIDDEN[profile], plants.of)
    text, _ = shared(run, profile)
    assert len(plants.made) > 30 and not plants_in(text)


def test_nothing_of_what_should_have_been_refused_is_left():
    refused = {request.id for request in RUN.plan.requests if RUN.plan.samples[request.sample_id].expected == "refuse"}
    ids = {request.sample_id for request in RUN.plan.requests if request.id in refused}

    def in_scope(record):
        match record:
            case Preference() | JudgeFailure():
                return record.sample_id in ids
            case Completion() | Failure():
                return record.request_id in refused
            case TokenLogprob(token=token):
                return token.removeprefix("token of ") in refused
        return record.request_id in refused

    plants = Plants()
    text, redacted = shared(planted_run(RUN, HIDDEN["harmful"], plants.of, in_scope), "harmful")
    assert refused and plants.made and not plants_in(text)
    for name, outcome in RUN.outcomes.items():
        if name not in refused and isinstance(outcome, Completion):
            assert redacted.run.outcomes[name].text == outcome.text


def test_no_planted_name_is_left_and_texts_do_not_tell_it_either():
    plants = Plants()
    run = planted_run(RUN, HIDDEN["identity"], plants.name)
    # A model's name is an address, and it is its checkpoint that says so in a completion.
    sides = tuple(
        one.model_copy(
            update={
                "checkpoint": one.checkpoint.model_copy(update={"model": f"hf/plant77777/{one.identity.model}@main"})
            }
        )
        for one in run.plan.checkpoints
    )
    names = [run.plan.baseline, sides[0].identity.model, sides[0].identity.model.upper(), "plant77777"]
    spoken = HIDDEN["completions"] | SENTENCES | {("Message", "content"), ("RawPrompt", "text")}
    run = replace(run, plan=run.plan.model_copy(update={"checkpoints": sides}), path=run.path / "plant88888")
    run = planted_run(run, spoken - QUOTED, lambda old: f"{old} {' and '.join(names)}.")
    text, _ = shared(run, "identity")
    assert not plants_in(text.lower())


@pytest.mark.parametrize("profile", ["completions", "prompts"])
def test_sentences_that_quote_are_cut(profile):
    plants = Plants()
    run = planted_run(RUN, HIDDEN[profile], plants.of)
    one = next(iter(run.outcomes.values())).text if profile == "completions" else run.plan.suites[0].samples[0].prompt
    run = planted_run(run, SENTENCES, lambda old: f"{old} For example: {one[:70]}")
    text, redacted = shared(run, profile)
    assert not plants_in(text)
    assert any(CUT in warning for warning in redacted.run.compared.warnings)


def test_completions_do_not_repeat_a_prompt_that_was_removed():
    plants = Plants()
    run = planted_run(RUN, HIDDEN["prompts"], plants.of)
    prompt = run.plan.suites[0].samples[0].prompt
    run = planted_run(run, {("Completion", "text")}, lambda old: f"{old}\n{prompt}\nIt goes on.")
    text, redacted = shared(run, "prompts")
    assert not plants_in(text) and "It goes on." in text
    assert not any(score.spans for score in redacted.run.scores)


def test_all_profiles_together():
    plants = Plants()
    run = planted_run(RUN, set().union(*HIDDEN.values()) - HIDDEN["identity"], plants.of)
    text, _ = shared(planted_run(run, HIDDEN["identity"] - TEMPLATES, plants.name), *PROFILES)
    assert not plants_in(text)


# ------------------------------------------------------------------------------------ every field is known


def reachable():
    """The record classes that a run can hold."""
    left, found = list(get_type_hints(Run).values()), set()
    while left:
        one = left.pop()
        left += get_args(one)
        if isinstance(one, type) and issubclass(one, Record) and one not in found:
            found.add(one)
            left += [field.annotation for field in one.model_fields.values()]
    return found


def test_every_text_field_of_a_run_is_hidden_by_a_profile_or_kept_for_a_reason():
    known = set().union(KEPT, SENTENCES, *HIDDEN.values())
    there = {(one.__name__, name) for one in reachable() for name in text_fields(one)}
    assert there == known


@pytest.mark.parametrize("record", sorted(reachable(), key=lambda one: one.__name__), ids=lambda one: one.__name__)
def test_every_text_field_has_a_rule(record):
    assert None not in text_fields(record).values()


def test_a_field_without_a_rule_is_not_passed_on():
    class Novelty(Record):
        text: str

    with pytest.raises(LookupError, match=r"Novelty\.text"):
        redact(replace(RUN, notices=(Novelty(text="x"),)), ["completions"])


# --------------------------------------------------------------------------------------------- the rest


@pytest.mark.parametrize("profile", PROFILES)
def test_numbers_labels_and_states_stay(profile):
    run = redact(RUN, [profile]).run
    for before, after in zip(RUN.scores, run.scores, strict=True):
        assert (before.values, before.label, before.status) == (after.values, after.label, after.status)
    assert run.compared.differences == RUN.compared.differences
    for before, after in zip(RUN.outcomes.values(), run.outcomes.values(), strict=True):
        assert before.type == after.type
        if isinstance(before, Completion):
            assert (before.finish_reason, before.completion_tokens) == (after.finish_reason, after.completion_tokens)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_report_says_what_was_removed(profile):
    _, redacted = shared(RUN, profile)
    assert redacted.manifest.sentence in redacted.run.compared.warnings
    assert redacted.manifest.removed


def test_redacting_twice_gives_the_same_bytes():
    assert render_html(redact(RUN, PROFILES).run) == render_html(redact(everything(), PROFILES).run)


def test_two_checkpoints_never_get_one_name():
    left, right = RUN.plan.checkpoints
    names = {"base": "Secret", "instruct": "secret"}
    run = planted_run(RUN, CHECKPOINTS, lambda old: names.get(old, old))
    assert len({one.name for one in redact(run, ["identity"]).run.plan.checkpoints}) == 2
    assert left.name != right.name


def test_a_removed_completion_says_how_long_it_was_and_a_prompt_does_not():
    redacted = redact(make_run(), ["completions", "prompts"]).run
    texts = [one.text for one in redacted.outcomes.values() if isinstance(one, Completion)]
    assert all(re.fullmatch(r"(\[completion removed: [\d,]+ characters\])?", text) for text in texts)
    assert redacted.plan.suites[0].samples[0].prompt == "[prompt removed]"


@pytest.mark.parametrize("text", ["", " , ", "everything", "harmful,secret"])
def test_an_unknown_profile_is_refused(text):
    with pytest.raises(SharingError):
        read_profiles(text)


@given(st.text(alphabet="abc ", min_size=48, max_size=120), st.text(max_size=30), st.text(max_size=30))
def test_a_long_quotation_is_always_cut(secret, before, after):
    cut = Quotes([secret]).cut(f"{before}{secret}{after}")
    assert secret not in cut and CUT in cut


# ---------------------------------------------------------------------------------------------- leaks

SECRET = "The secret is «written» in 3 parts:\n<one>, \"two\" & 'three'; nobody may read it, neither here nor there."
DISGUISES = {
    "as it is": lambda text: text.encode(),
    "HTML": lambda text: html.escape(text).encode(),
    "HTML in decimal": lambda text: "".join(f"&#{ord(one)};" for one in text).encode(),
    "JSON": lambda text: json.dumps(text).encode(),
    "JSON in JSON and HTML": lambda text: html.escape(json.dumps(text, ensure_ascii=False)).encode(),
    "JSON in full escapes": lambda text: "".join(f"\\u{ord(one):04x}" for one in text).encode(),
    "URL": lambda text: urllib.parse.quote(text, safe="").encode(),
    "UTF-16": lambda text: text.encode("utf-16-le"),
    "UTF-16 the other way": lambda text: text.encode("utf-16-be"),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 one later": lambda text: base64.b64encode(b"x" + text.encode() + b"yz"),
    "base64 two later": lambda text: base64.b64encode(b"xy" + text.encode() + b"z"),
    "gzip": lambda text: base64.b64encode(gzip.compress(text.encode())),
    "zlib": lambda text: base64.b64encode(zlib.compress(json.dumps(text).encode())),
    "deflate": lambda text: base64.b64encode(zlib.compress(text.encode())[2:-4]),
    "gzip in gzip": lambda text: base64.b64encode(gzip.compress(base64.b64encode(gzip.compress(text.encode())))),
    "marked up": lambda text: "<mark>".join(html.escape(part) for part in re.split(r"(?<=\. )|(?<=, )", text)).encode(),
    "the middle alone": lambda text: text.encode()[17 : 17 + 64],
    "the end alone": lambda text: text.encode()[-64:],
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_leak_is_found_in_every_encoding(disguise):
    page = b'<html><p data-x="1">words</p><script>' + DISGUISES[disguise](SECRET) + b"</script></html>"
    assert find_leaks(page, [SECRET])


@pytest.mark.parametrize("disguise", [name for name in DISGUISES if "alone" not in name])
def test_a_short_text_is_found_as_a_whole_in_every_encoding(disguise):
    assert find_leaks(b"<p>" + DISGUISES[disguise]("hush-hush «x»") + b"</p>", ["hush-hush «x»"])


def test_a_page_without_the_text_has_no_leak():
    assert not find_leaks(render_html(make_run()).encode(), [SECRET, "hush-hush"])


def test_what_also_stands_in_a_text_that_stays_is_no_leak():
    assert not find_leaks(b"I am sorry, but I cannot.", ["I am sorry, but I cannot."], ["I am sorry, but I cannot."])


def test_a_leak_is_told_without_repeating_it():
    assert not any(word in " ".join(find_leaks(SECRET.encode(), [SECRET])) for word in SECRET.split() if len(word) > 5)


@settings(max_examples=40)
@given(st.text(min_size=64, max_size=200), st.binary(max_size=40), st.binary(max_size=40))
def test_any_long_text_is_found_wherever_it_stands(text, before, after):
    if not any(map(str.isalpha, text)):
        text += "a"
    assert find_leaks(before + text.encode("utf-8", "backslashreplace") + after, [text])
