"""From a configuration to requests: every cell of the comparison once, under an id that is true to its conditions."""

import json

import pytest

from evalharness.backends import open_backend
from evalharness.config import RunConfig
from evalharness.errors import BackendError, PromptFormatError, ScorerError, SuiteError, UnknownModel
from evalharness.pipeline.planning import make_plan
from evalharness.records import Checkpoint, GenerationConfig, RenderedPrompt

HEAD = 'name = "{name}"\nversion = "1"\nlicense = "x"\nsource = "x"\nscorers = ["style"]\n'
SAMPLES = [{"id": f"s{n}", "prompt": f"Say {n}.", "category": "c"} for n in range(3)]


def write_suite(folder, *, name="x", samples=SAMPLES, scorer="style"):
    """A suite folder; its path, as a configuration names it."""
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "suite.toml").write_text(HEAD.format(name=name).replace('"style"', f'"{scorer}"'))
    (folder / name / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    return str(folder / name)


def write_answers(folder, name, text="hi"):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"sample_id": sample["id"], "text": text}) + "\n" for sample in SAMPLES))
    return f"replay/{path}"


def config(folder, *, formats=("raw", "chat"), suites=None, **fields):
    """Two replayed files that answer the suite."""
    checkpoints = tuple(
        Checkpoint(name=name, model=write_answers(folder, name), variant=name, prompt_format=prompt_format)
        for name, prompt_format in zip(("base", "instruct"), formats, strict=True)
    )
    return RunConfig(suites=suites or (write_suite(folder),), checkpoints=checkpoints, **fields)


def planned(folder, **fields):
    return make_plan(config(folder, **fields), open_backend)


def ids(plan, checkpoint=None):
    return [request.id for request in plan.requests if checkpoint in (None, request.checkpoint)]


# ----------------------------------------------------------------------------------------------- cells


def test_every_checkpoint_is_asked_every_sample_in_the_order_of_the_suite(tmp_path):
    plan = planned(tmp_path)
    cells = [(request.checkpoint, request.sample_id) for request in plan.requests]
    assert cells == [(side, f"s{n}") for side in ("base", "instruct") for n in range(3)]
    assert len(set(ids(plan))) == 6


def test_a_replicate_is_a_request_of_its_own(tmp_path):
    plan = planned(tmp_path, replicates=3, generation=GenerationConfig(temperature=0.7))
    cells = [(request.sample_id, request.replicate) for request in plan.requests if request.checkpoint == "base"]
    assert sorted(cells) == [(f"s{n}", replicate) for n in range(3) for replicate in range(3)]
    assert len(set(ids(plan))) == 18


def test_more_replicates_leave_the_ids_of_the_first_ones_alone(tmp_path):
    warm = GenerationConfig(temperature=0.7)
    assert set(ids(planned(tmp_path, generation=warm))) < set(ids(planned(tmp_path, generation=warm, replicates=2)))


def test_two_samples_with_one_prompt_are_two_requests(tmp_path):
    suite = write_suite(tmp_path, samples=[SAMPLES[0], {**SAMPLES[0], "id": "twin"}])
    assert len(set(ids(planned(tmp_path, suites=(suite,))))) == 4


def test_the_same_completions_on_both_sides_are_two_cells(tmp_path):
    model = write_answers(tmp_path, "same")
    sides = tuple(Checkpoint(name=n, model=model, variant="base", prompt_format="raw") for n in ("base", "instruct"))
    plan = make_plan(RunConfig(suites=(write_suite(tmp_path),), checkpoints=sides), open_backend)
    assert len(set(ids(plan))) == 6
    assert "same-weights" in [finding.code for finding in plan.lint]


# ------------------------------------------------------------------------------------------- identity


def test_the_same_configuration_gives_the_same_ids(tmp_path):
    assert ids(planned(tmp_path)) == ids(planned(tmp_path))


SETTINGS = [
    {"max_tokens": 7},
    {"temperature": 0.5},
    {"top_p": 0.9},
    {"top_k": 40},
    {"repeat_penalty": 1.1},
    {"seed": 1},
    {"stop": ("\n",)},
    {"context_length": 512},
]


