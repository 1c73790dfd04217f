"""The ollama backend against a server process: what silently distorts a comparison there."""

import json
import os
import re
import socketserver
import subprocess
import time
import tomllib
from http.server import SimpleHTTPRequestHandler
from threading import Thread

import httpx
import pytest
from command import EVALHARNESS, call, refused
from ollama_asking import SIDES, chat, outcomes, requests_for, sent

from evalharness import load_run
from evalharness.backends.ollama import OllamaBackend
from evalharness.backends.ollama_options import INT32_MAX, OPTIONS
from evalharness.backends.ollama_shown import canonical
from evalharness.backends.ollama_wire import address
from evalharness.backends.wire import sentence
from evalharness.errors import BackendError, ConfigError, PromptFormatError
from evalharness.prompting import settle_format
from evalharness.records import Checkpoint, Completion, Notice, RawPrompt

# ---------------------------------------------------------------- fact 1, 2: formats, base and instruct


def test_raw_goes_to_generate_as_it_is_and_chat_to_chat(server, open_model):
    outcomes(open_model(), [RawPrompt(text="Once upon")])
    outcomes(open_model(), [chat("Hello", system="Be brief.")])
    [raw, turns] = sent(server)
    assert (raw["prompt"], raw["raw"]) == ("Once upon", True)
    assert turns["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(("variant", "prompt_format"), [("base", "chat"), ("instruct", "auto")])
def test_a_checkpoint_with_a_bare_template_is_not_chatted_with(open_model, variant, prompt_format):
    """The server would wrap the turns in ChatML that the checkpoint never saw, with HTTP 200."""
    resolved = open_model("gemma3-base").resolve()
    checkpoint = resolved.checkpoint.model_copy(update={"variant": variant, "prompt_format": prompt_format})
    with pytest.raises(PromptFormatError, match="no chat template"):
        settle_format(resolved.model_copy(update={"checkpoint": checkpoint}))


def test_an_instruct_model_without_its_template_may_be_chatted_with_where_that_is_asked_for(server, tmp_path):
    env, sides = {"OLLAMA_HOST": server.url}, ("--base", "ollama/smollm2", "--instruct", "ollama/gemma3-base")
    flags = ("--suite", "smoke", "--baseline-format", "raw", "--candidate-format", "chat", "--json")
    plan = json.loads(call("plan", *sides, *flags, cwd=tmp_path, env=env).stdout)
    assert ("server-template", "error") in {(finding["code"], finding["level"]) for finding in plan["lint"]}


def test_the_prompt_that_the_template_makes_is_recorded_once_where_the_server_can_tell(server, open_model):
    backend = open_model()
    events = list(backend.generate(requests_for(backend, [chat("Hello"), chat("Bye")])))
    [said] = [event.message for event in events if isinstance(event, Notice) and event.kind == "rendered"]
    assert said == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    server.restart(old_server=True, strict=False)
    backend = open_model()
    events = list(backend.generate(requests_for(backend, [chat("Hello")])))
    assert not [event for event in events if isinstance(event, Notice) and event.kind == "rendered"]


# ------------------------------------------------------------------------------- fact 3: long prompts


@pytest.mark.parametrize("prompt", [RawPrompt(text="word " * 700), chat("word " * 700)], ids=["raw", "chat"])
def test_a_prompt_that_does_not_fit_is_a_failure_with_both_counts(open_model, prompt):
    [failure, fits] = outcomes(open_model(), [prompt, chat("Hello")], context_length=512)
    assert isinstance(fits, Completion)
    assert failure.kind == "prompt_too_long"
    assert failure.message.startswith("the prompt has 7")
    assert failure.message.endswith("tokens, the context 512")


def test_a_server_that_ignores_truncate_is_found_out(server, open_model):
    server.restart(old_server=True, strict=False)
    [failure] = outcomes(open_model(), [RawPrompt(text="word " * 700)], context_length=512)
    assert failure.kind == "prompt_too_long"
    assert "of a prompt of 700 words; its context is 512" in failure.message


def test_the_context_is_chosen_once_so_that_every_prompt_fits(server, open_model):
    prompts = [RawPrompt(text="word " * 700), RawPrompt(text="short"), chat("é" * 900)]
    assert all(isinstance(outcome, Completion) for outcome in outcomes(open_model(), prompts))
    assert server.loads() == [("smollm2:latest", 2048)] or server.loads() == [("smollm2", 2048)]


# --------------------------------------------------------------------------------- fact 4: loop abort


@pytest.mark.parametrize("prompt", [RawPrompt(text="[loop]"), chat("[loop]")], ids=["raw", "chat"])
def test_a_loop_that_the_server_aborts_is_a_completion_and_said_so(open_model, prompt):
    [outcome] = outcomes(open_model(), [prompt], max_tokens=200)
    assert (outcome.finish_reason, outcome.attempts) == ("loop_abort", 1)
    assert outcome.completion_tokens == len(outcome.text.split())


def test_a_stream_that_ends_properly_without_its_last_object_is_not_taken_for_a_loop(server, open_model):
    server.set(ended_stream=1)
    [outcome] = outcomes(open_model(), [RawPrompt(text="Once upon")])
    assert (outcome.finish_reason, outcome.attempts) == ("length" if outcome.completion_tokens == 20 else "stop", 2)


# ----------------------------------------------------------------------- fact 5, 6: options, all sent


def test_every_option_is_sent_with_every_request_in_the_type_that_the_server_wants(server, open_model):
    """The test server refuses an option that the real one would ignore."""
    outcomes(open_model(), [RawPrompt(text="a", stop=("\n\n",)), chat("b")], stop=("END",), seed=7)
    for body in sent(server):
        assert (body["truncate"], body["shift"], body["stream"]) == (False, False, True)
        limits = {"num_ctx": 1024, "num_predict": 20, "seed": 7}
        draws = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0}
        penalties = {"repeat_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
        stops = ["END", *(["\n\n"] if "prompt" in body else []), "<|im_start|>", "<|im_end|>"]
        assert body["options"] == limits | draws | penalties | {"stop": stops}
    assert [body["think"] for body in sent(server) if "messages" in body] == [False]


def test_a_penalty_looks_back_over_the_whole_context_in_the_number_that_new_servers_take(server, open_model):
    outcomes(open_model(), [RawPrompt(text="a")], repeat_penalty=1.1)
    assert sent(server)[0]["options"]["repeat_last_n"] == 1024


@pytest.mark.parametrize("value", [-1, 64])
def test_a_modelfile_s_own_window_is_never_what_a_request_is_refused_for(server, open_model, value):
    server.set(models=[{"name": "windowed", "like": "smollm2", "parameters": [["repeat_last_n", value]]}])
    assert isinstance(outcomes(open_model("windowed"), [chat("a")])[0], Completion)


def test_threads_are_those_of_the_option_at_load_and_with_each_request(server, open_model):
    backend = open_model(num_thread=1)
    outcomes(backend, [RawPrompt(text="a"), RawPrompt(text="b")])
    assert [request["body"]["options"]["num_thread"] for request in server.requests("/api/generate")] == [1, 1, 1]
    assert len(server.loads()) == 1
    assert backend.resolve().identity.settings["num_thread"] == 1


def test_replicates_of_the_largest_seed_stay_in_the_range_of_a_seed(server, open_model):
    backend = open_model()
    [request] = requests_for(backend, [RawPrompt(text="a")], seed=INT32_MAX, temperature=1.0)
    result = list(backend.generate([request.model_copy(update={"replicate": 2})]))
    assert [body["options"]["seed"] for body in sent(server)] == [1]
    assert isinstance(result[-1], Completion)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"seed": 2**31}, "seed = 2147483648 is not accepted by Ollama servers; they accept whole numbers"),
        ({"max_tokens": 2**31, "context_length": 512}, "max_tokens = 2147483648"),
        ({"context_length": 2**31}, "context_length = 2147483648"),
        ({"top_k": 2**40}, "top_k = 1099511627776"),
    ],
)
def test_a_value_that_the_server_would_bend_or_refuse_is_refused_by_the_plan(open_model, config, said):
    with pytest.raises(ConfigError, match=said):
        requests_for(open_model(), [RawPrompt(text="a")], **config)


