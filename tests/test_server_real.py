"""The server backend against real servers: `transformers serve` in each run, others by a flag.

pytest tests/test_server_real.py --llama-server llama.cpp/build/bin/llama-server
pytest tests/test_server_real.py --server http://127.0.0.1:8000 --server-model NAME --server-tokenizer FOLDER
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from importlib.util import find_spec

import httpx
import pytest
import torch
from ollama_asking import chat
from test_server import requests_for

from evalharness.backends.hf import HfBackend
from evalharness.backends.server import ServerBackend
from evalharness.errors import BackendError
from evalharness.records import Checkpoint, Completion, Failure, RawPrompt
from evalharness.weights import loading
from evalharness.weights.bundled import LOCATE

os.environ["KEY_OF_THE_GIVEN_SERVER"] = os.environ.get("OPENAI_API_KEY", "")
"""The tests clean the environment of the usual name."""
KEY = os.environ["KEY_OF_LLAMA_SERVER"] = "sk-of-the-llama-server"
PROMPTS = [RawPrompt(text="Once upon a time, there"), RawPrompt(text="1, 2, 3, 4, 5,"), chat("Name three fruits.")]
NEAR_TIE = 0.3
"""Nats. llama.cpp multiplies quantized weights with activations of eight bits, transformers with those of 32."""
EXTRAS = ("fastapi", "uvicorn", "openai")


@pytest.fixture(scope="session")
def smollm2():
    """The bundled checkpoint as it is unpacked, which servers load."""
    return loading.find_source(str(LOCATE["smollm2"]())).folder


@pytest.fixture(scope="session")
def transformers_serve(smollm2, tmp_path_factory):
    """The address of `transformers serve`, which lists another model than the one that it was started with."""
    if missing := [name for name in EXTRAS if find_spec(name) is None]:
        pytest.skip(f"no {', '.join(missing)}: pip install 'transformers[serving]'")
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(smollm2), "--device", "cpu"]
    cache = tmp_path_factory.mktemp("cache")
    listed = cache / "hub" / "models--someone--cached"
    for name, text in {"refs/main": "a1", "snapshots/a1/config.json": (smollm2 / "config.json").read_text()}.items():
        (listed / name).parent.mkdir(parents=True)
        (listed / name).write_text(text)
    with started(*command, HF_HOME=str(cache)) as url:
        yield url


@pytest.fixture(scope="session")
def llama_server(request):
    """The address of a llama-server with the bundled SmolLM2, which needs a key."""
    program = request.config.getoption("--llama-server")
    if program is None:
        pytest.skip("no llama-server: it is started with --llama-server PATH")
    command = [program, "-m", str(LOCATE["smollm2"]()), "--alias", "smol", "-c", "2048", "-np", "1", "-t", "1"]
    with started(*command, "--api-key", KEY) as url:
        yield url


@contextmanager
def started(*command, **variables):
    """A server on a free port, stopped at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*command, "--host", "127.0.0.1", "--port", str(port)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", **variables}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield wait_for(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()


def wait_for(url, process):
    for _ in range(1200):
        assert process.poll() is None, "the server ended"
        try:
            httpx.get(f"{url}/health", timeout=1)
            return url
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


@pytest.fixture(scope="session", params=["transformers serve", "llama-server", "given"])
def served(request):
    """The options of a checkpoint on a server, its name there, and the folder of its weights."""
    option = request.config.getoption
    if request.param == "transformers serve":
        folder = request.getfixturevalue("smollm2")
        options = {"url": request.getfixturevalue("transformers_serve"), "tokenizer": str(folder)}
        return options, str(folder), folder
    if request.param == "llama-server":
        url, file = request.getfixturevalue("llama_server"), str(LOCATE["smollm2"]())
        return {"url": url, "tokenizer": file, "key_env": "KEY_OF_LLAMA_SERVER"}, "smol", file
    if option("--server") is None:
        pytest.skip("another server is asked with --server ADDRESS")
    options = {"url": option("--server"), "tokenizer": option("--server-tokenizer")}
    options["key_env"] = "KEY_OF_THE_GIVEN_SERVER"
    return options, option("--server-model"), option("--server-tokenizer")


@pytest.fixture(scope="module")
def backend(served):
    """The checkpoint on the server, prompted raw and probed once."""
    backend = opened(served)
    yield backend
    backend.close()


def opened(served, **options):
    options = {"concurrency": 1, **served[0], **options}
    name = options.pop("name", served[1])
    checkpoint = Checkpoint(name="side", model=f"server/{name}", variant="base", prompt_format="raw", options=options)
    return ServerBackend(checkpoint)


pytestmark = pytest.mark.checkpoints


def checkpoint_of(served):
    return Checkpoint(name="side", model=f"hf/{served[2]}", variant="base", options={"dtype": "float32"})