@pytest.mark.parametrize("field", SETTINGS, ids=lambda field: next(iter(field)))
def test_every_setting_of_the_generation_changes_every_id(tmp_path, field):
    before = ids(planned(tmp_path))
    assert set(ids(planned(tmp_path, generation=GenerationConfig(**field)))).isdisjoint(before)


def test_every_setting_of_the_generation_is_tried_above():
    assert {name for field in SETTINGS for name in field} == set(GenerationConfig.model_fields)


def test_a_changed_prompt_changes_the_ids_of_its_sample_alone(tmp_path):
    before = planned(tmp_path)
    write_suite(tmp_path, samples=[{**SAMPLES[0], "prompt": "Say nought."}, *SAMPLES[1:]])
    after = make_plan(config(tmp_path, suites=(str(tmp_path / "x"),)), open_backend)
    changed = {old.sample_id for old, new in zip(before.requests, after.requests, strict=True) if old.id != new.id}
    assert changed == {"s0"}


def test_other_completions_change_the_ids_of_their_side_alone(tmp_path):
    settled = config(tmp_path)
    before = make_plan(settled, open_backend)
    write_answers(tmp_path, "base", text="ho")
    after = make_plan(settled, open_backend)
    assert set(ids(after, "base")).isdisjoint(ids(before, "base"))
    assert ids(after, "instruct") == ids(before, "instruct")


def test_another_prompt_format_changes_the_ids_of_its_side_alone(tmp_path):
    before, after = planned(tmp_path), planned(tmp_path, formats=("icl", "chat"))
    assert set(ids(after, "base")).isdisjoint(ids(before, "base"))
    assert ids(after, "instruct") == ids(before, "instruct")


def test_what_the_model_really_sees_changes_the_id(tmp_path):
    """A server or tokenizer that renders the same turns otherwise asks another question."""
    [request, *_] = (plan := planned(tmp_path)).requests
    seen = [
        RenderedPrompt(),
        RenderedPrompt(text="Say 0."),
        RenderedPrompt(text="<s>Say 0."),
        RenderedPrompt(text="Say 0.", token_ids=(1, 2)),
        RenderedPrompt(text="Say 0.", token_ids=(0, 1, 2)),
    ]
    made = [
        type(request).of(plan.checkpoints[0], "s0", request.prompt, rendered, request.config).id for rendered in seen
    ]
    assert made[0] == request.id
    assert len(set(made)) == len(seen)