@pytest.mark.parametrize(("name", "option"), OPTIONS.items())
def test_what_the_runner_refuses_is_known_with_its_sentence(server, name, option):
    """The recorded sentence, and that no other option brings one."""
    low = option.low - 1 if option.type == "integer" else -1.0
    body = {"model": "smollm2", "prompt": "x", "raw": True, "stream": False, "options": {"num_predict": 2, name: low}}
    if option.type in ("boolean", "array"):
        return
    reply = httpx.post(f"{server.url}/api/generate", json=body)
    if option.outside != "refused":
        assert reply.status_code == 200
        return
    field = option.field or name
    said = f"Field '{field}': Value must be between {option.low} <= value <= 2147483647, but got {low}"
    assert reply.status_code == 400
    assert sentence(reply.json()["error"]) == said


def test_the_modelfile_s_stops_are_kept_and_its_other_parameters_are_overridden(server, open_model):
    outcomes(open_model("smollm2-tuned"), [chat("Hello")])
    [body] = sent(server)
    assert body["options"]["stop"] == ["<|im_end|>"]
    assert body["options"]["temperature"] == 0.0


def test_a_modelfile_that_would_colour_one_side_is_a_lint_finding(server, tmp_path):
    sides = ("--base", "ollama/smollm2", "--instruct", "ollama/smollm2-tuned", "--suite", "smoke")
    flags = ("--baseline-variant", "instruct", "--json")
    plan = json.loads(call("plan", *sides, *flags, cwd=tmp_path, env={"OLLAMA_HOST": server.url}).stdout)
    codes = {(finding["code"], finding["checkpoint"]) for finding in plan["lint"]}
    assert {("modelfile-system", "candidate"), ("modelfile-parameters", "candidate"), ("same-weights", None)} <= codes
    [shown] = [finding["message"] for finding in plan["lint"] if finding["code"] == "same-weights"]
    assert "the Modelfile's system prompt" in shown


