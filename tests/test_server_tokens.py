"""Reading token by token on servers that tell the likeliest tokens alone, against the whole distributions."""

from contextlib import ExitStack, closing

import pytest
import torch
from click.testing import CliRunner
from openai_server import openai_server
from test_tokens import PROMPTS, all_facts, write_suite
from tiny_checkpoint import CONTEXT, make_tokenizer, open_hf, save_checkpoint
from transformers import AutoModelForCausalLM

from evalharness import pipeline
from evalharness.backends.server import ServerBackend
from evalharness.backends.server_teacher import TOP
from evalharness.cli import cli
from evalharness.config import build_config
from evalharness.errors import BackendError
from evalharness.pipeline.reading_tokens import read_tokens
from evalharness.records import Checkpoint
from evalharness.tokens.reading import read_texts
from evalharness.tokens.texts import AUTHORS, Text

WORDS = " river stone light and sea"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return {author: save_checkpoint(folder / author, seed=seed) for seed, author in enumerate(AUTHORS)}


def reading(folder):
    """What the model of a folder expects at each token of a prompt but the first."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def read(ids):
        with torch.inference_mode():
            return model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1).tolist()

    return read


@pytest.fixture(scope="module")
def config(checkpoints, tmp_path_factory):
    """Both checkpoints on servers, raw and chat; completions are words, some with all that fits the context."""
    with ExitStack() as stack:
        sides = {}
        for author, shown, text in zip(AUTHORS, ("raw", "chat"), (WORDS, " yes" + WORDS[:20]), strict=True):
            server = stack.enter_context(
                openai_server(
                    context=CONTEXT,
                    tokenizer=make_tokenizer(),
                    reads_tokens=reading(checkpoints[author]),
                    writes=lambda ids, most, text=text: (text, "stop"),
                )
            )
            options = {"url": server.url, "tokenizer": str(checkpoints[author])}
            sides[author] = {"model": "server/meadow", "variant": "base", "prompt_format": shown, "options": options}
        suite = str(write_suite(tmp_path_factory.mktemp("suite"), PROMPTS[:2]))
        data = {
            "suite": suite,
            "baseline": "baseline",
            "candidate": "candidate",
            "checkpoint": sides,
            "generation": {"max_tokens": 60},
        }
        yield build_config(data, {}, source="test")


def test_classes_and_log_ratios_are_those_of_whole_distributions_and_divergences_are_below(
    config, checkpoints, tmp_path
):
    pipeline.run(config, out=tmp_path / "run")
    compared = read_tokens(tmp_path / "run")
    assert compared.top == TOP and compared.shared and not compared.same_prompts
    assert compared.n == {"baseline": 2, "candidate": 2} and compared.left_out == {"baseline": {}, "candidate": {}}
    whole = {one.request_id: one for one in read_whole(tmp_path / "run", checkpoints)}
    bounds, exact = [], []
    for one in all_facts(tmp_path / "run"):
        same = whole[one.request_id]
        assert (one.baseline.ranks, one.candidate.ranks) == (same.baseline.ranks, same.candidate.ranks)
        assert one.after_candidate.ranks == same.after_candidate.ranks
        assert one.other.logprobs == pytest.approx(same.other.logprobs, abs=2e-4)
        assert [top[0][0] for top in one.other.likeliest] == [top[0][0] for top in same.other.likeliest]
        assert one.baseline.entropies == one.candidate.entropies == ()
        bounds += [*one.own.kl_candidate, *one.own.kl_baseline, *one.after_baseline.divergence.kl_candidate]
        exact += [*same.own.kl_candidate, *same.own.kl_baseline, *same.after_baseline.divergence.kl_candidate]
    assert all(bound <= kl + 1e-3 for bound, kl in zip(bounds, exact, strict=True))
    assert 0.5 * sum(exact) < sum(bounds) < sum(exact)


def read_whole(path, checkpoints):
    """The facts of a run, with the checkpoints loaded."""
    run = pipeline.load_run(path)
    teachers = {author: open_hf(checkpoints[author]).teacher() for author in AUTHORS}
    requests, prompts = {one.id: one for one in run.plan.requests}, {}
    for request in run.plan.requests:
        raw = request.prompt.type == "raw"
        prompts[request.id] = tuple(make_tokenizer()(request.rendered, add_special_tokens=raw)["input_ids"])
    texts = []
    for one in all_facts(path):
        both = {requests[name].checkpoint: prompts[name] for name in (one.request_id, one.other_id)}
        texts.append(Text(one.request_id, one.other_id, one.author, one.ids, one.ended, one.encoded_again, both))
    return [facts for batch in read_texts(texts, teachers, shared=True) for facts in batch]


def test_the_same_server_twice_is_unshifted_and_the_command_says_what_is_not_known(config, tmp_path):
    side = config.checkpoints[0]
    same = config.model_copy(update={"checkpoints": (side, side.model_copy(update={"name": "candidate"}))})
    pipeline.run(same, out=tmp_path / "run")
    result = CliRunner().invoke(cli, ["tokens", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    assert "≥ 0" in result.output
    assert "tells the 20 likeliest tokens" in result.output and "vLLM 0.32.0" in result.output
    run = pipeline.load_run(tmp_path / "run")
    assert {one.own.kl_candidate for one in run.token_facts.values()} <= {(0.0,) * len(WORDS)}
    assert run.tokens_frame().baseline_entropy.isna().all()
    assert "of which the numbers here are lower bounds" in (tmp_path / "run" / "report.html").read_text()


def test_a_side_that_is_loaded_is_compared_with_one_that_is_served(config, checkpoints, tmp_path):
    loaded = Checkpoint(
        name="candidate", model=f"hf/{checkpoints['baseline']}", variant="base", prompt_format="raw", options={}
    )
    mixed = config.model_copy(update={"checkpoints": (config.checkpoints[0], loaded)})
    pipeline.run(mixed, out=tmp_path / "run")
    compared = read_tokens(tmp_path / "run")
    assert (compared.top, compared.same_prompts) == (TOP, True)
    for one in all_facts(tmp_path / "run"):
        assert one.baseline.ranks == one.candidate.ranks
        assert one.baseline.logprobs == pytest.approx(one.candidate.logprobs, abs=2e-4)
        assert max(one.own.kl_candidate) < 1e-4


@pytest.mark.parametrize(
    ("dialect", "options", "said"),
    [("llama-server", {"tokenizer": "x"}, "llama-server at"), ("vllm", {}, "its tokenizer must be known")],
)
def test_a_server_that_cannot_be_read_is_refused_before_anything_is_generated(config, tmp_path, dialect, options, said):
    from evalharness.config import TokenSettings

    with openai_server(dialect=dialect) as server:
        side = config.checkpoints[0].model_copy(update={"options": {"url": server.url, **options}})
        asked = config.model_copy(
            update={"checkpoints": (side, config.checkpoints[1]), "tokens": TokenSettings(limit=2)}
        )
        with pytest.raises(BackendError, match=said):
            pipeline.run(asked, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_server_that_ignores_what_was_asked_is_found_out(config):
    side = config.checkpoints[0]
    with closing(ServerBackend(side)) as backend:
        teacher = backend.teacher()
        teacher._ask = lambda body: {"choices": [{"text": " a"}]}
        with pytest.raises(BackendError, match="log-probabilities of 0 tokens of 3"):
            list(teacher.log_probabilities([(1, 2)], [(3,)]))
