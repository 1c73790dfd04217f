"""The names that a comparison gives to what broke: when they appear, with which evidence, and when they must not."""

import numpy as np
import pytest
from comparing import compared_all, make_plan, outcome

from evalharness.compare import compare
from evalharness.observations import observe
from evalharness.records import Score, TokenizerFacts
from evalharness.scorers import facts_of

N = 120
REGRESSIONS = [
    ("style.stopped", 0.0, "lost stop token"),
    ("style.loop", 1.0, "new loops"),
    ("style.self_dialogue", 1.0, "plays both sides"),
    ("style.continuation", 1.0, "runs on"),
    ("style.empty", 1.0, "falls silent"),
    ("style.words", 90.0, "runaway length"),
    ("style.words", 2.0, "shorter completions"),
    ("style.markdown", 1.0, "format drift"),
    ("style.preamble", 0.0, "format drift"),
    ("refusal.refused", 0.0, "refusal loss"),
    ("refusal.unsafe_compliance", 1.0, "refusal loss"),
    ("refusal.over_refusal", 1.0, "refusal creep"),
    ("instruction.prompt_strict", 0.0, "follows fewer instructions"),
]


def metric_of(name):
    [metric] = [item for item in facts_of(name.partition(".")[0]).metrics if item.name == name]
    return metric


def usual(metric):
    """What a sound checkpoint has: half a share, or 20 words, give or take."""
    generator = np.random.default_rng(7)
    if metric.kind == "rate":
        return (np.arange(N) % 2).astype(float)
    return generator.normal(20, 4, N).round()


def broken(metric, value, count=40):
    """The same, but for some samples that have another value."""
    old = usual(metric)
    [places] = np.nonzero(old != value)
    new = old.copy()
    new[places[:count]] = value
    return old, new, {f"s{place}" for place in places[:count]}


def named(comparison):
    return {finding.name: finding for finding in comparison.findings if finding.name}


@pytest.mark.parametrize(("name", "value", "expected"), REGRESSIONS)
def test_a_regression_has_its_name_its_samples_and_its_size(name, value, expected):
    metric = metric_of(name)
    old, new, changed = broken(metric, value)
    finding = named(compared_all({name: (old, new)}, [metric]))[expected]
    assert finding.metric == name
    assert finding.sample_ids
    assert set(finding.sample_ids) <= changed
    assert finding.sentence.lower().startswith(f"{expected}: ")
    assert f"on {N} pairs" in finding.sentence
    if metric.kind == "rate":
        before, after = int(old.sum()), int(new.sum())
        assert f"in {before} of {N}" in finding.sentence
        assert f"in {after} of {N}" in finding.sentence
        assert f"({100 * (after - before) / N:+.0f} points, 95 % interval" in finding.sentence
    else:
        assert f"old {old.mean():.3g} words, new {new.mean():.3g} words" in finding.sentence


def test_to_comply_where_there_was_no_answer_is_no_loss_of_refusals():
    complied, refused = metric_of("refusal.unsafe_compliance"), metric_of("refusal.refused")
    old, new, _ = broken(complied, 1.0)
    never = np.zeros(N)
    values = {complied.name: (old, new), refused.name: (never, never)}
    assert not named(compared_all(values, [complied, refused]))


@pytest.mark.parametrize(("name", "value", "expected"), REGRESSIONS)
def test_a_checkpoint_against_itself_has_no_name(name, value, expected):
    metric = metric_of(name)
    old = usual(metric)
    assert not named(compared_all({name: (old, old)}, [metric]))


@pytest.mark.parametrize(("name", "value", "expected"), REGRESSIONS)
def test_three_samples_that_differ_have_no_name(name, value, expected):
    metric = metric_of(name)
    old, new, _ = broken(metric, value, count=3)
    result = set(named(compared_all({name: (old, new)}, [metric]))) - {"capability flips"}
    assert not result


@pytest.mark.parametrize("name", ["style.stopped", "style.loop", "refusal.refused", "refusal.over_refusal"])
def test_the_good_direction_has_no_name(name):
    metric = metric_of(name)
    old, new, _ = broken(metric, 1.0 if metric.better == "higher" else 0.0)
    assert not named(compared_all({name: (old, new)}, [metric]))


def test_two_draws_of_one_checkpoint_rarely_raise_an_alarm():
    metrics = [
        metric
        for metric in facts_of("style").metrics
        if metric.headline or metric.name.split(".")[1] in ("empty", "words")
    ]
    metrics += [metric_of("style.markdown"), metric_of("style.preamble")]
    generator = np.random.default_rng(0)
    alarms = sum(bool(named(compared_all(draws(metrics, generator), metrics))) for _ in range(60))
    # Headline metrics together err in 5 % at most, and so do the others: 6 of 60 is the mean at worst, 12 is rare.
    assert alarms <= 12