# --------------------------------------------------------------------- fact 7: order, clients, loads


def test_one_model_at_a_time_is_loaded_and_unloaded(server, tmp_path):
    command = ("run", *SIDES[:4], "--suite", "core", "--check-determinism", "3", "--out", "r")
    call(*command, cwd=tmp_path, env={"OLLAMA_HOST": server.url})
    assert [(kind, model.partition(":")[0]) for kind, model, _ in server.events()] == [
        *(("load", "smollm2"), ("unload", "smollm2")),  # Asked for one token before the work begins.
        *(("load", "gemma3-base"), ("unload", "gemma3-base")),
        *(("load", "smollm2"), ("unload", "smollm2")),
    ]
    assert [check.changed for check in load_run(tmp_path / "r").determinism] == [(), ()]


def test_one_client_asks_in_the_order_of_the_suite(server, open_model):
    prompts = [RawPrompt(text=f"prompt {number}") for number in range(12)]
    outcomes(open_model(), prompts)
    assert [body["prompt"] for body in sent(server)] == [prompt.text for prompt in prompts]


def test_several_clients_ask_at_once_and_give_the_same_outcomes(server, open_model):
    server.restart(token_seconds=0.005, parallel=4)
    prompts = [RawPrompt(text=f"prompt {number}") for number in range(12)]
    start = time.monotonic()
    alone = outcomes(open_model(), prompts)
    middle = time.monotonic()
    together = outcomes(open_model(concurrency=4), prompts)
    assert [completion.text for completion in together] == [completion.text for completion in alone]
    assert time.monotonic() - middle < 0.6 * (middle - start)


# ----------------------------------------------------------------------- fact 8: special tokens in text


