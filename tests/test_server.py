"""The server backend against a strict server in each dialect: what silently distorts a comparison there."""

import itertools
import json
import logging
import re
import signal
import ssl
import subprocess
import threading
import time
from importlib.util import find_spec

import httpx
import pytest
from command import EVALHARNESS, call
from ollama_asking import chat
from openai_server import LLAMA_SERVER, NEEDED, openai_server, rendered
from tiny_checkpoint import make_tokenizer

from evalharness import load_run
from evalharness.backends.asking import Pace, in_flight
from evalharness.backends.server import ServerBackend
from evalharness.backends.server_dialects import DIALECTS
from evalharness.backends.server_survey import ServerSurvey
from evalharness.backends.server_wire import address
from evalharness.backends.wire import ServerError
from evalharness.errors import BackendError, ConfigError, UnknownModel
from evalharness.records import (
    Checkpoint,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Notice,
    RawPrompt,
)

KEY = "sk-a-secret-that-must-not-be-stored"
TAKE_IDS = ["vllm", "sglang", "llama-server"]
SIDES = ("--base", "server/meadow", "--instruct", "server/meadow", "--suite", "smoke", "--max-tokens", "20")


@pytest.fixture
def server():
    with openai_server() as server:
        yield server


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    """A folder with a tokenizer that puts a BOS in front, and no weights."""
    folder = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(bos=True).save_pretrained(folder)
    return folder


@pytest.fixture
def open_model(server):
    """Opens models of the server; they are closed at the end."""
    opened = []

    def open_one(model="meadow", variant="base", **options):
        options = {"url": server.url, "backoff": 0.01, **options}
        checkpoint = Checkpoint(name="side", model=f"server/{model}", variant=variant, options=options)
        opened.append(ServerBackend(checkpoint))
        return opened[-1]

    yield open_one
    for backend in opened:
        backend.close()


def requests_for(backend, prompts, **config):
    resolved = backend.resolve()
    config = backend.resolve_config(prompts, GenerationConfig(**{"max_tokens": 20, **config}))
    return [
        GenerationRequest.of(resolved, f"s{number}", prompt, rendered, config)
        for number, (prompt, rendered) in enumerate(zip(prompts, backend.render(prompts), strict=True))
    ]


def outcomes(backend, prompts, **config):
    requests = requests_for(backend, prompts, **config)
    events = [event for event in backend.generate(requests) if not isinstance(event, Notice)]
    assert [event.request_id for event in events] == [request.id for request in requests]
    return events


def sent(server, prompts):
    """The bodies of the last requests."""
    return server.bodies[-len(prompts) :]


# ---------------------------------------------------------------------------------------- dialects


@pytest.mark.parametrize("dialect", NEEDED)
@pytest.mark.parametrize("prompt", [RawPrompt(text="Once upon", stop=("\n\n",)), chat("Hello")], ids=["raw", "chat"])
def test_each_dialect_is_recognized_and_sent_all_that_it_needs_and_nothing_else(server, open_model, dialect, prompt):
    """The test server refuses a field that the real one would ignore, and an option left to its defaults."""
    server.set(dialect=dialect)
    backend = open_model(variant="instruct" if prompt.type == "chat" else "base")
    [completion] = outcomes(backend, [prompt])
    assert isinstance(completion, Completion), completion.message
    assert completion.finish_reason in ("stop", "length")
    resolved, title = backend.resolve(), DIALECTS[dialect].title
    assert resolved.notes[0].startswith(f"Served by {title}")
    assert list(resolved.identity.versions) == ([] if dialect == "generic" else [title])
    assert sent(server, [prompt])[0]["seed"] == 0


@pytest.mark.parametrize("dialect", TAKE_IDS)
def test_raw_prompts_are_sent_as_the_tokenizer_s_ids_with_one_bos(server, open_model, tokenizer, dialect):
    by_hand = make_tokenizer(bos=True)
    server.set(dialect=dialect, tokenizer=by_hand, extra_bos=1)
    prompts = [RawPrompt(text=text) for text in ("Once upon a time", "é🙂 and more", " spaced ")]
    backend = open_model(tokenizer=str(tokenizer))
    requests = requests_for(backend, prompts)
    assert all(isinstance(event, Completion | Notice) for event in backend.generate(requests))
    expected = [by_hand(prompt.text)["input_ids"] for prompt in prompts]
    assert [body["prompt"] for body in sent(server, prompts)] == expected
    assert [ids.count(by_hand.bos_token_id) for ids in expected] == [1, 1, 1]
    assert [request.prompt_tokens for request in requests] == [len(ids) for ids in expected]
    assert any("token ids, with 1 BOS in front" in note for note in backend.resolve().notes)