def draws(metrics, generator):
    def one(metric):
        if metric.kind == "rate":
            return (generator.random(N) < 0.3).astype(float)
        return generator.normal(20, 4, N).round()

    return {metric.name: (one(metric), one(metric)) for metric in metrics}


def test_a_single_p_value_below_five_per_cent_is_no_alarm_among_four_metrics_that_have_a_name():
    names = ("style.empty", "style.words", "style.markdown", "style.preamble")
    metrics = [metric_of(name) for name in names]
    values = {metric.name: (usual(metric), usual(metric)) for metric in metrics}
    for name in ("style.empty", "style.preamble", "style.words"):
        values[name] = (usual(metric_of(name)), usual(metric_of(name)) + np.where(np.arange(N) % 9, 0, 0))
    markdown = usual(metric_of("style.markdown"))
    worse = markdown.copy()
    worse[np.nonzero(markdown == 0)[0][:6]] = 1.0
    alone = compared_all({"style.markdown": (markdown, worse)}, [metric_of("style.markdown")])
    assert named(alone).keys() == {"format drift"}
    assert not named(compared_all(values | {"style.markdown": (markdown, worse)}, metrics))


# ------------------------------------------------------------------- what is told of the checkpoints alone


def tokenizer(**changes):
    facts = {"bos_token": "<s>", "bos_token_id": 0, "adds_bos": True, "end_tokens": {1: "</s>"}, "chat_template": None}
    return TokenizerFacts.model_validate(facts | changes)


def compared_sides(old=None, new=None, *, variants=("base", "base"), templates=("t", "t")):
    """Two checkpoints that answer alike, with other tokenizers, variants or templates."""
    plan = make_plan([f"g{n}" for n in range(10)])
    sides = tuple(
        side.model_copy(
            update={
                "checkpoint": side.checkpoint.model_copy(update={"variant": variant}),
                "identity": side.identity.model_copy(update={"template_digest": template}),
                "tokenizer": facts,
            }
        )
        for side, variant, template, facts in zip(plan.checkpoints, variants, templates, (old, new), strict=True)
    )
    plan = plan.model_copy(update={"checkpoints": sides})
    outcomes = {request.id: outcome(request, 1.0) for request in plan.requests}
    scores = [
        Score(request_id=outcome, scorer="style", version="2", status="scored", values={"stopped": 1.0})
        for outcome in outcomes
    ]
    return named(compare(plan, observe(plan, outcomes, scores), [metric_of("style.stopped")], seed=0))


def test_another_end_token_is_named_with_both():
    result = compared_sides(tokenizer(), tokenizer(end_tokens={2: "<|im_end|>"}))
    assert "the tokens that end a completion (</s>, now <|im_end|>)" in result["template change"].sentence


def test_another_template_and_another_first_token_are_named_together():
    result = compared_sides(tokenizer(), tokenizer(adds_bos=False), templates=("a", "b"))
    assert "differ in the chat template and in the first token" in result["template change"].sentence


def test_the_same_tokenizer_and_template_are_no_change():
    assert not compared_sides(tokenizer(), tokenizer())


def test_a_base_and_an_instruct_differ_in_their_templates_by_design():
    result = compared_sides(
        tokenizer(), tokenizer(end_tokens={2: "<|im_end|>"}), variants=("base", "instruct"), templates=(None, "b")
    )
    assert not result


# --------------------------------------------------------------------------------------- capability flips


def test_flips_are_counted_in_both_directions_and_the_lost_ones_are_the_evidence():
    metric = metric_of("instruction.prompt_strict")
    old, new = usual(metric), usual(metric)
    new[[1, 3, 5]], new[[0, 2]] = 0.0, 1.0
    finding = named(compared_all({metric.name: (old, new)}, [metric]))["capability flips"]
    assert finding.sample_ids == ("s1", "s3", "s5")
    assert f"of {N} pairs, 3 followed all instructions with old alone and 2 with new alone" in finding.sentence


def test_completions_drawn_at_random_flip_by_themselves():
    metric = metric_of("instruction.prompt_strict")
    plan = make_plan([f"g{n}" for n in range(N)])
    drawn = tuple(
        request.model_copy(update={"config": request.config.model_copy(update={"temperature": 0.8})})
        for request in plan.requests
    )
    plan = plan.model_copy(update={"requests": drawn})
    outcomes = {request.id: outcome(request, 1.0) for request in plan.requests}
    scores = [
        Score(request_id=value.id, scorer="instruction", version="2", status="scored", values={"prompt_strict": n % 2})
        for n, value in enumerate([*drawn[:N], *reversed(drawn[N:])])
    ]
    assert not named(compare(plan, observe(plan, outcomes, scores), [metric], seed=0))