def outcomes(backend, prompts, **config):
    events = backend.generate(requests_for(backend, prompts, **{"max_tokens": 12, **config}))
    return [event for event in events if isinstance(event, Completion | Failure)]


def test_greedy_text_is_that_of_the_hf_backend_in_float32(served, backend):
    local = HfBackend(checkpoint_of(served))
    expected = {event.request_id: event for event in outcomes(local, PROMPTS)}
    in_order = [expected[request.id] for request in requests_for(local, PROMPTS, max_tokens=12)]
    ours = outcomes(backend, PROMPTS)
    assert [one.prompt_tokens for one in ours] == [one.prompt_tokens for one in in_order]
    quantized = "llama-server" in backend.resolve().identity.versions
    for prompt, *pair in zip(PROMPTS, ours, in_order, strict=True):
        same = pair[0].text == pair[1].text and pair[0].finish_reason == pair[1].finish_reason
        nats, shown = (0.0, "") if same else parting(local, prompt, *pair)
        assert same or (quantized and nats < NEAR_TIE), shown
    local.close()


def parting(local, prompt, ours, theirs):
    """How much likelier the local token is than the server's where the texts part, in nats, and both."""
    teacher, [rendered] = local.teacher(), local.render([prompt])
    ids = [teacher.encode(one.text) for one in (ours, theirs)]
    at = next(at for at, (one, other) in enumerate(zip(*ids, strict=False)) if one != other)
    logits = torch.cat(list(teacher.logits([rendered.token_ids], [ids[1][: at + 1]], columns=16)), dim=1)
    chosen = logits[0, at].log_softmax(-1)[[ids[0][at], ids[1][at]]].tolist()
    words = [teacher.text_of(token[at]) for token in ids]
    return chosen[1] - chosen[0], f"token {at} of {prompt}: {words} with {chosen}"


def test_what_is_probed_is_so(backend):
    said = " ".join(backend.resolve().notes)
    assert "with 0 BOS in front, and the server reads the tokens of" in said
    assert "A seed repeats a draw." in said
    draws = [outcomes(backend, PROMPTS[:1], temperature=2.0, seed=seed, max_tokens=6)[0] for seed in (1, 1, 2)]
    assert draws[0].text == draws[1].text != draws[2].text


def test_log_probabilities_and_ranks_of_given_tokens_are_those_of_the_hf_backend_in_float32(served, backend):
    if not backend._served.dialect.reads:
        with pytest.raises(BackendError, match="gives no probabilities of given tokens"):
            backend.teacher()
        return
    with closing(HfBackend(checkpoint_of(served))) as local:
        teacher, [prompt] = local.teacher(), [local.render(PROMPTS[:1])[0].token_ids]
        completion = teacher.encode(" was a river that ran up the hill. zebra")
        logits = torch.cat(list(teacher.logits([prompt], [completion], columns=64)), dim=1)[0].float()
    expected = logits.log_softmax(-1)
    own = expected.gather(-1, torch.tensor(completion)[:, None])
    [known] = backend.teacher().log_probabilities([prompt], [completion])
    assert [one.rank for one in known] == (1 + (expected > own).sum(-1)).tolist()
    assert [one.logprob for one in known] == pytest.approx(own[:, 0].tolist(), abs=2e-3)
    assert [one.likeliest[0][0] for one in known] == expected.argmax(-1).tolist()


def test_a_stop_string_is_not_part_of_the_text(backend):
    [whole] = outcomes(backend, PROMPTS[:1])
    stop = whole.text.split()[2]
    [stopped] = outcomes(backend, [RawPrompt(text=PROMPTS[0].text, stop=(stop,))])
    assert (stopped.finish_reason, stopped.stopped_by) == ("stop", stop)
    assert stopped.text == whole.text[: whole.text.index(stop)]


def test_a_model_that_it_does_not_serve_is_an_error_that_names_the_one_it_serves(served, backend):
    with pytest.raises(BackendError) as caught, closing(opened(served, name="no-such-model")) as other:
        other.resolve()
    assert f"server/{served[1]}" in caught.value.fix


def test_a_text_that_repeats_is_penalized_over_its_whole_length(served, backend):
    """The word to repeat is more than 64 tokens back."""
    prompt = RawPrompt(text="zebra, " + "1, 2, 3, 4, 5, 6, 7, 8, 9, " * 4 + "zebra,")
    local = HfBackend(Checkpoint(name="side", model=f"hf/{served[2]}", variant="base", options={"dtype": "float32"}))
    [[theirs], [ours]] = (outcomes(one, [prompt], repeat_penalty=1.5, max_tokens=6) for one in (local, backend))
    local.close()
    assert ours.text == theirs.text


def test_a_prompt_that_does_not_fit_is_a_failure(backend):
    [failure] = outcomes(backend, [RawPrompt(text="word " * 600)], context_length=512)
    assert (failure.kind, failure.message) == ("prompt_too_long", "the prompt has 601 tokens, the context 512")