@pytest.mark.parametrize("dialect", ["transformers", "lmstudio", "generic"])
def test_a_server_that_takes_text_alone_gets_text_whose_tokens_are_counted(server, open_model, tokenizer, dialect):
    server.set(dialect=dialect, tokenizer=make_tokenizer(bos=True))
    backend = open_model(tokenizer=str(tokenizer))
    [completion] = outcomes(backend, [RawPrompt(text="Once upon a time")])
    assert sent(server, [0])[0]["prompt"] == "Once upon a time"
    assert completion.prompt_tokens == len("Once upon a time") + 1
    assert any("sent as text, with 1 BOS in front, and the server reads" in note for note in backend.resolve().notes)


def test_a_server_that_adds_another_bos_than_the_tokenizer_is_found_out(server, open_model, tokenizer):
    server.set(dialect="generic", tokenizer=make_tokenizer(bos=True), extra_bos=1)
    with pytest.raises(BackendError, match=r"reads 21 tokens where .* makes 20 of a text"):
        open_model(tokenizer=str(tokenizer)).resolve()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_without_a_tokenizer_the_bos_is_counted_by_usage(server, open_model, count):
    server.set(extra_bos=count)
    assert any(f"sent as text, with {count} BOS in front" in note for note in open_model().resolve().notes)


def test_a_chat_is_recorded_as_the_tokenizer_renders_it_where_the_server_reads_as_many_tokens(
    server, open_model, tokenizer
):
    server.set(tokenizer=make_tokenizer(bos=True))
    backend = open_model(variant="instruct", tokenizer=str(tokenizer))
    [request] = requests_for(backend, [chat("Hello")])
    assert request.rendered == rendered([{"role": "user", "content": "Hello"}])
    server.set(tokenizer=make_tokenizer(bos=True, words=["assistant"]))
    backend = open_model(variant="instruct", tokenizer=str(tokenizer))
    assert requests_for(backend, [chat("Hello")])[0].rendered is None
    assert any("rendered prompts are not known" in note for note in backend.resolve().notes)


def test_a_server_that_reads_other_prompts_than_planned_is_not_asked(server, open_model, tokenizer):
    server.set(tokenizer=make_tokenizer(bos=True))
    requests = requests_for(open_model(variant="instruct", tokenizer=str(tokenizer)), [chat("Hello")])
    server.set(tokenizer=make_tokenizer(bos=True, words=["assistant"]))
    with pytest.raises(BackendError, match="no longer reads prompts as when the run was planned"):
        list(open_model(variant="instruct", tokenizer=str(tokenizer)).generate(requests))


def test_llama_server_tells_the_prompt_that_its_template_makes(server, open_model):
    server.set(dialect="llama-server")
    backend = open_model(variant="instruct")
    events = list(backend.generate(requests_for(backend, [chat("Hello")])))
    [said] = [event.message for event in events if isinstance(event, Notice) and event.kind == "rendered"]
    assert said == rendered([{"role": "user", "content": "Hello"}])


def test_an_ollama_server_is_named_and_not_asked(server, open_model):
    server.set(dialect="ollama")
    with pytest.raises(BackendError, match="is an Ollama server") as caught:
        open_model().resolve()
    assert "ollama/NAME" in caught.value.fix
    assert not server.bodies


@pytest.mark.parametrize(
    ("config", "said"), [({"top_k": 40}, "takes no top_k"), ({"repeat_penalty": 1.1}, "takes no repeat_penalty")]
)
def test_an_option_that_the_server_does_not_know_is_refused_and_not_dropped(server, open_model, config, said):
    server.set(dialect="generic")
    with pytest.raises(ConfigError, match=said):
        requests_for(open_model(), [RawPrompt(text="a")], **config)
    server.set(dialect="vllm")
    assert requests_for(open_model(), [RawPrompt(text="a")], **config)


def test_transformers_serve_is_told_to_draw(server, open_model):
    """With `temperature` alone it stays greedy and says nothing."""
    server.set(dialect="transformers")
    outcomes(open_model(), [RawPrompt(text="a")], temperature=0.7, top_k=5)
    settings = json.loads(sent(server, [0])[0]["generation_config"])
    assert (settings["do_sample"], settings["temperature"], settings["top_k"]) == (True, 0.7, 5)


