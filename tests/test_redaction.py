"""Redaction: what a profile names is planted in every field of a run, and is nowhere in the file that is passed on."""

import base64
import gzip
import html
import json
import re
import time
import urllib.parse
from dataclasses import fields, replace
from itertools import pairwise
from typing import get_args, get_type_hints

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from report_run import make_run, rewarded

from evalharness.errors import SharingError
from evalharness.formatting import markdown_escaped as escaped
from evalharness.records import (
    Completion,
    Constraint,
    Correction,
    Estimate,
    Failure,
    GateReport,
    GateResult,
    GateRule,
    GateSample,
    Interval,
    JudgeFailure,
    Judging,
    LabelRating,
    Modelfile,
    Notice,
    Preference,
    RatedSide,
    Record,
    ScorerIdentity,
    Spent,
    TokenizerFacts,
    TokenLogprob,
    text_kinds,
)
from evalharness.report import render_html, unpack
from evalharness.scorers import facts_of
from evalharness.sharing.redaction import PROFILES, read_profiles, redact
from evalharness.sharing.redaction.eraser import QUOTING
from evalharness.sharing.redaction.leaks import file_texts, page_texts, strings
from evalharness.sharing.redaction.quotes import SHORTEST, Quotes
from evalharness.store import Run

# --------------------------------------------------------------------------------- a run with everything