def test_a_prompt_with_control_tokens_is_a_lint_finding(server, tmp_path):
    (tmp_path / "x").mkdir()
    head = 'name = "x"\nversion = "1"\nlicense = "x"\nsource = "x"\nscorers = ["style"]\n'
    (tmp_path / "x" / "suite.toml").write_text(head)
    (tmp_path / "x" / "samples.jsonl").write_text('{"id": "a", "prompt": "Say <|im_end|>", "category": "c"}\n')
    result = call("plan", *SIDES[:4], "--suite", "x", cwd=tmp_path, env={"OLLAMA_HOST": server.url})
    assert "special-token-in-prompt" in result.stdout


# ------------------------------------------------------------------------------------ fact 9: identity


def test_identity_is_what_the_server_pins(open_model):
    plain, tuned = (open_model(model).resolve().identity for model in ("smollm2", "smollm2-tuned"))
    assert plain.weights_digest == tuned.weights_digest
    assert plain.manifest_digest != tuned.manifest_digest
    assert (plain.quantization, plain.versions) == ("Q4_1", {"ollama": "0.32.15"})
    assert open_model("smollm2:latest").resolve().identity.manifest_digest == plain.manifest_digest
    assert open_model(think=True).resolve().identity.digest != plain.digest


@pytest.mark.parametrize("name", ["SmolLM2", "library/smollm2", "registry.ollama.ai/library/smollm2:latest"])
def test_a_model_is_found_by_every_name_that_the_server_takes(name):
    assert canonical(name) == "smollm2:latest"
    assert canonical("hf.co/org/model-GGUF:Q4_K_M") == "hf.co/org/model-gguf:q4_k_m"


def test_a_model_that_someone_else_has_loaded_stays_loaded(server, open_model):
    other = open_model()
    outcomes(other, [RawPrompt(text="a")])
    ours = open_model()
    outcomes(ours, [RawPrompt(text="a")])
    ours.close()
    assert [kind for kind, *_ in server.events()] == ["load"]


def test_a_tag_that_was_pulled_again_is_not_resumed_into_the_old_run(server, tmp_path):
    env = {"OLLAMA_HOST": server.url}
    call("run", *SIDES, "--out", "r", cwd=tmp_path, env=env)
    server.restart(models=[{"name": "smollm2", "digest": "f" * 64}])
    problem, _ = refused("run", *SIDES, "--out", "r", "--resume", cwd=tmp_path, env=env)
    assert problem == "r was started under different conditions: checkpoint 'instruct' has another manifest digest"


# ------------------------------------------------------------------------- thinking, log-probabilities


def test_thoughts_are_kept_apart(server, open_model):
    models = [{"name": "thinker", "like": "smollm2", "capabilities": ["completion", "thinking"]}]
    server.restart(models=models)
    [silent] = outcomes(open_model("thinker"), [chat("Hello")])
    [thought] = outcomes(open_model("thinker", think=True), [chat("Hello")])
    assert silent.thinking is None
    assert thought.thinking
    assert thought.thinking not in thought.text


def test_thinking_asked_of_a_model_that_cannot_is_a_failure_that_says_so(open_model):
    [failure] = outcomes(open_model(think=True), [chat("Hello")])
    assert "does not support thinking" in failure.message


@pytest.mark.parametrize("prompt", [RawPrompt(text="Once"), chat("Hello")], ids=["raw", "chat"])
@pytest.mark.parametrize("alternatives", [0, 3])
def test_log_probabilities_are_kept_for_each_token(open_model, prompt, alternatives):
    [outcome] = outcomes(open_model(logprobs=alternatives), [prompt])
    assert "".join(token.token for token in outcome.logprobs) == outcome.text
    assert {len(token.top) for token in outcome.logprobs} == {alternatives}
    assert all(token.logprob <= 0 for token in outcome.logprobs)


# ------------------------------------------------------------------------------- what is on the server

PULLED = [{"name": "llama3.1:8b-text-q4_K_M", "like": "gemma3-base"}, {"name": "llama3.1:8b", "like": "smollm2"}]