# ------------------------------------------------------------------------------------------- probe


def notes(backend):
    return " ".join(backend.resolve().notes)


def test_what_the_server_honours_is_measured_and_said(server, open_model):
    assert "same greedy request gave the same text. A seed repeats a draw. The server gives log-pro" in notes(
        open_model()
    )
    server.set(honours_seed=False, gives_logprobs=False, counts=False)
    said = notes(open_model())
    assert "The seed is ignored: draws do not repeat. The server gives no log-probabilities." in said
    assert "a prompt that it cuts would go unnoticed" in said


def test_a_server_that_ignores_temperature_is_not_asked_to_draw(server, open_model):
    server.set(draws=False)
    assert "Temperature is ignored." in notes(open_model())
    with pytest.raises(ConfigError, match="ignores temperature"):
        requests_for(open_model(), [RawPrompt(text="a")], temperature=0.7)


@pytest.mark.parametrize("prompt", [RawPrompt(text="Once"), chat("Hello")], ids=["raw", "chat"])
def test_log_probabilities_are_kept_and_refused_where_there_are_none(server, open_model, prompt):
    variant = "instruct" if prompt.type == "chat" else "base"
    [completion] = outcomes(open_model(variant=variant, logprobs=1), [prompt])
    assert "".join(token.token for token in completion.logprobs) == completion.text
    assert all(token.top for token in completion.logprobs)
    server.set(gives_logprobs=False)
    with pytest.raises(BackendError, match="gives no log-probabilities"):
        open_model(variant=variant, logprobs=1).resolve()


# ---------------------------------------------------------------------------------- long prompts, ends


@pytest.mark.parametrize("dialect", ["vllm", "llama-server"])
@pytest.mark.parametrize("known", [True, False], ids=["tokenizer", "no tokenizer"])
def test_a_prompt_that_does_not_fit_is_a_failure(server, open_model, tokenizer, known, dialect):
    server.set(context=128, tokenizer=make_tokenizer(bos=True), dialect=dialect)
    options = {"tokenizer": str(tokenizer)} if known else {}
    long, fits = outcomes(open_model(**options), [RawPrompt(text="word " * 30), RawPrompt(text="word")])
    assert long.kind == "prompt_too_long"
    assert "151" in long.message
    assert isinstance(fits, Completion)


def test_no_more_tokens_are_asked_for_than_fit_behind_the_prompt(server, open_model, tokenizer):
    server.set(context=64, tokenizer=make_tokenizer(bos=True))
    outcomes(open_model(tokenizer=str(tokenizer)), [RawPrompt(text="x" * 53)], max_tokens=50)
    assert sent(server, [0])[0]["max_tokens"] == 10


@pytest.mark.parametrize("known", [True, False], ids=["tokenizer", "no tokenizer"])
def test_a_server_that_cuts_a_prompt_silently_is_found_out(server, open_model, tokenizer, known):
    server.set(tokenizer=make_tokenizer(bos=True) if known else None)
    backend = open_model(**({"tokenizer": str(tokenizer)} if known else {}))
    requests = requests_for(backend, [RawPrompt(text="word " * 100)])
    server.set(reads=0.4)
    [failure] = [event for event in backend.generate(requests) if not isinstance(event, Notice)]
    assert failure.kind == "prompt_too_long"
    assert re.search(r"the server read \d+ tokens of a prompt of (501|100 words)", failure.message)


def test_a_stop_string_is_not_part_of_the_text_even_where_the_server_leaves_it_in(server, open_model):
    [whole] = outcomes(open_model(), [RawPrompt(text="Once upon")])
    stop = whole.text.split()[2]
    for keeps, dialect in ((False, "vllm"), (True, "vllm"), (False, "llama-server")):
        server.set(keeps_stop=keeps, dialect=dialect)
        [completion] = outcomes(open_model(), [RawPrompt(text="Once upon", stop=(stop,))])
        assert (completion.finish_reason, completion.stopped_by) == ("stop", stop)
        assert completion.text == whole.text[: whole.text.index(stop)]


def test_a_loop_that_the_server_aborts_is_a_completion_and_said_so(open_model):
    [outcome] = outcomes(open_model(), [RawPrompt(text="[loop]")], max_tokens=200)
    assert (outcome.finish_reason, outcome.attempts) == ("loop_abort", 1)