@pytest.mark.parametrize(
    "change",
    [
        {"weights_digest": "sha256:1"},
        {"template_digest": "sha256:1"},
        {"tokenizer_digest": "sha256:1"},
        {"adapter_digest": "sha256:1"},
        {"quantization": "Q4_K_M"},
        {"device": "cuda"},
        {"dtype": "bfloat16"},
        {"attention": "sdpa"},
        {"versions": {"torch": "2.13.0"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_the_identity_changes_the_id(tmp_path, change):
    [request, *_] = (plan := planned(tmp_path)).requests
    resolved = plan.checkpoints[0]
    other = resolved.model_copy(update={"identity": resolved.identity.model_copy(update=change)})
    assert type(request).of(other, "s0", request.prompt, RenderedPrompt(), request.config).id != request.id


def test_what_cannot_change_a_completion_leaves_the_ids_alone(tmp_path):
    """Scores and statistics may be changed, and samples added, and nothing is generated again."""
    before = ids(planned(tmp_path))
    relabelled = [{**sample, "category": "d", "group": "g", "target": "x", "expected": "comply"} for sample in SAMPLES]
    suite = write_suite(tmp_path, samples=relabelled, scorer="refusal")
    assert ids(planned(tmp_path, suites=(suite,), seed=5, check_determinism=2)) == before


def test_a_sample_more_leaves_the_ids_of_the_others_alone(tmp_path):
    before = ids(planned(tmp_path))
    suite = write_suite(tmp_path, samples=[{**SAMPLES[0], "id": "first"}, *SAMPLES])
    assert set(before) < set(ids(planned(tmp_path, suites=(suite,))))


# ------------------------------------------------------------------------------------ limits, estimates


def test_a_limit_keeps_the_first_samples_of_each_suite_and_says_so_in_the_digest(tmp_path):
    more = write_suite(tmp_path, name="y", samples=[{**sample, "id": f"y-{sample['id']}"} for sample in SAMPLES])
    suites = (write_suite(tmp_path), more)
    whole, cut = planned(tmp_path, suites=suites), planned(tmp_path, suites=suites, limit=2)
    assert [sample.id for suite in cut.suites for sample in suite.samples] == ["s0", "s1", "y-s0", "y-s1"]
    assert len(cut.requests) == 8
    assert {suite.digest for suite in cut.suites}.isdisjoint(suite.digest for suite in whole.suites)
    assert set(ids(cut)) < set(ids(whole))


@pytest.mark.parametrize("limit", [3, 4])
def test_a_limit_that_cuts_nothing_changes_nothing(tmp_path, limit):
    assert planned(tmp_path, limit=limit) == planned(tmp_path)


def test_the_estimate_counts_requests_and_tokens_and_does_not_guess(tmp_path):
    generation = GenerationConfig(temperature=0.7, max_tokens=50)
    [base, instruct] = planned(tmp_path, replicates=2, generation=generation).estimates
    assert (base.checkpoint, instruct.checkpoint) == ("base", "instruct")
    assert (base.requests, base.completion_tokens_at_most) == (6, 300)
    assert (base.prompt_tokens, base.memory_bytes) == (None, None)


# --------------------------------------------------------------------------------------------- refused


def test_two_suites_that_share_a_sample_id_are_refused(tmp_path):
    suites = (write_suite(tmp_path), write_suite(tmp_path, name="y", samples=SAMPLES[2:]))
    with pytest.raises(SuiteError) as refused:
        planned(tmp_path, suites=suites)
    assert refused.value.problem == "sample id 's2' is in suite 'x' and in suite 'y'"
    assert "rename" in refused.value.fix


def test_a_suite_given_twice_is_refused(tmp_path):
    suite = write_suite(tmp_path)
    with pytest.raises(SuiteError, match="suite 'x' is given twice"):
        planned(tmp_path, suites=(suite, suite))


def test_an_unknown_scorer_is_refused_with_those_there_are(tmp_path):
    suite = write_suite(tmp_path, scorer="styel")
    with pytest.raises(ScorerError, match="no scorer named 'styel'") as refused:
        planned(tmp_path, suites=(write_suite(tmp_path, name="y"), suite))
    assert "suite 'x'" in refused.value.problem
    assert "style" in refused.value.fix


def test_auto_becomes_the_format_of_the_variant(tmp_path):
    plan = planned(tmp_path, formats=("auto", "auto"))
    assert [checkpoint.checkpoint.prompt_format for checkpoint in plan.checkpoints] == ["raw", "chat"]
    assert ids(plan) == ids(planned(tmp_path))


def test_auto_is_refused_where_the_name_contradicts_the_variant(tmp_path):
    model = write_answers(tmp_path, "llama-instruct")
    swapped = Checkpoint(name="base", model=model, variant="base")
    sides = (swapped, config(tmp_path).checkpoints[1])
    with pytest.raises(PromptFormatError, match="configured as base, but its name says instruct"):
        make_plan(RunConfig(suites=(write_suite(tmp_path),), checkpoints=sides), open_backend)


class Closing:
    """A backend as a plugin could be, whose model is gone; it keeps whether it was closed."""

    closed = False

    def __init__(self, checkpoint):
        self.checkpoint = checkpoint

    def resolve(self):
        raise UnknownModel(f"there is no model {self.checkpoint.model_name}", fix="pull it")

    def close(self):
        self.closed = True


def test_a_backend_that_cannot_be_resolved_is_closed(tmp_path):
    opened = []

    def remember(checkpoint):
        opened.append(Closing(checkpoint))
        return opened[-1]

    with pytest.raises(BackendError):
        make_plan(config(tmp_path), remember)
    assert [backend.closed for backend in opened] == [True]