def test_pulled_models_are_listed_with_their_stage_and_the_evidence(server, tmp_path):
    server.restart(models=PULLED)
    rows = json.loads(call("list", "models", "--json", cwd=tmp_path, env={"OLLAMA_HOST": server.url}).stdout)
    results = {row["model"]: row for row in rows}
    base, instruct = results["ollama/llama3.1:8b-text-q4_K_M"], results["ollama/llama3.1:8b"]
    assert (base["variant"], base["evidence"], base["template"]) == ("base", "its name says base", "none")
    assert (instruct["variant"], instruct["template"]) == ("instruct", "own")
    assert (instruct["quantization"], instruct["context_length"], len(instruct["digest"])) == ("Q4_1", 8192, 12)


def test_init_writes_the_pair_that_was_pulled(server, tmp_path):
    server.restart(models=PULLED)
    call("init", cwd=tmp_path, env={"OLLAMA_HOST": server.url})
    written = tomllib.loads((tmp_path / "evalharness.toml").read_text())["checkpoint"]
    models = [written[side]["model"] for side in ("base", "instruct")]
    assert models == ["ollama/llama3.1:8b-text-q4_K_M", "ollama/llama3.1:8b"]


def test_init_writes_two_pulled_models_that_are_no_pair_by_name_and_says_so(server, tmp_path):
    call("init", cwd=tmp_path, env={"OLLAMA_HOST": server.url})
    text = (tmp_path / "evalharness.toml").read_text()
    models = [tomllib.loads(text)["checkpoint"][side]["model"] for side in ("base", "instruct")]
    assert models == ["ollama/gemma3-base", "ollama/smollm2"]
    assert "no two model names here form a pair" in text


@pytest.mark.parametrize(
    ("share", "status", "said"),
    [(0.0, "ok", "0% on the GPU"), (0.4, "note", "40% on the GPU"), (1.0, "ok", "100% on the GPU")],
)
def test_doctor_looks_at_the_server_and_where_its_models_lie(server, open_model, tmp_path, share, status, said):
    server.restart(vram_share=share)
    outcomes(open_model(), [RawPrompt(text="a")])
    checks = json.loads(call("doctor", "--json", cwd=tmp_path, env={"OLLAMA_HOST": server.url}).stdout)
    results = {check["name"]: check for check in checks}
    assert results["Ollama"]["found"] == f"0.32.15 at {server.url}"
    assert (results["loaded smollm2:latest"]["status"], results["loaded smollm2:latest"]["found"]) == (
        status,
        f"{said}, context 1024",
    )


def test_doctor_asks_each_named_model_for_one_token(server, tmp_path):
    server.set(models=[{"name": "broken", "like": "smollm2", "parameters": [["num_keep", -9]]}])
    env = {"OLLAMA_HOST": server.url}
    models = ("--model", "ollama/smollm2", "--model", "ollama/broken", "--model", "ollama/none")
    checks = {
        load["name"]: load
        for load in json.loads(call("doctor", *models, "--json", cwd=tmp_path, env=env, code=2).stdout)
    }
    assert checks["one token of ollama/smollm2"]["status"] == "ok"
    assert checks["one token of ollama/broken"]["found"].startswith("Field 'n_keep': Value must be between -1 <= value")
    assert checks["one token of ollama/none"]["fix"] == "ollama pull none"
    (tmp_path / "e.toml").write_text(
        "".join(
            f'[checkpoint.{side}]\nmodel = "ollama/{model}"\nvariant = "{side}"\nprompt_format = "raw"\n'
            for side, model in (("base", "gemma3-base"), ("instruct", "smollm2"))
        )
    )
    assert "one token of ollama/gemma3-base" in call("doctor", "e.toml", cwd=tmp_path, env=env).stdout


def test_a_check_of_determinism_prints_what_it_found_and_the_plan_what_it_cannot_know(server, tmp_path):
    env = {"OLLAMA_HOST": server.url}
    flags = ("--limit", "2", "--check-determinism", "2", "--context-length", "512", "--out", "r")
    result = call("run", *SIDES, *flags, cwd=tmp_path, env=env)
    assert "base: 0 of 2 completions changed when generated again, each alone" in result.stdout
    assert {num_ctx for _, num_ctx in server.loads()} == {512}
    plan = call("plan", *SIDES, cwd=tmp_path, env=env).stdout
    assert "unknown: Ollama reports it only" in plan