def test_thoughts_are_kept_apart_and_switched_off_by_default(open_model):
    [silent] = outcomes(open_model(variant="instruct"), [chat("[think] Hello")])
    [thought] = outcomes(open_model(variant="instruct", think=True), [chat("[think] Hello")])
    assert silent.thinking is None
    assert thought.thinking == "Let me think."
    assert "think" not in thought.text


# ------------------------------------------------------------------------------------ llama-server


def paths(data, at=""):
    """The fields of an object, with those within."""
    if isinstance(data, list):
        return {path for inner in data for path in paths(inner, at)}
    if not isinstance(data, dict):
        return set()
    return {f"{at}{name}" for name in data} | {path for name in data for path in paths(data[name], f"{at}{name}.")}


def objects(text):
    lines = (line.removeprefix("data: ") for line in text.splitlines())
    return [json.loads(line) for line in lines if line.startswith(("{", "[")) and line != "[DONE]"]


ASKED = [name for name, recording in LLAMA_SERVER.items() if recording["method"] == "POST"]
FAULTS = {"loading": {"loading": 1}, "wrong_key": {"key": "another"}, "shared_context": {"shared": 1}}


@pytest.mark.parametrize("name", LLAMA_SERVER)
def test_the_tests_server_answers_as_a_real_llama_server_did(server, name):
    recorded = LLAMA_SERVER[name]
    server.set(dialect="llama-server", model="smol", **FAULTS.get(name, {}))
    body = recorded["body"]
    if name.startswith("too_long"):
        server.set(context=4)
    if name == "shared_context":
        body = LLAMA_SERVER["raw"]["body"]
    answer = httpx.request(recorded["method"], server.url + recorded["path"], json=body)
    assert answer.status_code == recorded["status"]
    known = {path for one in ASKED for path in paths(objects(LLAMA_SERVER[one]["text"]))}
    assert paths(objects(answer.text)) <= (known if name in ASKED else paths(objects(recorded["text"])))


@pytest.mark.parametrize("name", ["raw", "raw_logprobs", "raw_stop", "raw_drawn", "chat", "chat_logprobs", "chat_end"])
def test_what_is_sent_is_what_a_real_llama_server_was_seen_to_honour(server, open_model, name):
    recorded = LLAMA_SERVER[name]["body"]
    server.set(dialect="llama-server", context=2048)
    chats = "messages" in recorded
    stop = tuple(recorded.get("stop", ()))
    prompt = chat("Hello") if chats else RawPrompt(text="Hello", stop=stop)
    options = {} if "logprobs" not in recorded else {"logprobs": 1}
    config = {
        name: recorded[name] for name in ("temperature", "top_p", "top_k", "repeat_penalty", "max_tokens", "seed")
    }
    outcomes(open_model(variant="instruct" if chats else "base", **options), [prompt], **config)
    [body] = sent(server, [prompt])
    told = [one["__verbose"] for one in objects(LLAMA_SERVER[name]["text"]) if "generation_settings" in str(one)]
    honoured = told[-1]["generation_settings"]
    unseen = {"model", "prompt", "messages", "stream_options", "verbose", "cache_prompt", "chat_template_kwargs"}
    unseen |= {"logprobs", "top_logprobs"}
    assert body.keys() == recorded.keys()
    for field in body.keys() - unseen:
        assert honoured[field] == pytest.approx(body[field]), field
    assert honoured["n_probs"] == recorded.get("top_logprobs", recorded.get("logprobs", 0))


def test_a_llama_server_that_loads_its_model_is_waited_for_and_not_taken_for_another(server, open_model, monkeypatch):
    server.set(dialect="llama-server", loading=3)
    assert "llama-server" in open_model().resolve().identity.versions
    server.set(loading=1)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    [check] = ServerSurvey().checks()
    assert "Loading model" in check.found


def test_a_repeat_penalty_looks_at_the_whole_text(server, open_model):
    """By default a llama-server looks at the last 64 tokens, other engines at all."""
    server.set(dialect="llama-server", context=512)
    outcomes(open_model(), [RawPrompt(text="a")], repeat_penalty=1.1)
    assert sent(server, [0])[0]["repeat_last_n"] == 512


