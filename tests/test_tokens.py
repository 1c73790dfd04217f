"""What the tuning changed, token by token: planted truths on tiny checkpoints, and a float64 reference."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tiny_checkpoint import make_model, make_tokenizer, save_checkpoint
from transformers import AutoModelForCausalLM

from evalharness import pipeline
from evalharness.backends.hf_teacher import HfTeacher
from evalharness.cli import cli
from evalharness.config import TokenSettings, build_config
from evalharness.errors import BackendError, ConfigError, MissingExtra, StoreError
from evalharness.pipeline import notebook
from evalharness.pipeline.reading_tokens import read_tokens
from evalharness.store import RunStore
from evalharness.store.check import check_run
from evalharness.tokens.divergences import Reader, read
from evalharness.tokens.reading import read_texts
from evalharness.tokens.texts import Text
from evalharness.tokens.words import find, sentences_of

TOKENS = 24
PROMPTS = [f"{'once upon a time ' * (number % 4)}number {number}" for number in range(8)]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ------------------------------------------------------------------------------------------ distributions


def reference(logits, tokens, ends):
    """In float64, from the definitions."""
    logs = logits.double().log_softmax(-1)
    own = logs.gather(-1, tokens[:, None])[:, 0]
    exact = logits.gather(-1, tokens[:, None])
    return {
        "logprobs": own,
        "ranks": 1 + (logits > exact).sum(-1),
        "ties": (logits == exact).sum(-1) - 1,
        "entropies": -(logs.exp() * logs).sum(-1),
        "ends": logs.exp()[:, ends].sum(-1),
    }


@pytest.mark.parametrize("vocabulary", [7, 300, 2_560, 5_000, 600_000])
def test_ranks_divergences_and_the_rest_equal_a_float64_reference(vocabulary):
    torch.manual_seed(vocabulary)
    n, ends = 6, torch.tensor([1, 5])
    left = torch.randn(n, vocabulary) * 3
    right = left + torch.randn(n, vocabulary)
    left[0, : vocabulary // 2] = left[0].max() + 1  # Ties beyond the five largest.
    right[1] = left[1]
    tokens = torch.randint(0, vocabulary, (n,))
    tokens[2:4] = left[2:4].argmax(-1)
    places = torch.tensor([5, 0, 1, 2, 3, 4])
    numbers, [divergence] = read([Reader(left, ends), Reader(right, ends)], places, tokens[places], [(0, 1)])
    for one, logits in zip(numbers, (left, right), strict=True):
        for name, expected in reference(logits, tokens, ends).items():
            assert torch.allclose(getattr(one, name).double(), expected[places].double(), atol=1e-5), name
        top = logits[places].topk(5)
        assert torch.equal(logits[places].gather(-1, one.likeliest), top.values)
        assert torch.allclose(one.probabilities.double(), logits[places].double().softmax(-1).topk(5).values, atol=1e-6)
    logs = [logits.double().log_softmax(-1)[places] for logits in (left, right)]
    expected = torch.stack([(p.exp() * (p - q)).sum(-1) for p, q in (logs, logs[::-1])], dim=-1)
    assert torch.allclose(divergence, expected, atol=2e-5)
    assert divergence[2].tolist() == [0.0, 0.0]


def test_a_token_that_a_model_excludes_has_no_part_in_a_divergence():
    logits = torch.tensor([[0.0, 1.0, float("-inf"), 2.0]])
    other = torch.tensor([[0.5, 1.0, float("-inf"), 2.0]])
    [one, _], [divergence] = read([Reader(logits, torch.tensor([2]))] * 1 + [Reader(other, torch.tensor([2]))],
                                  torch.tensor([0]), torch.tensor([3]), [(0, 1)])  # fmt: skip
    p, q = logits[0, [0, 1, 3]].double().log_softmax(-1), other[0, [0, 1, 3]].double().log_softmax(-1)
    assert divergence[0, 0].item() == pytest.approx((p.exp() * (p - q)).sum().item(), abs=1e-6)
    assert one.ends.item() == 0.0


# ------------------------------------------------------------------------------------------------- runs


def write_suite(folder, prompts=PROMPTS):
    suite = folder / "few"
    suite.mkdir()
    head = {"name": "few", "version": "1", "license": "MIT", "source": "here", "description": "few"}
    lines = [f'{key} = "{value}"' for key, value in head.items()] + ['scorers = ["style"]']
    (suite / "suite.toml").write_text("\n".join(lines) + "\n")
    samples = [
        {"id": f"s{n}", "prompt": text, "category": ("even", "odd")[n % 2], "expected": ("comply", "refuse")[n % 2]}
        for n, text in enumerate(prompts)
    ]
    (suite / "samples.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    return suite


def make_run(folder, models, formats=("raw", "chat"), prompts=PROMPTS, **generation):
    """A run of two tiny checkpoints; random weights write what looks like loops, so all states are let in."""
    sides = {
        name: {"model": f"hf/{model}", "variant": name, "prompt_format": shown}
        for name, model, shown in zip(("base", "instruct"), models, formats, strict=True)
    }
    data = {
        "suite": [str(write_suite(folder, prompts))],
        "checkpoint": sides,
        "generation": {"max_tokens": TOKENS, **generation},
    }
    pipeline.run(build_config(data, {}, source="test"), out=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return {
        "one": save_checkpoint(folder / "one"),
        "same": save_checkpoint(folder / "same"),
        "two": save_checkpoint(folder / "two", seed=1),
        "other words": save_checkpoint(folder / "other", words=["hello"]),
    }


@pytest.fixture(scope="module")
def read_run(tmp_path_factory, checkpoints):
    """Two different checkpoints, raw and chat, read."""
    path = make_run(tmp_path_factory.mktemp("pair"), (checkpoints["one"], checkpoints["two"]))
    read_tokens(path)
    return path


@pytest.fixture
def pair(read_run, tmp_path):
    return Path(shutil.copytree(read_run, tmp_path / "run"))


def all_facts(path):
    return list(RunStore(path).read_token_facts().values())


def test_the_same_weights_twice_are_unshifted_everywhere(tmp_path, checkpoints):
    path = make_run(tmp_path, (checkpoints["one"], checkpoints["same"]), formats=("raw", "raw"))
    compared = read_tokens(path)
    assert compared.same_prompts and compared.n["candidate"] > 2
    for author in ("baseline", "candidate"):
        for context in ("own", "baseline", "candidate"):
            row = find(compared.shifts, author, context)
            assert row.unshifted.value == 1.0 and row.n_unshifted == row.n_tokens
            assert row.kl_candidate.value == row.kl_baseline.value == row.log_ratio.value == 0.0
    for one in all_facts(path):
        assert set(one.own.kl_candidate) == set(one.own.kl_baseline) == {0.0}
        assert one.baseline == one.candidate


def test_log_probabilities_equal_an_independent_pass(read_run, checkpoints):
    """Each completion alone, in one pass without a cache, after the prompt as the run rendered it."""
    run = pipeline.load_run(read_run)
    models = {
        name: AutoModelForCausalLM.from_pretrained(checkpoints[folder]).eval()
        for name, folder in (("baseline", "one"), ("candidate", "two"))
    }
    by_id = {request.id: request for request in run.plan.requests}
    tokenizer, seen = make_tokenizer(), 0
    for one in all_facts(read_run):
        requests = {by_id[name].checkpoint: by_id[name] for name in (one.request_id, one.other_id)}
        prompts = {
            "baseline": tokenizer(requests["base"].rendered)["input_ids"],
            "candidate": tokenizer(requests["instruct"].rendered, add_special_tokens=False)["input_ids"],
        }
        assert run.outcomes[one.request_id].token_ids == one.ids
        views = {
            ("baseline", "baseline"): one.baseline.logprobs,
            ("candidate", "candidate"): one.candidate.logprobs,
            ("candidate", "baseline"): one.after_baseline.logprobs,
            ("baseline", "candidate"): one.after_candidate.logprobs,
        }
        for (reader, after), found in views.items():
            ids = torch.tensor([[*prompts[after], *one.ids]])
            with torch.inference_mode():
                logits = models[reader](ids).logits[0, len(prompts[after]) - 1 : -1]
            own = logits.log_softmax(-1).gather(-1, torch.tensor(one.ids)[:, None])[:, 0]
            assert torch.allclose(own, torch.tensor(found), atol=1e-4)
            seen += len(found)
    assert seen > 400


def test_numbers_do_not_depend_on_batches_or_on_how_many_positions_are_projected_at_a_time(pair, checkpoints):
    from tiny_checkpoint import open_hf

    teachers = {"baseline": open_hf(checkpoints["one"]).teacher(), "candidate": open_hf(checkpoints["two"]).teacher()}
    texts = [
        Text(str(n), "", "candidate", tuple(range(5, 5 + 3 * n + 1)), False, False,
             {"baseline": (0, 7, 9)[: n + 1], "candidate": (0, 4, 8, 9)})
        for n in range(5)
    ]  # fmt: skip
    whole = facts_by_id(read_texts(texts, teachers, shared=True))
    for teacher in teachers.values():
        teacher.batch_size = 2
    in_parts = facts_by_id(read_texts(texts, teachers, shared=True, most_logits=1))
    assert whole.keys() == in_parts.keys() == {text.request_id for text in texts}
    for name, one in whole.items():
        two = in_parts[name]
        assert one.baseline.ranks == two.baseline.ranks and one.candidate.ranks == two.candidate.ranks
        assert one.own.kl_candidate == pytest.approx(two.own.kl_candidate, abs=1e-4)
        assert one.after_candidate.divergence.kl_baseline == pytest.approx(
            two.after_candidate.divergence.kl_baseline, abs=1e-4
        )


def facts_by_id(batches):
    return {one.request_id: one for batch in batches for one in batch}


class Edited:
    """A teacher whose logits of chosen positions are edited."""

    def __init__(self, teacher, edits):
        self.teacher, self.edits = teacher, edits

    def __getattr__(self, name):
        return getattr(self.teacher, name)

    def logits(self, prompts, completions, columns):
        start = 0
        for logits in self.teacher.logits(prompts, completions, columns):
            logits = logits.clone()
            for (row, at), rank in self.edits.items():
                if start <= at < start + logits.shape[1]:
                    own = completions[row][at]
                    others = [token for token in range(logits.shape[-1]) if token != own]
                    logits[row, at - start, own] = logits[row, at - start].max() + 1
                    logits[row, at - start, others[: rank - 1]] = logits[row, at - start, own] + 1
            start += logits.shape[1]
            yield logits


def test_edited_positions_are_found_exactly_and_no_others(checkpoints):
    from tiny_checkpoint import open_hf

    teacher = open_hf(checkpoints["one"]).teacher()
    ids = [tuple(range(10, 30)), tuple(range(40, 60))]
    texts = [
        Text(str(n), "", "candidate", one, False, False, {"baseline": (0,), "candidate": (0,)})
        for n, one in enumerate(ids)
    ]
    edits = {(0, 0): 4, (0, 7): 2, (1, 19): 9}
    before = facts_by_id(
        read_texts(texts, {"baseline": teacher, "candidate": teacher}, shared=False, most_logits=2_000)
    )
    edited = {"baseline": Edited(teacher, edits), "candidate": teacher}
    after = facts_by_id(read_texts(texts, edited, shared=False, most_logits=2_000))
    for row in (0, 1):
        first, second = before[str(row)], after[str(row)]
        changed = {at for at in range(20) if second.own.kl_candidate[at] > 0}
        assert changed == {at for of, at in edits if of == row}
        assert first.candidate == second.candidate
        for at in range(20):
            expected = edits.get((row, at), first.baseline.ranks[at])
            assert second.baseline.ranks[at] == expected
            assert (second.baseline.logprobs[at] == first.baseline.logprobs[at]) == ((row, at) not in edits)


def test_shares_counts_and_ratios_are_those_of_the_facts(read_run):
    compared = RunStore(read_run).read_tokens()
    run = pipeline.load_run(read_run)
    sample_of = {request.id: request.sample_id for request in run.plan.requests}
    by_sample = {}
    for one in all_facts(read_run):
        if one.author == "candidate":
            by_sample[sample_of[one.request_id]] = one
    n = {name: len(one.ids) - one.ended for name, one in by_sample.items()}
    row = find(compared.shifts, "candidate")
    assert row.n_samples == len(by_sample) and row.n_tokens == sum(n.values())
    shares = [sum(rank > 3 for rank in one.baseline.ranks[: n[name]]) / n[name] for name, one in by_sample.items()]
    assert row.shifted.value == pytest.approx(sum(shares) / len(shares))
    ratios = [
        sum(c - b for c, b in zip(one.candidate.logprobs[: n[name]], one.baseline.logprobs[: n[name]], strict=True))
        / n[name]
        for name, one in by_sample.items()
    ]
    assert row.log_ratio.value == pytest.approx(sum(ratios) / len(ratios))
    assert row.unshifted.value + row.marginal.value + row.shifted.value == pytest.approx(1.0)
    assert row.shifted.interval.low <= row.shifted.value <= row.shifted.interval.high
    late = find(compared.shifts, "candidate", first=21)
    assert late.n_tokens == sum(max(0, length - 20) for length in n.values())
    assert compared.own_first_choice == {"baseline": 1.0, "candidate": 1.0}


def test_a_share_that_no_sample_differs_in_has_the_interval_of_that_many_samples():
    from evalharness.records import Message, Sample
    from evalharness.statistics import wilson
    from evalharness.tokens.summary import Part, Values, rows_of

    message = Message(role="user", content="x")
    samples = [Sample(id=f"s{n}", messages=(message,), category="c", group=f"s{n}") for n in range(18)]
    alike = np.tile([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], (3, 1))
    [row] = rows_of([Values(one, np.ones(3), alike) for one in samples], "candidate", "own", [Part()], 0)
    for mean, count in ((row.unshifted, 18), (row.shifted, 0)):
        assert (mean.interval.low, mean.interval.high) == pytest.approx(wilson(count, 18))
    assert (row.kl_candidate.interval.low, row.kl_candidate.interval.high) == (0.0, 0.0)
    replicates = [Values(one, np.ones(3), alike) for one in samples for _ in range(2)]
    rows = tuple(rows_of(replicates, "candidate", "own", [Part()], 0))
    [said] = sentences_of({"baseline": "a", "candidate": "b"}, rows, (), same_prompts=True, bounded=False)
    assert said.endswith("(18 samples, 108 tokens).")


def test_the_frame_has_a_row_for_each_token_with_the_numbers_of_its_facts(read_run, tmp_path):
    run = pipeline.load_run(read_run)
    frame = run.tokens_frame()
    assert len(frame) == sum(len(one.ids) for one in run.token_facts.values())
    one = next(one for one in run.token_facts.values() if one.author == "candidate")
    [sample] = {request.sample_id for request in run.plan.requests if request.id == one.request_id}
    rows = frame[(frame.checkpoint == "instruct") & (frame.sample_id == sample)]
    assert tuple(rows.token_id) == one.ids and tuple(rows["rank"]) == one.baseline.ranks
    assert tuple(rows.kl_candidate) == one.own.kl_candidate
    with pytest.raises(StoreError, match="has no tokens yet"):
        replace(run, tokens=None).tokens_frame()


def test_a_completion_after_an_empty_prompt_of_the_other_side_is_left_out(tmp_path):
    models = [save_checkpoint(tmp_path / name, bos=False, seed=seed) for seed, name in enumerate(("one", "two"))]
    unknown = "\u6c49"  # Its bytes are in no token, so that nothing is left of it.
    compared = read_tokens(make_run(tmp_path, models, prompts=[unknown, "short"], max_tokens=4))
    assert compared.left_out == {"baseline": {"no completion": 1}, "candidate": {"empty prompt": 1}}
    assert compared.n == {"baseline": 1, "candidate": 1}


def test_two_tokenizers_are_refused(tmp_path, checkpoints):
    path = make_run(tmp_path, (checkpoints["one"], checkpoints["other words"]))
    with pytest.raises(ConfigError, match=r"do not share a tokenizer: they have .* 'hello'"):
        read_tokens(path)
    assert not (path / "tokens.jsonl").exists()


def test_a_backend_without_distributions_is_refused(tmp_path):
    from small_run import small_config

    pipeline.run(small_config(tmp_path), out=tmp_path / "run")
    with pytest.raises(BackendError, match="gives no probabilities of given tokens"):
        read_tokens(tmp_path / "run")


def test_without_torch_the_command_says_what_to_install(read_run, monkeypatch):
    for name in ("pipeline.reading_tokens", "tokens.reading", "tokens.comparing", "tokens.divergences"):
        monkeypatch.delitem(sys.modules, f"evalharness.{name}")
    monkeypatch.setitem(sys.modules, "torch", None)
    result = CliRunner().invoke(cli, ["tokens", str(read_run)])
    assert isinstance(result.exception, MissingExtra) and "evalharness[hf]" in result.exception.fix


def test_other_weights_than_those_of_the_run_are_refused(tmp_path, checkpoints):
    folder = shutil.copytree(checkpoints["two"], tmp_path / "tuned")
    path = make_run(tmp_path, (checkpoints["one"], folder))
    make_model(len(make_tokenizer()), seed=5).save_pretrained(folder)
    with pytest.raises(StoreError, match="another weights digest than in the run"):
        read_tokens(path)


# ----------------------------------------------------------------------------------------------- the file


def test_what_was_read_is_not_read_again_and_a_lost_line_is(pair):
    before, facts = (pair / "tokens.jsonl").read_bytes(), all_facts(pair)
    compared = RunStore(pair).read_tokens()
    again = read_tokens(pair)
    assert (pair / "tokens.jsonl").read_bytes() == before
    assert again == compared.model_copy(update={"seconds": None})
    lines = before.splitlines(keepends=True)
    (pair / "tokens.jsonl").write_bytes(b"".join(lines[:-1]) + lines[-1][:50])
    whole = read_tokens(pair)
    assert {one.request_id for one in all_facts(pair)} == {one.request_id for one in facts}
    assert [row.n_tokens for row in whole.shifts] == [row.n_tokens for row in compared.shifts]
    values = [[row.kl_candidate.value for row in one.shifts] for one in (whole, compared)]
    assert values[0] == pytest.approx(values[1], abs=1e-4)


def test_a_limit_draws_both_kinds_of_an_alternating_suite_and_a_larger_one_adds_to_them(pair):
    sample_of = {request.id: request.sample_id for request in pipeline.load_run(pair).plan.requests}
    drawn = []
    for limit in (4, 6):
        (pair / "tokens.jsonl").unlink()
        compared = read_tokens(pair, limit=limit)
        drawn.append({sample_of[one.request_id] for one in all_facts(pair)})
        assert compared.n_requests == limit == len(drawn[-1])
        assert {row.expected for row in compared.shifts} >= {"comply", "refuse"}
    assert drawn[0] < drawn[1]


def test_check_names_a_stale_or_damaged_file_and_a_stale_comparison_is_not_shown(pair):
    assert check_run(pair).whole
    with (pair / "outcomes.jsonl").open("ab") as out:
        out.write(b'{"type":"notice","checkpoint":"base","kind":"other","message":"later"}\n')
    assert ("tokens.json", "stale") in {(one.file, one.kind) for one in check_run(pair).problems}
    assert pipeline.load_run(pair).tokens is None
    (pair / "tokens.jsonl").write_text("{}\n")
    assert ("tokens.jsonl", "damaged") in {(one.file, one.kind) for one in check_run(pair).problems}


def test_completions_without_stored_ids_are_encoded_again_and_counted(pair):
    compared = RunStore(pair).read_tokens()
    outcomes = [json.loads(line) for line in (pair / "outcomes.jsonl").read_text().splitlines()]
    for outcome in outcomes:
        if outcome["type"] == "completion":
            outcome["token_ids"] = None
    (pair / "outcomes.jsonl").write_text("".join(json.dumps(outcome) + "\n" for outcome in outcomes))
    pipeline.rescore(pair)
    again = read_tokens(pair)
    lost = sum(side.get("text that does not give its tokens again", 0) for side in again.left_out.values())
    assert again.n_encoded_again + lost == sum(compared.n.values()) and again.n_encoded_again > 2


def test_a_run_reads_the_tokens_at_once_and_other_sides_can_be_named(tmp_path, checkpoints):
    words = ["run", "--baseline", f"hf/{checkpoints['one']}", "--candidate", f"hf/{checkpoints['two']}", "--tokens"]
    words += [
        "--suite",
        str(write_suite(tmp_path)),
        "--max-tokens",
        "8",
        "--limit",
        "3",
        "--out",
        str(tmp_path / "run"),
    ]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    assert "instruct writes the token that base would have written at" in result.output
    swapped = read_tokens(tmp_path / "run", baseline="instruct", candidate="base", shared=False)
    assert (swapped.baseline, swapped.candidate) == ("instruct", "base") and find(swapped.shifts, "candidate")
    assert swapped.own_first_choice == {"baseline": 1.0, "candidate": 1.0}
    with pytest.raises(ConfigError, match="has no checkpoint 'third'"):
        read_tokens(tmp_path / "run", baseline="third")


def test_the_table_reads_the_tokens_of_a_run_with_its_settings(tmp_path, checkpoints):
    sides = {
        name: {"model": f"hf/{checkpoints[folder]}", "variant": name, "prompt_format": "raw"}
        for name, folder in (("base", "one"), ("instruct", "two"))
    }
    data = {"suite": str(write_suite(tmp_path)), "checkpoint": sides, "generation": {"max_tokens": 4}}
    config = build_config({**data, "tokens": {"limit": 2, "shared": False}}, {}, source="test")
    done = notebook.run(config, out=tmp_path / "run")
    assert (done.tokens.n_requests, done.tokens.shared) == (2, False)
    assert RunStore(tmp_path / "run").read_config().tokens == config.tokens
    with pytest.raises(ConfigError, match="a shard cannot be read"):
        build_config({**data, "tokens": {}}, {"shard": "1/2"}, source="test")


def test_a_side_that_cannot_be_read_is_refused_before_anything_is_generated(tmp_path):
    from small_run import small_config

    config = small_config(tmp_path).model_copy(update={"tokens": TokenSettings()})
    with pytest.raises(BackendError, match="gives no probabilities of given tokens"):
        pipeline.run(config, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command_prints_the_shares_and_the_noise_floor(pair):
    result = CliRunner().invoke(cli, ["tokens", str(pair), "--limit", "4"])
    assert result.exit_code == 0, result.output
    assert "instruct writes the token that base would have written at" in result.output
    assert "Noise floor:" in result.output
    printed = CliRunner().invoke(cli, ["tokens", str(pair), "--json"])
    assert json.loads(printed.stdout)["n_requests"] == len(PROMPTS)


def architectures():
    """Models whose caches or logits are special: a sliding window shorter than the text, capped logits."""
    from transformers import (
        Gemma2Config,
        Gemma2ForCausalLM,
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        Qwen2Config,
        Qwen2ForCausalLM,
    )

    size = {
        "vocab_size": 600, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 128, "initializer_range": 0.5,
    }  # fmt: skip
    plain = {name: value for name, value in size.items() if name != "head_dim"}
    return {
        "gemma 2": (Gemma2ForCausalLM, Gemma2Config(**size, sliding_window=8, final_logit_softcapping=5.0)),
        "gemma 3": (Gemma3ForCausalLM, Gemma3TextConfig(**size, sliding_window=8)),
        "qwen 2": (Qwen2ForCausalLM, Qwen2Config(**plain)),
    }


@pytest.mark.parametrize("name", ["gemma 2", "gemma 3", "qwen 2"])
@pytest.mark.parametrize("columns", [3, 100])
def test_logits_in_parts_are_those_of_one_pass_in_every_architecture(name, columns):
    kind, config = architectures()[name]
    torch.manual_seed(3)
    model = kind(config).eval()
    prompts = [[5, 6, 7, 8, 9, 10, 11, 12, 13, 14], [20], [3] * 5]
    completions = [list(range(100, 130)), list(range(200, 222)), [7]]
    teacher = HfTeacher(model, make_tokenizer(), {1: "</s>"}, batch_size=3, batch_tokens=1000)
    found: list[list[torch.Tensor]] = [[] for _ in prompts]
    for part in teacher.logits(prompts, completions, columns):
        for row, logits in enumerate(part):
            found[row].append(logits)
    for row, (prompt, ids) in enumerate(zip(prompts, completions, strict=True)):
        with torch.inference_mode():
            expected = model(torch.tensor([[*prompt, *ids]]), use_cache=False).logits[0, len(prompt) - 1 : -1]
        assert torch.allclose(torch.cat(found[row])[: len(ids)], expected, atol=2e-4), row