QUOTED = {("Score", "explanation"), ("Failure", "message"), ("Preference", "explanation"), ("JudgeFailure", "reason")}
COMPLETIONS = QUOTED | {
    # With any of these profiles the whole comparison of tokens goes, and so does the depth of refusals.
    ("TokenComparison", "texts"), ("ShiftedToken", "text"), ("ShiftedToken", "instead"), ("ShiftContext", "before"),
    ("ShiftContext", "instead"),
    ("Completion", "text"), ("Completion", "thinking"), ("TokenLogprob", "token"), ("TokenLogprob", "top"),
}  # fmt: skip
IDS = {
    ("Sample", "id"), ("Sample", "group"), ("GenerationRequest", "sample_id"), ("DeterminismCheck", "changed"),
    ("Finding", "sample_ids"), ("LintFinding", "sample_ids"), ("GateSample", "sample_id"),
    ("Preference", "sample_id"), ("JudgeFailure", "sample_id"), ("RewardComparison", "contradicting"),
    ("ShiftContext", "sample_id"), ("LabelRating", "sample_id"),
}  # fmt: skip
TEMPLATES = {
    ("TokenizerFacts", "chat_template"), ("Modelfile", "template"), ("Modelfile", "renderer"), ("Modelfile", "system"),
    ("Modelfile", "parameters"), ("RawPrompt", "stop"), ("GenerationConfig", "stop"), ("Completion", "stopped_by"),
    ("TokenizerFacts", "bos_token"), ("TokenizerFacts", "end_tokens"),
}  # fmt: skip
CHECKPOINTS = {
    ("Checkpoint", "name"), ("GenerationRequest", "checkpoint"), ("Notice", "checkpoint"),
    ("Spent", "checkpoint"),
    ("DeterminismCheck", "checkpoint"), ("Summary", "checkpoint"), ("OtherComparison", "candidate"),
    ("Comparison", "baseline"), ("Comparison", "candidate"), ("LintFinding", "checkpoint"), ("Estimate", "checkpoint"),
    ("Plan", "baseline"), ("Plan", "candidate"), ("GateReport", "baseline"), ("GateReport", "candidate"),
    ("GateRule", "candidate"), ("GateResult", "candidate"),
    ("Preference", "baseline"), ("Preference", "candidate"), ("Judging", "baseline"), ("Judging", "candidate"),
    ("RewardLength", "checkpoint"), ("RewardOfState", "checkpoint"), ("LabelRating", "checkpoint"),
    ("TokenComparison", "baseline"), ("TokenComparison", "candidate"),
    ("RefusalDepth", "baseline"), ("RefusalDepth", "candidate"),
}  # fmt: skip
HIDDEN = {
    "harmful": COMPLETIONS,
    "completions": COMPLETIONS,
    "prompts": COMPLETIONS | IDS | TEMPLATES | {
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
        ("LabelRating", "rater"), ("Correction", "raters"),
        ("Score", "version"), ("ScorerIdentity", "version"),
        ("ScorerIdentity", "identity"), ("RewardComparison", "version"), ("RefusalDepth", "version"),
        ("Manifest", "command"),
        ("Manifest", "config"),
        ("Manifest", "hardware"), ("Manifest", "paired_from"), ("Manifest", "merged_from"),
    },
}  # fmt: skip
SENTENCES = {
    ("Suite", "description"), ("Notice", "message"), ("DeterminismCheck", "batch"), ("Finding", "sentence"),
    ("RunWarning", "text"), ("GateRule", "name"), ("GateResult", "reason"), ("GateResult", "title"),
    ("Judging", "prompt_text"),
    ("TokenComparison", "sentences"), ("TokenComparison", "conditions"), ("RefusalDepth", "sentences"),
    ("LengthControl", "note"), ("RewardComparison", "no_length_control"), ("RuleProspect", "title"),
}  # fmt: skip
"""They are written by evalharness and stay, without what they quote or name."""
KEPT = {
    # What evalharness or a suite calls things; the report would be about nothing without it.
    ("Constraint", "kind"), ("Sample", "category"), ("Suite", "name"), ("Suite", "version"), ("Suite", "license"),
    ("Suite", "scorers"), ("Suite", "digest"), ("CheckpointIdentity", "backend"), ("Finding", "metric"),
    ("Finding", "name"), ("GateRule", "metric"), ("GateRule", "kind"), ("GateRule", "category"), ("GateRule", "suite"),
    ("RuleProspect", "counts"), ("RuleProspect", "assumed"), ("MetricProspect", "metric"),
    ("LintFinding", "code"), ("Metric", "name"), ("Metric", "title"), ("Metric", "description"), ("Metric", "unit"),
    ("Metric", "mirror_of"), ("Metric", "guarded_by"),
    ("PairedDifference", "metric"), ("PairedDifference", "category"), ("PairedDifference", "method"),
    ("PairedDifference", "effect_size_name"), ("RewardAgreement", "scorers"), ("RewardComparison", "scorer"),
    ("RewardOfState", "state"), ("Score", "scorer"), ("Score", "label"), ("Score", "values"), ("Completion", "values"),
    ("Elsewhere", "program"), ("Elsewhere", "unknown"),
    ("ScorerIdentity", "name"), ("ScorerFacts", "name"), ("ScorerFacts", "heading"), ("ScorerFacts", "hint"),
    ("ScorerFacts", "form"), ("ScorerFacts", "unscored"),
    ("ScorerFacts", "errors_in_words"), ("ScorerFacts", "model_help"), ("Label", "name"),
    ("Label", "title"), ("Label", "meaning"), ("Label", "rates"), ("LabelRating", "scorer"), ("LabelRating", "label"),
    ("Correction", "metric"), ("NamedChange", "name"), ("NamedChange", "with_lower"),
    ("Metric", "flips"), ("Metric", "mirror_of"), ("Metric", "guarded_by"),
    ("GateResult", "asked"), ("GateResult", "counts"), ("GateResult", "headline"),
    ("Span", "label"),
    ("TokenComparison", "left_out"), ("TokenComparison", "outcomes_digest"), ("TokenComparison", "facts_digest"),
    ("DepthCell", "request_id"), ("DepthCell", "given_id"), ("RefusalDepth", "metric"),
    ("RefusalDepth", "outcomes_digest"), ("RefusalDepth", "scores_digest"), ("RefusalDepth", "continuations_digest"),
    ("TokenFacts", "request_id"), ("TokenFacts", "other_id"), ("TokenShift", "category"),
    ("Summary", "metric"), ("Summary", "category"),
    # The conditions, without which no number can be judged.
    ("CheckpointIdentity", "quantization"), ("CheckpointIdentity", "device"), ("CheckpointIdentity", "dtype"),
    ("CheckpointIdentity", "attention"), ("CheckpointIdentity", "versions"),
    ("Manifest", "versions"), ("Manifest", "evalharness_version"),
    ("Manifest", "created"),
    # Digests over what is there, from which nothing can be read back.
    ("GenerationRequest", "id"), ("Completion", "request_id"), ("Failure", "request_id"), ("Score", "request_id"),
    ("Comparison", "evidence_digest"), ("Comparison", "opinions_digest"), ("GateReport", "evidence_digest"),
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
    samples = tuple(sample.model_copy(update=asked) for sample in suite.samples)
    suite = suite.model_copy(update={"samples": samples, "description": "a description"})
    estimates = (Estimate(checkpoint="base", requests=1, prompt_tokens=1, completion_tokens_at_most=1, memory_bytes=9),)
    plan = run.plan.model_copy(update={"suites": (suite,), "checkpoints": (left, right), "estimates": estimates})
    combined = {"paired_from": ("earlier run",), "merged_from": ("a shard",)}
    manifest = run.manifest.model_copy(update={"config": {"key": ["value"]}, **combined})
    outcomes = {name: _with_thoughts(outcome) for name, outcome in run.outcomes.items()}
    said = [
        Preference(
            sample_id=sample.id, baseline="base", candidate="instruct", source="human", rater="somebody",
            preferred="tie", explanation=f"neither of {sample.id}",
        )
        for sample in samples
    ]  # fmt: skip
    labels = tuple(
        LabelRating(
            sample_id=sample.id, checkpoint="base", scorer="refusal", rater="somebody", label="no_answer",
            probability=0.5,
        )
        for sample in samples
    )  # fmt: skip
    rated = RatedSide(rated=9, by_scorer=0.5, mean=0.5, interval=Interval(low=0, high=1))
    correction = Correction(
        metric="refusal.no_answer", raters=("somebody",), n_pairs=9, baseline=rated, candidate=rated, difference=0.0,
        interval=Interval(low=-1, high=1), to_halve=7,
    )  # fmt: skip
    rule = GateRule(metric="style.loop", kind="at_most", bound=0.5, name="few loops")
    result = GateResult(
        rule=rule, title="few loops", candidate="instruct", asked="at most 50 %", counts="samples", verdict="fail",
        reason="too many loops", headline="1 of 9 samples", n=9, estimate=1.0, interval=None, n_against=1,
        against=(GateSample(sample_id=samples[0].id, baseline=None, candidate=1.0),),
    )  # fmt: skip
    judging = Judging(
        rater="a judge", baseline="base", candidate="instruct", judge=right, prompt_version=1, prompt_text="judge this",
        generation=plan.requests[0].config, notes=("a note",),
        failures=(JudgeFailure(sample_id=samples[0].id, reason="it said nothing"),),
    )  # fmt: skip
    return replace(
        run, plan=plan, manifest=manifest, outcomes=outcomes, preferences=tuple(said), judgings=(judging,),
        ratings=labels, comparison=run.compared.model_copy(update={"corrections": (correction,)}),
        scorers=(
            ScorerIdentity(
                name="reward",
                version="1 of a model",
                identity={"model": "some/reward-model"},
                facts=facts_of("reward"),
            ),
        ),
        spent=(Spent(checkpoint="base", requests=1, prompt_tokens=1, tokens=1, loading_seconds=1, seconds=1),),
        gate=GateReport(verdict="fail", baseline="base", candidate="instruct", results=(result,)),
        notices=(*run.notices, Notice(checkpoint="base", kind="rendered", message="the first prompt")),
    )  # fmt: skip


def _with_thoughts(outcome):
    if isinstance(outcome, Failure):
        return outcome
    tokens = (TokenLogprob(token=f"token of {outcome.request_id}", logprob=-1.0, top={"other token": -2.0}),)
    thinking = f"thoughts on {outcome.request_id}"
    return outcome.model_copy(update={"thinking": thinking, "logprobs": tokens, "token_ids": (7, 8)})


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
            return tuple(plant(item, chosen, make, in_scope) for item in value)
        case dict():
            return {key: plant(item, chosen, make, in_scope) for key, item in value.items()}
    return value


def _strings(value, make):
    match value:
        case str():
            return make(value)
        case tuple() | list():
            return type(value)(_strings(item, make) for item in value)
        case dict():
            return {make(key) if isinstance(key, str) and isinstance(item, float) else key: _strings(item, make)
                    for key, item in value.items()}  # fmt: skip
    return value


def planted_run(run, chosen, make, in_scope=lambda record: True):
    parts = {
        field.name: plant(run.__dict__[field.name], chosen, make, in_scope)
        for field in fields(run)
        if field.name != "path"
    }
    return Run(path=run.path, **parts)


def everything_in(text):
    """All that a reader, or a program, could find in the file."""
    data = json.dumps(unpack(text), ensure_ascii=False)
    return "\n".join((text, html.unescape(text), data, urllib.parse.unquote(text)))


def shared(run, *profiles):
    redacted, data = redact(run, profiles), []
    text = render_html(redacted.run, look=lambda unpacked: data.extend(strings(unpacked)))
    assert not redacted.leak_in([*data, *page_texts(text)])
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
            case Preference() | LabelRating() | JudgeFailure():
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
        checkpoint.model_copy(
            update={
                "checkpoint": checkpoint.checkpoint.model_copy(
                    update={"model": f"hf/plant77777/{checkpoint.identity.model}@main"}
                )
            }
        )
        for checkpoint in run.plan.checkpoints
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
    item = next(iter(run.outcomes.values())).text if profile == "completions" else run.plan.suites[0].samples[0].prompt
    run = planted_run(run, SENTENCES, lambda old: f"{old} For example: {item[:70]}")
    text, redacted = shared(run, profile)
    assert not plants_in(text)
    assert any(QUOTING in warning.text for warning in redacted.run.compared.warnings)


def test_the_completions_to_removed_prompts_are_removed_and_their_marks():
    redacted = redact(RUN, ["prompts"]).run
    assert all(outcome.text.startswith("[completion removed") for outcome in redacted.outcomes.values()
               if isinstance(outcome, Completion) and outcome.text)  # fmt: skip
    assert not any(score.spans for score in redacted.scores)


def test_all_profiles_together():
    plants = Plants()
    run = planted_run(RUN, set().union(*HIDDEN.values()) - HIDDEN["identity"], plants.of)
    text, _ = shared(planted_run(run, HIDDEN["identity"] - TEMPLATES, plants.name), *PROFILES)
    assert not plants_in(text)


# ------------------------------------------------------------------------------------ every field is known


def reachable():
    """The record classes that a run can hold."""
    left, result = list(get_type_hints(Run).values()), set()
    while left:
        record = left.pop()
        left += get_args(record)
        if isinstance(record, type) and issubclass(record, Record) and record not in result:
            result.add(record)
            left += [field.annotation for field in record.model_fields.values()]
    return result


def test_every_text_field_of_a_run_is_hidden_by_a_profile_or_kept_for_a_reason():
    known = set().union(KEPT, SENTENCES, *HIDDEN.values())
    there = {(record.__name__, name) for record in reachable() for name in text_kinds(record)}
    assert there == known


@pytest.mark.parametrize(
    "record", sorted(reachable(), key=lambda record: record.__name__), ids=lambda record: record.__name__
)
def test_every_text_field_has_a_rule(record):
    assert None not in text_kinds(record).values()


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
            # Whoever has the tokenizer reads the text in the ids.
            assert after.token_ids is None or after.text == before.text


@pytest.mark.parametrize("profile", PROFILES)
def test_the_report_says_what_was_removed(profile):
    _, redacted = shared(RUN, profile)
    assert redacted.manifest.sentence == redacted.run.compared.warnings[0].text
    assert redacted.manifest.removed


def test_redacting_twice_gives_the_same_bytes():
    assert render_html(redact(RUN, PROFILES).run) == render_html(redact(everything(), PROFILES).run)


def test_two_checkpoints_never_get_one_name():
    left, right = RUN.plan.checkpoints
    names = {"base": "Secret", "instruct": "secret"}
    run = planted_run(RUN, CHECKPOINTS, lambda old: names.get(old, old))
    assert len({checkpoint.name for checkpoint in redact(run, ["identity"]).run.plan.checkpoints}) == 2
    assert left.name != right.name


def test_a_removed_completion_says_how_long_it_was_and_a_prompt_does_not():
    redacted = redact(make_run(), ["completions", "prompts"]).run
    texts = [outcome.text for outcome in redacted.outcomes.values() if isinstance(outcome, Completion)]
    assert all(re.fullmatch(r"(\[completion removed: [\d,]+ characters\])?", text) for text in texts)
    assert redacted.plan.suites[0].samples[0].prompt == "[prompt removed]"


@pytest.mark.parametrize("text", ["", " , ", "everything", "harmful,secret"])
def test_an_unknown_profile_is_refused(text):
    with pytest.raises(SharingError):
        read_profiles(text)


SECRETS = st.lists(st.text(alphabet="abc é", min_size=60, max_size=90), min_size=1, max_size=3)


@given(SECRETS, st.integers(0, 2), st.integers(0, 20), st.text(max_size=30), st.text(max_size=30))
def test_so_many_letters_of_a_removed_text_are_a_quotation(secrets, which, start, before, after):
    quoted = "".join(secrets[which % len(secrets)].split())[start : start + SHORTEST].upper()
    assume(len(quoted) == SHORTEST)
    assert Quotes(secrets, ["some other text"]).are_in(["nothing", f"{before}**{quoted[:9]}**-{quoted[9:]}{after}"])


def test_the_end_of_a_text_and_the_beginning_of_the_next_are_no_quotation():
    texts = [f"The story of number {n} begins at home, {n} and ends abroad {n}." for n in range(300)]
    quotes = Quotes(texts, [])
    assert not quotes.are_in([f"{first[-18:]} {second[:15]}" for first, second in pairwise(texts)])
    assert not quotes.are_in([part for first, second in pairwise(texts) for part in (first[-25:], second[:25])])


def test_a_kept_text_that_a_removed_one_goes_on_from_is_no_quotation():
    kept = "Nobody had lived in the old house since"
    quotes = Quotes([f"{kept} {letter}he war ended, and so it stayed." for letter in "abcdefghijklmnopqrst"], [kept])
    assert not quotes.are_in([f"{kept}[template removed]"])
    assert quotes.are_in([f"{kept} the war ended, and so it stayed."])


def test_places_and_addresses_in_completions_go_with_identity():
    said = (
        "See https://intern.example.com/x?y=1 or mail ann@example.org, /home/ann/notes/a.txt, ~/secret, 10.1.2.3:8080, "
        "C:\\Users\\ann\\x, 2001:db8:0:0:8a2e:370:7334, data/runs/b.jsonl or wiki.example.org"
    )
    run = planted_run(RUN, {("Completion", "text")}, lambda old: said)
    redacted = redact(run, ["identity"]).run
    text = next(outcome.text for outcome in redacted.outcomes.values() if isinstance(outcome, Completion))
    assert not re.search(r"example|ann|secret|10\.1|db8|runs|C:", text), text
    assert re.sub(r"place-\d", "X", text).replace(",", "") == "See X or mail X X X X X X X or X"


@pytest.mark.parametrize("model", ["replay/./home/alice/x/b.jsonl", "hf//home/alice/x/b", "hf/./home/alice/x/b.gguf"])
def test_the_folders_of_a_local_model_are_names(model):
    left, right = RUN.plan.checkpoints
    left = left.model_copy(update={"checkpoint": left.checkpoint.model_copy(update={"model": model})})
    run = replace(RUN, plan=RUN.plan.model_copy(update={"checkpoints": (left, right)}))
    path = model.partition("/")[2].removeprefix("./")
    run = planted_run(
        run, {("Failure", "message"), ("Notice", "message")}, lambda old: f"{path} has none; home/alice/x"
    )
    text, _ = shared(run, "identity")
    assert "alice" not in text and "home/" not in text


def test_a_model_whose_name_says_nothing_is_no_leak():
    """`demo/base` keeps its name; the check before a file is written then refused every report of the demo."""
    left, right = RUN.plan.checkpoints
    left = left.model_copy(update={"checkpoint": left.checkpoint.model_copy(update={"model": "demo/base"})})
    run = replace(RUN, plan=RUN.plan.model_copy(update={"checkpoints": (left, right)}))
    text, redacted = shared(run, "identity")
    assert "demo/base" in text
    assert not redacted.leak_in([text])


def test_the_template_that_names_a_model_goes_with_identity():
    system = "You are a helpful assistant named SmolLM, trained by Hugging Face"
    run = planted_run(RUN, {("GenerationRequest", "rendered")}, lambda old: f"<|system|>{system}\n{old}")
    text, redacted = shared(run, "identity")
    assert "Hugging Face" not in text and "SmolLM" not in text
    prompt = RUN.plan.suites[0].samples[0].prompt
    assert all(
        prompt in request.rendered
        for request in redacted.run.plan.requests
        if request.sample_id == RUN.plan.suites[0].samples[0].id
    )


def test_a_model_that_calls_itself_by_the_name_of_its_family_is_renamed():
    run = planted_run(RUN, {("Completion", "text")}, lambda old: "I am Meadow, a model.")
    text, _ = shared(run, "identity")
    assert "meadow" not in text.lower()


# ---------------------------------------------------------------------------------------------- the check

SECRET = "The secret is «written» in 3 parts:\n<one>, \"two\" & 'three'; nobody may read it, neither here nor there."
PLACES = {
    "a value of the data": lambda text: strings({"samples": [{"cells": [{"text": text}]}]}),
    "a key of the data": lambda text: strings({text: 1}),
    "the page": lambda text: page_texts(f"<p>words</p><p>{html.escape(text)}</p>"),
    "an attribute": lambda text: page_texts(f'<p title="{html.escape(text)}">words</p>'),
    "marked up": lambda text: page_texts("<mark>".join(html.escape(part) for part in re.split(r"(?<=, )", text))),
    "JSON Lines": lambda text: file_texts(json.dumps({"text": text}) + "\n"),
    "CSV": lambda text: file_texts('"' + text.replace('"', '""') + '"\r\n'),
    "Markdown": lambda text: file_texts(escaped(text)),
    "its middle": lambda text: [text[15:90]],
    "its end in capitals": lambda text: [text[-58:].upper()],
}


def kept_whole(profile, field, text):
    """A redacted run, and the text of one of its fields as it was."""
    run = planted_run(RUN, {field}, lambda old: text)
    return redact(run, [profile])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("profile", "field"), [("prompts", ("Message", "content")), ("completions", ("Completion", "text"))]
)
def test_what_was_removed_is_found_wherever_it_comes_back(place, profile, field):
    redacted = kept_whole(profile, field, SECRET)
    assert redacted.leak_in(PLACES[place](SECRET)) == "a quotation"
    assert not redacted.leak_in(PLACES[place]("Something else that nobody ever removed from any of these texts."))


def test_a_name_and_an_id_are_found():
    redacted = redact(RUN, ["identity", "prompts"])
    assert redacted.leak_in(["It was Meadow-270M."]) == "a name"
    ids = [name for name in RUN.plan.samples if len(name) >= 8 and "-" in name]
    assert redacted.leak_in([f"see {ids[0]} here"]) == "the id of a sample"


def test_what_is_in_a_text_that_stays_too_is_no_leak():
    both = "I am sorry, but I cannot help with that, whatever you say."
    run = planted_run(RUN, {("Completion", "text"), ("Message", "content")}, lambda old: both)
    assert not redact(run, ["completions"]).leak_in([both])


def test_packed_data_in_a_completion_is_not_unpacked():
    bomb = base64.b64encode(gzip.compress(b"0" * 50_000_000)).decode()
    run = planted_run(RUN, {("Completion", "text")}, lambda old: bomb)
    started = time.perf_counter()
    redacted = redact(run, ["identity", "harmful"])
    assert not redacted.leak_in(strings({"text": bomb}))
    assert time.perf_counter() - started < 5