def test_slots_that_have_filled_their_common_context_are_asked_again_and_fewer_at_once(server, open_model, caplog):
    server.set(dialect="llama-server")
    backend = open_model(backoff=0.5)
    requests = requests_for(backend, [RawPrompt(text="a b c")])
    backend.pace.limit = 8
    server.set(shared=2)
    [completion] = [event for event in backend.generate(requests) if not isinstance(event, Notice)]
    assert isinstance(completion, Completion), completion.message
    assert completion.attempts == 3
    assert backend.pace.limit < 8
    assert "Its slots share one context: start it with a larger -c" in caplog.text


def test_log_probabilities_without_alternatives_are_given_by_a_llama_server_too(server, open_model):
    server.set(dialect="llama-server")
    [completion] = outcomes(open_model(logprobs=0), [RawPrompt(text="Once")])
    assert completion.logprobs


def test_a_llama_server_s_model_is_known_by_its_other_names_and_told_from_one_with_an_adapter(server, open_model):
    server.set(dialect="llama-server")
    plain = open_model().resolve().identity.weights_digest
    server.set(context=256)
    assert open_model().resolve().identity.weights_digest == plain
    assert open_model("another name").resolve()
    server.set(loras=[{"id": 0, "path": "adapter.gguf", "scale": 1.0}])
    tuned = open_model().resolve().identity.weights_digest
    server.set(loras=[{"id": 0, "path": "adapter.gguf", "scale": 2.0}])
    assert len({plain, tuned, open_model().resolve().identity.weights_digest}) == 3


# -------------------------------------------------------------------------------------------- key


def files_with(folder, text):
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_run_shows_the_probe_and_holds_the_key_nowhere(server, tmp_path):
    server.set(key=KEY, honours_seed=False)
    env = {"OPENAI_BASE_URL": server.url + "/v1", "OPENAI_API_KEY": KEY}
    good = call("run", *SIDES, "--limit", "3", "--out", "r", cwd=tmp_path, env=env)
    report = (tmp_path / "r" / "report.html").read_text().replace("\xa0", " ")
    assert "The seed is ignored: draws do not repeat." in report
    doctor = call("doctor", "--model", "server/meadow", "--json", cwd=tmp_path, env=env)
    found = {check["name"]: check["found"] for check in json.loads(doctor.stdout)}
    assert "The seed is ignored" in found["one token of server/meadow"]
    assert found["server"] == f"vLLM 0.32.0 at {server.url}: server/meadow"
    server.set(key="another")
    bad = call("run", *SIDES, "--out", "r2", cwd=tmp_path, env=env, code=2)
    assert "refuses the key in OPENAI_API_KEY: Incorrect API key provided: Bearer [key]" in bad.stderr
    assert not any(KEY in text for one in (good, bad, doctor) for text in (one.stdout, one.stderr))
    assert not files_with(tmp_path, KEY)