def test_doctor_says_how_to_start_a_server_that_is_not_there(server, tmp_path):
    server.kill()
    checks = json.loads(call("doctor", "--json", cwd=tmp_path, env={"OLLAMA_HOST": server.url}).stdout)
    [check] = [check for check in checks if check["name"] == "Ollama"]
    assert check["status"] == "note"
    assert "ollama serve" in check["fix"]


# ------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("options", [{"concurency": 2}, {"concurrency": 0}, {"logprobs": 21}, {"timeout": 0}])
def test_a_wrong_option_is_refused(open_model, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        open_model(**options)


@pytest.mark.parametrize("form", [":{port}", "127.0.0.1:{port}", "http://127.0.0.1:{port}/", "localhost:{port}"])
def test_every_form_of_the_address_is_understood(server, open_model, form, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", form.format(port=server.port))
    assert open_model(host=None).resolve().identity.quantization == "Q4_1"


ADDRESSES = {
    "127.0.0.1:99999": "Port out of range 1-65535",
    "127.0.0.1:0": "Port out of range 1-65535",
    "127.0.0.1:port": "Port could not be cast",
    "ftp://127.0.0.1": "ftp is not http or https",
    "foo bar": "'foo bar' is not a host",
    "http://[::1": "Invalid IPv6 URL",
}


@pytest.mark.parametrize(("given", "why"), ADDRESSES.items())
def test_what_is_no_address_is_refused_with_the_reason(given, why):
    with pytest.raises(BackendError, match=re.escape(why)):
        address(given)


def test_what_is_no_address_is_a_sentence_in_every_command(tmp_path):
    given, why = next(iter(ADDRESSES.items()))
    env = {"OLLAMA_HOST": given}
    problem, fix = refused("plan", *SIDES, cwd=tmp_path, env=env)
    assert problem.startswith(f"the Ollama server's address {given!r} cannot be used: {why}")
    assert "HOST:PORT" in fix
    doctor = call("doctor", "--json", cwd=tmp_path, env=env)
    assert why in next(check["found"] for check in json.loads(doctor.stdout) if check["name"] == "Ollama")
    assert why in call("list", "models", cwd=tmp_path, env=env).stderr


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        (" 127.0.0.1:8080 ", "http://127.0.0.1:8080"),
        ('"gpu"', "http://gpu:11434"),
        ("https://gpu", "https://gpu:443"),
        ("HTTP://gpu/ollama/", "http://gpu:80/ollama"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("", "http://127.0.0.1:11434"),
    ],
)
def test_an_address_is_read_as_the_server_reads_it(given, understood):
    assert address(given) == understood


def test_https_to_a_server_of_http_says_which_of_the_two_to_write(server, open_model):
    with pytest.raises(BackendError) as caught:
        open_model(host=server.url.replace("http", "https")).resolve()
    assert "http:// instead of https://" in caught.value.fix


def test_a_server_of_something_else_is_not_taken_for_ollama(tmp_path):
    with socketserver.TCPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as other:
        Thread(target=other.serve_forever, daemon=True).start()
        checkpoint = Checkpoint(name="s", model="ollama/x", variant="base")
        backend = OllamaBackend(
            checkpoint.model_copy(update={"options": {"host": f"127.0.0.1:{other.server_address[1]}"}})
        )
        with pytest.raises(BackendError, match="is not an Ollama server"):
            backend.server.ask("GET", "/api/version")
        other.shutdown()


def test_list_models_says_that_the_server_is_down(server, tmp_path):
    server.kill()
    result = call("list", "models", cwd=tmp_path, env={"OLLAMA_HOST": server.url})
    assert f"the Ollama server at {server.url} does not answer" in result.stderr
    assert "ollama serve" in result.stderr


def test_without_the_client_the_install_command_is_named(tmp_path):
    hide = "import sys; sys.modules['httpx'] = None\nfrom evalharness.cli import main; main()"
    command = [EVALHARNESS.parent / "python", "-c", hide, "plan", *SIDES]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert result.returncode == 2
    assert "pip install 'evalharness[ollama]'" in result.stderr
