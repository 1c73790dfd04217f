"""What the ollama backend relies on, against the tests' server and, with `--run-ollama`, a real one at OLLAMA_HOST.

OLLAMA_HOST=127.0.0.1:11434 pytest tests/test_ollama_contract.py --run-ollama --ollama-base NAME --ollama-instruct NAME
"""

import os
import re

import pytest
from ollama_asking import chat, completions, outcomes
from ollama_server import running_server

from evalharness.backends.ollama import OllamaBackend
from evalharness.backends.ollama_options import INT32_MAX
from evalharness.errors import UnknownModel
from evalharness.records import Checkpoint, Completion, RawPrompt

ADDRESS = os.environ.get("OLLAMA_HOST")
"""Read before the tests clean the environment."""


@pytest.fixture(params=["tests", "real"], scope="module")
def names(request):
    """The server's address, and the names of a base and of an instruct model."""
    option = request.config.getoption
    if request.param == "tests":
        with running_server() as server:
            yield server.url, "gemma3-base", "smollm2"
    elif option("--run-ollama"):
        yield ADDRESS, option("--ollama-base"), option("--ollama-instruct")
    else:
        pytest.skip("a real server is asked with --run-ollama")


@pytest.fixture
def base(names):
    yield from opened(names[0], names[1])


@pytest.fixture
def instruct(names):
    yield from opened(names[0], names[2])


def opened(host, model, **options):
    checkpoint = Checkpoint(name="s", model=f"ollama/{model}", variant="base", options={"host": host, **options})
    backend = OllamaBackend(checkpoint)
    yield backend
    backend.close()


def test_a_model_is_pinned_by_its_digests(base, instruct):
    for backend in (base, instruct):
        identity = backend.resolve().identity
        assert re.fullmatch("sha256:[0-9a-f]{64}", identity.manifest_digest)
        assert re.fullmatch("sha256:[0-9a-f]{64}", identity.weights_digest)
        assert re.match(r"\d+\.\d+", identity.versions["ollama"])
    assert base.resolve().identity.weights_digest != instruct.resolve().identity.weights_digest


def test_a_greedy_text_that_is_asked_for_again_is_the_same(base, instruct):
    for backend, prompt in ((base, RawPrompt(text="Once upon a time")), (instruct, chat("Name three fruits."))):
        [first], [again] = completions(backend, [prompt]), completions(backend, [prompt])
        assert first.text == again.text
        assert first.finish_reason in ("stop", "length")
        assert 0 < first.completion_tokens <= 20
        assert first.prompt_tokens > 0


def test_a_completion_ends_at_the_limit(base):
    [completion] = completions(base, [RawPrompt(text="1, 2, 3, 4, 5, 6, 7, 8,")], max_tokens=5)
    assert (completion.finish_reason, completion.completion_tokens) == ("length", 5)


def test_a_stop_string_is_not_part_of_the_text(base):
    [whole] = completions(base, [RawPrompt(text="Once upon a time")])
    stop = whole.text.split()[2]
    [completion] = completions(base, [RawPrompt(text="Once upon a time", stop=(stop,))])
    assert completion.finish_reason == "stop"
    assert completion.text.rstrip() == whole.text[: whole.text.index(stop)].rstrip()


def test_a_prompt_that_does_not_fit_is_refused_with_both_counts(base, instruct):
    long = "Item number one. " * 600
    for backend, prompt in ((base, RawPrompt(text=long)), (instruct, chat(long))):
        [failure, fits] = outcomes(backend, [prompt, chat("Hi") if backend is instruct else prompt], context_length=512)
        assert failure.kind == "prompt_too_long"
        assert re.fullmatch(r"the prompt has \d{4,} tokens, the context 512", failure.message)
        assert isinstance(fits, Completion) == (backend is instruct)


def test_log_probabilities_come_for_each_token(names):
    for backend in opened(names[0], names[2], logprobs=2):
        [completion] = completions(backend, [chat("Name three fruits.")])
        assert "".join(token.token for token in completion.logprobs).startswith(completion.text)
        assert all(len(token.top) == 2 and token.logprob <= 0 for token in completion.logprobs)


def test_what_the_server_says_of_a_refused_request_is_shown(names):
    """`think` is refused by a model that cannot; one that can answers."""
    for backend in opened(names[0], names[2], think=True):
        [outcome] = outcomes(backend, [chat("Hello")])
        assert isinstance(outcome, Completion) or "does not support thinking" in outcome.message


def test_every_option_that_may_be_sent_is_taken(names):
    """Sampling, penalties, threads and the largest seed: nothing that is sent may be refused."""
    for backend in opened(names[0], names[2], num_thread=1):
        config = {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "repeat_penalty": 1.1, "seed": INT32_MAX}
        completions(backend, [chat("Hello"), RawPrompt(text="Hello", stop=("\n",))], **config)


def test_a_closed_model_is_not_loaded_any_more(base):
    outcomes(base, [RawPrompt(text="Once upon a time")])
    digest = base.resolve().identity.manifest_digest.removeprefix("sha256:")
    assert digest in [model["digest"] for model in base.server.ask("GET", "/api/ps")["models"]]
    base.close()
    for again in opened(base.options.host, base.checkpoint.model_name):
        assert digest not in [model["digest"] for model in again.server.ask("GET", "/api/ps")["models"]]


def test_a_model_that_is_not_pulled_is_named_with_the_command(names):
    for backend in opened(names[0], "no-such-model:1b"):
        with pytest.raises(UnknownModel) as caught:
            backend.resolve()
        assert caught.value.fix == "ollama pull no-such-model:1b"