@pytest.mark.parametrize("key", ["sk-secret\nsk-secret", "sk-secrét"])
def test_a_key_that_cannot_be_a_header_is_not_shown(open_model, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(BackendError, match="is not plain text") as caught:
        open_model().resolve()
    assert "secr" not in caught.value.problem + caught.value.fix


@pytest.mark.parametrize(
    "option",
    [
        {"api_key": "sk-secret"},
        {"url": "http://user:sk-secret@127.0.0.1:1/v1"},
        {"url": "http://127.0.0.1:1/v1#sk-secret"},
    ],
)
def test_a_key_among_the_options_is_refused_without_being_shown(open_model, option):
    with pytest.raises((BackendError, ConfigError)) as caught:
        open_model(**option).resolve()
    assert "sk-secret" not in caught.value.problem + caught.value.fix


def test_another_variable_can_hold_the_key(server, open_model, monkeypatch):
    server.set(key=KEY)
    monkeypatch.setenv("OTHER_KEY", KEY)
    assert open_model(key_env="OTHER_KEY").resolve()
    with pytest.raises(BackendError, match="asks for a key"):
        open_model().resolve()


# ------------------------------------------------------------------------------------------ faults


def test_workers_behind_one_address_that_serve_different_weights_are_refused(server, open_model):
    server.set(roots=itertools.cycle(["/models/meadow", "/models/meadow-v2"]))
    with pytest.raises(BackendError, match=r"is more than one meadow: .*/models/meadow'.*, and .*/models/meadow-v2"):
        open_model().resolve()


def test_a_model_that_is_not_served_is_named_with_those_that_are(open_model):
    with pytest.raises(UnknownModel) as caught:
        open_model("none").resolve()
    assert caught.value.fix == "use server/meadow"


@pytest.mark.parametrize("lists", [[], ["other"]])
def test_models_that_a_server_lists_are_suggested_only_if_the_error_is_about_the_name(server, open_model, lists):
    server.set(dialect="transformers", lists=lists)
    backend = open_model("none")
    with pytest.raises(BackendError, match="`none` does not exist") as caught:
        backend.resolve()
    assert ("it lists server/other" in caught.value.fix) == bool(lists)
    for error in (ServerError("Not Found", 404), ServerError("there is no none", 400)):
        fault = backend.server.meaning(error, {"model": "none"})
        assert ("it lists" in backend.server.failed(fault).fix) == bool(lists)
    fault = backend.server.meaning(ServerError("temperature must be below 2", 422), {"model": "none"})
    assert backend.server.failed(fault).fix == "look at the server's log"


@pytest.mark.parametrize("given", ["", "127.0.0.1:8000", "ftp://host", "http://host:99999", "http://"])
def test_what_is_no_address_is_refused(given):
    with pytest.raises(BackendError, match="address"):
        address(given)


def test_a_server_that_is_not_there_is_said_to_be_so(open_model):
    with pytest.raises(BackendError, match="does not answer") as caught:
        open_model(url="http://127.0.0.1:9").resolve()
    assert "OPENAI_BASE_URL" in caught.value.fix


def test_https_to_a_server_of_http_says_which_of_the_two_to_write(server, open_model):
    with pytest.raises(BackendError, match="seems to expect http") as caught:
        open_model(url=server.url.replace("http", "https")).resolve()
    assert caught.value.fix == "write http:// instead of https://"


@pytest.mark.parametrize("fault", ["SSL: WRONG_VERSION_NUMBER] wrong version number", "SSL] record layer failure"])
def test_each_spelling_of_openssl_is_known(open_model, fault):
    error = open_model(url="https://127.0.0.1:9").server.gone(f"[{fault} (_ssl.c:1010)")
    assert error.fix == "write http:// instead of https://"


def test_http_to_a_server_of_https_says_which_of_the_two_to_write(open_model):
    """It has no certificate, so that it refuses each client, but in TLS."""
    with openai_server() as server:
        server.socket = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket(server.socket, server_side=True)
        with pytest.raises(BackendError, match="seems to expect https") as caught:
            open_model(url=server.url).resolve()
    assert caught.value.fix == "write https:// instead of http://"


def test_a_storm_of_refusals_passes_and_lowers_the_requests_in_flight(server, open_model, caplog):
    """Eight at once are answered, more are refused with 429."""
    server.set(capacity=8, token_seconds=0.003)
    backend = open_model(attempts=30)
    prompts = [RawPrompt(text=f"prompt {number}") for number in range(120)]
    result = outcomes(backend, prompts)
    assert all(isinstance(outcome, Completion) for outcome in result)
    assert 429 in server.statuses
    assert backend.pace.limit <= 16


def test_the_wait_that_the_server_asks_for_is_kept(server, open_model, caplog):
    backend = open_model()
    requests = requests_for(backend, [RawPrompt(text="a")])
    server.set(busy=1, wait=1)
    start = time.monotonic()
    with caplog.at_level(logging.WARNING):
        [completion] = [event for event in backend.generate(requests) if isinstance(event, Completion)]
    assert completion.attempts == 2
    assert time.monotonic() - start >= 1
    assert "too many requests; attempt 2 of 10 in 1." in caplog.text


def test_what_all_requests_in_flight_meet_is_reported_once(server, open_model, caplog):
    backend = open_model(attempts=3, backoff=0.5, concurrency=8)
    requests = requests_for(backend, [RawPrompt(text=f"prompt {number}") for number in range(8)])
    server.set(capacity=0)
    with caplog.at_level(logging.WARNING):
        assert all(isinstance(event, Failure | Notice) for event in backend.generate(requests))
    assert [caplog.text.count(f"attempt {number} of 3") for number in (2, 3)] == [1, 1]


@pytest.mark.parametrize("dialect", ["vllm", "llama-server"])
def test_a_connection_that_is_closed_before_the_answer_is_opened_again_at_once(server, open_model, dialect):
    server.set(dialect=dialect)
    backend = open_model(backoff=60)
    requests = requests_for(backend, [RawPrompt(text="a")])
    server.set(closes=2)
    [completion] = [event for event in backend.generate(requests) if isinstance(event, Completion)]
    assert completion.attempts == 1


def test_a_broken_stream_is_asked_for_again(server, open_model):
    backend = open_model()
    requests = requests_for(backend, [RawPrompt(text="a b c")])
    expected = [event.text for event in backend.generate(requests) if isinstance(event, Completion)]
    server.set(broken=2)
    [again] = [event for event in backend.generate(requests) if isinstance(event, Completion)]
    assert ([again.text], again.attempts) == (expected, 3)


def test_a_slow_first_token_is_waited_for_and_a_silent_server_is_a_timeout(server, open_model):
    patient, hasty = open_model(timeout=5), open_model(timeout=0.2)
    requests = [requests_for(backend, [RawPrompt(text="a")]) for backend in (patient, hasty)]
    server.set(slow_first=0.6)
    assert isinstance(list(patient.generate(requests[0]))[1], Completion)
    failure = list(hasty.generate(requests[1]))[1]
    assert (failure.kind, failure.attempts) == ("timeout", 2)


def test_a_killed_run_is_resumed_to_the_same_outcomes(server, tmp_path):
    env = {"OPENAI_BASE_URL": server.url}
    call("run", *SIDES, "--out", "whole", cwd=tmp_path, env=env)
    server.set(token_seconds=0.02)
    command = [EVALHARNESS, "run", *SIDES, "--out", "r", "-M", f"url={server.url}"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        path = tmp_path / "r" / "outcomes.jsonl"
        while not path.exists() or path.read_bytes().count(b"completion_tokens") < 3:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    server.set(token_seconds=0.0)
    assert 3 <= len(load_run(tmp_path / "r").outcomes) < 16
    call("run", "--out", "r", "--resume", cwd=tmp_path)
    texts = [[o.text for o in load_run(tmp_path / name).outcomes.values()] for name in ("whole", "r")]
    assert texts[0] == texts[1]


# ------------------------------------------------------------------------------------------- pace


@pytest.mark.parametrize("capacity", [1, 4, 12, 100])
def test_requests_in_flight_rise_until_the_throughput_does_not(capacity):
    now = [0.0]
    pace = Pace(clock=lambda: now[0])
    flying, most = [], 0
    for _ in range(6000):
        while len(flying) < pace.limit:
            # A server with so many slots: a request waits for the first that is free.
            busy = sorted(flying)[-capacity:]
            start = now[0] if len(flying) < capacity else busy[0]
            flying.append(max(start, now[0]) + 1.0)
        most = max(most, len(flying))
        flying.sort()
        now[0] = flying.pop(0)
        pace.landed(10)
    assert pace.settled
    assert capacity / 2 < pace.limit <= 2 * capacity
    assert most <= 8 * capacity


def test_an_explicit_number_stays(server, open_model):
    server.set(token_seconds=0.002)
    backend = open_model(concurrency=5)
    outcomes(backend, [RawPrompt(text=f"prompt {number}") for number in range(60)])
    assert (backend.pace.limit, server.most_in_flight) == (5, 5)


def test_refusals_of_one_moment_count_once_and_the_number_climbs_back_by_one():
    now = itertools.count()
    pace = Pace(clock=lambda: float(next(now)))
    pace.limit = 64
    for _ in range(10):
        pace.refused(0.5)
    assert pace.limit == 32
    for _ in range(32 + 32):
        pace.landed(10)
    assert pace.limit == 33


def test_outcomes_come_in_the_order_of_the_requests_and_those_before_an_error_are_kept(open_model):
    requests = requests_for(open_model(), [RawPrompt(text=f"{number}") for number in range(12)])
    gate = threading.Event()

    def ask(request):
        number = int(request.prompt.text)
        if number == 0:
            gate.wait(5)
        if number == 9:
            raise BackendError("gone", fix="none")
        if number == 8:
            gate.set()
        return Failure(request_id=request.id, kind="server", message=str(number))

    got = []
    with pytest.raises(BackendError):
        for outcome in in_flight(requests, ask, Pace(3)):
            got.append(int(outcome.message))
    assert got == sorted(got)
    assert len(got) >= 8


def test_without_httpx_the_install_command_is_named(tmp_path):
    hide = "import sys; sys.modules['httpx'] = None\nfrom evalharness.cli import main; main()"
    command = [EVALHARNESS.parent / "python", "-c", hide, "plan", *SIDES]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert "pip install 'evalharness[server]'" in result.stderr
    assert find_spec("httpx")
