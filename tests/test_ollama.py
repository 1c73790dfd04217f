"""The ollama backend against a server process: what silently distorts a comparison there, and every fault."""

import json
import os
import signal
import subprocess
import time
import tomllib

import pytest
from ollama_server import running_server
from test_cli import EVALHARNESS, call, refused

from evalharness import load_run
from evalharness.backends.ollama import OllamaBackend
from evalharness.errors import ConfigError, PromptFormatError, UnknownModel
from evalharness.prompting import settle_format
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Message,
    Notice,
    RawPrompt,
)

SIDES = ("--base", "ollama/gemma3-base", "--instruct", "ollama/smollm2", "--suite", "smoke", "--max-tokens", "20")
FAST = {"backoff": 0.01}


@pytest.fixture
def server():
    with running_server() as server:
        yield server


@pytest.fixture
def open_model(server):
    """Opens models of the server; they are closed at the end."""
    opened = []

    def open_one(model="smollm2", **options):
        options = {"host": server.url, **FAST, **options}
        checkpoint = Checkpoint(name="side", model=f"ollama/{model}", variant="instruct", options=options)
        opened.append(OllamaBackend(checkpoint))
        return opened[-1]

    yield open_one
    for backend in opened:
        backend.close()


def chat(text, system=None):
    turns = ([("system", system)] if system else []) + [("user", text)]
    return ChatPrompt(messages=tuple(Message(role=role, content=content) for role, content in turns))


def requests_for(backend, prompts, **config):
    resolved = backend.resolve()
    config = backend.settle(prompts, GenerationConfig(**{"max_tokens": 20, **config}))
    return [
        GenerationRequest.of(resolved, f"s{number}", prompt, rendered, config)
        for number, (prompt, rendered) in enumerate(zip(prompts, backend.render(prompts), strict=True))
    ]


def outcomes(backend, prompts, **config):
    """Outcomes in the order of the prompts, each there once."""
    requests = requests_for(backend, prompts, **config)
    found = [event for event in backend.generate(requests) if not isinstance(event, Notice)]
    assert sorted(one.request_id for one in found) == sorted(request.id for request in requests)
    by_id = {one.request_id: one for one in found}
    return [by_id[request.id] for request in requests]


def sent(server):
    """The bodies of the requests that asked for a completion."""
    bodies = [one["body"] for path in ("/api/generate", "/api/chat") for one in server.requests(path)]
    return [body for body in bodies if ("prompt" in body or "messages" in body) and "_debug_render_only" not in body]


# ---------------------------------------------------------------- fact 1, 2: formats, base and instruct


def test_raw_goes_to_generate_as_it_is_and_chat_to_chat(server, open_model):
    outcomes(open_model(), [RawPrompt(text="Once upon")])
    outcomes(open_model(), [chat("Hello", system="Be brief.")])
    [raw, turns] = sent(server)
    assert (raw["prompt"], raw["raw"]) == ("Once upon", True)
    assert turns["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("prompt_format", ["chat", "auto"])
def test_a_checkpoint_with_a_bare_template_is_not_chatted_with(open_model, prompt_format):
    """The server would wrap the turns in ChatML that the checkpoint never saw, with HTTP 200."""
    resolved = open_model("gemma3-base").resolve()
    checkpoint = resolved.checkpoint.model_copy(update={"prompt_format": prompt_format})
    with pytest.raises(PromptFormatError, match="no chat template"):
        settle_format(resolved.model_copy(update={"checkpoint": checkpoint}))


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
    assert all(isinstance(one, Completion) for one in outcomes(open_model(), prompts))
    assert server.loads() == [("smollm2:latest", 2048)] or server.loads() == [("smollm2", 2048)]


# --------------------------------------------------------------------------------- fact 4: loop abort


@pytest.mark.parametrize("prompt", [RawPrompt(text="[loop]"), chat("[loop]")], ids=["raw", "chat"])
def test_a_loop_that_the_server_aborts_is_a_completion_and_said_so(open_model, prompt):
    [one] = outcomes(open_model(), [prompt], max_tokens=200)
    assert (one.finish_reason, one.attempts) == ("loop_abort", 1)
    assert one.completion_tokens == len(one.text.split())


def test_a_stream_that_ends_properly_without_its_last_object_is_not_taken_for_a_loop(server, open_model):
    server.set(ended_stream=1)
    [one] = outcomes(open_model(), [RawPrompt(text="Once upon")])
    assert (one.finish_reason, one.attempts) == ("length" if one.completion_tokens == 20 else "stop", 2)


# ----------------------------------------------------------------------- fact 5, 6: options, all sent


def test_every_option_is_sent_with_every_request_in_the_type_that_the_server_wants(server, open_model):
    """The test server refuses an option that the real one would ignore."""
    outcomes(open_model(), [RawPrompt(text="a", stop=("\n\n",)), chat("b")], stop=("END",), seed=7)
    for body in sent(server):
        assert (body["truncate"], body["shift"], body["stream"]) == (False, False, True)
        limits = {"num_ctx": 1024, "num_predict": 20, "seed": 7}
        draws = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0}
        penalties = {"repeat_last_n": -1, "repeat_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
        stops = ["END", *(["\n\n"] if "prompt" in body else []), "<|im_start|>", "<|im_end|>"]
        assert body["options"] == limits | draws | penalties | {"stop": stops}
    assert [body["think"] for body in sent(server) if "messages" in body] == [False]


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


# --------------------------------------------------------------------- fact 7: order, clients, loads


def test_one_model_is_loaded_once_then_unloaded_then_the_other(server, tmp_path):
    call("run", *SIDES, "--out", "r", "--check-determinism", "3", cwd=tmp_path, env={"OLLAMA_HOST": server.url})
    assert [(kind, model.partition(":")[0]) for kind, model, _ in server.events()] == [
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
    assert [one.text for one in together] == [one.text for one in alone]
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
    one, tuned = (open_model(model).resolve().identity for model in ("smollm2", "smollm2-tuned"))
    assert one.weights_digest == tuned.weights_digest
    assert one.manifest_digest != tuned.manifest_digest
    assert (one.quantization, one.versions) == ("Q4_1", {"ollama": "0.32.15"})
    assert open_model("smollm2:latest").resolve().identity.manifest_digest == one.manifest_digest
    assert open_model(think=True).resolve().identity.digest != one.digest


def test_a_tag_that_was_pulled_again_is_not_resumed_into_the_old_run(server, tmp_path):
    env = {"OLLAMA_HOST": server.url}
    call("run", *SIDES, "--out", "r", cwd=tmp_path, env=env)
    server.restart(models=[{"name": "smollm2", "digest": "f" * 64}])
    problem, _ = refused("run", *SIDES, "--out", "r", "--resume", cwd=tmp_path, env=env)
    assert problem == "r was started under other conditions: checkpoint 'instruct' has another manifest digest"


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
    [one] = outcomes(open_model(logprobs=alternatives), [prompt])
    assert "".join(token.token for token in one.logprobs) == one.text
    assert {len(token.top) for token in one.logprobs} == {alternatives}
    assert all(token.logprob <= 0 for token in one.logprobs)


# -------------------------------------------------------------------------------------------- faults

TEMPORARY = ["runner_killed", "broken_stream", "ended_stream", "no_reply", "busy", "error_500", "bad_json"]


@pytest.mark.parametrize("fault", TEMPORARY)
def test_a_fault_that_passes_is_tried_again_and_recorded(server, open_model, fault):
    prompts = [RawPrompt(text=f"prompt {number}") for number in range(4)]
    expected = outcomes(open_model(), prompts)
    server.set(**{fault: 2})
    found = outcomes(open_model(), prompts)
    assert [one.text for one in found] == [one.text for one in expected]
    assert sum(one.attempts - 1 for one in found) == 2


@pytest.mark.parametrize("fault", TEMPORARY)
def test_a_fault_that_does_not_pass_is_a_failure_after_the_last_attempt(server, open_model, fault):
    server.set(**{fault: 1.0})
    [failure] = outcomes(open_model(attempts=3), [RawPrompt(text="a")])
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.attempts) == ("server", 3)


def test_a_server_that_says_nothing_is_a_timeout(server, open_model):
    server.set(slow=1.0, slow_seconds=1.0)
    [failure] = outcomes(open_model(timeout=0.2, attempts=2), [RawPrompt(text="a")])
    assert (failure.kind, failure.attempts) == ("timeout", 2)


def test_faults_at_random_lose_nothing_and_double_nothing(server, open_model):
    """1,000 requests, 10 % of each kind: every request ends as what it is without faults."""
    prompts = [RawPrompt(text="[loop]" if number % 50 == 0 else f"prompt {number}") for number in range(1000)]
    expected = outcomes(open_model(), prompts, max_tokens=40)
    server.set(**dict.fromkeys(TEMPORARY, 0.1))
    found = outcomes(open_model(attempts=40, backoff=0), prompts, max_tokens=40)
    kept = [(one.text, one.finish_reason) for one in expected]
    assert [(one.text, one.finish_reason) for one in found] == kept
    assert sum(one.attempts > 1 for one in found) > 300


def test_a_run_with_faults_at_random_counts_them_in_its_report(server, tmp_path):
    """1,000 requests, 10 % of each kind, as many attempts as by default: what still fails is a failure, and counted."""
    (tmp_path / "many").mkdir()
    head = 'name = "many"\nversion = "1"\nlicense = "x"\nsource = "x"\nscorers = ["style"]\n'
    (tmp_path / "many" / "suite.toml").write_text(head)
    lines = [json.dumps({"id": f"s{n}", "prompt": f"Say {n}.", "category": "c"}) for n in range(500)]
    (tmp_path / "many" / "samples.jsonl").write_text("\n".join(lines))
    server.set(**dict.fromkeys(TEMPORARY, 0.1))
    command = ("run", *SIDES[:4], "--suite", "many", "--max-tokens", "8", "-M", "backoff=0", "--out", "r")
    result = call(*command, cwd=tmp_path, env={"OLLAMA_HOST": server.url})
    run = load_run(tmp_path / "r")
    report = (tmp_path / "r" / "report.html").read_text()
    assert len(run.outcomes) == 1000
    for checkpoint in ("base", "instruct"):
        found = [run.outcomes[request.id] for request in run.requests_of(checkpoint)]
        failed = sum(isinstance(one, Failure) for one in found)
        assert 0 < failed < 100
        assert f"{checkpoint}: {failed} of 500 requests failed ({failed} server) and are in no number" in result.stderr
        assert f"{sum(one.attempts > 1 for one in found)} of 500 requests took more than one attempt" in report


def test_a_model_that_is_not_pulled_ends_the_run_with_the_command(server, open_model, tmp_path):
    with pytest.raises(UnknownModel) as caught:
        open_model("llama3.1:8b").resolve()
    assert caught.value.fix == "ollama pull llama3.1:8b"
    server.set(not_found=1)
    with pytest.raises(UnknownModel, match="has no model smollm2"):
        outcomes(open_model(), [RawPrompt(text="a")])


def test_a_server_that_is_not_there_ends_the_run_with_the_mend(server, tmp_path):
    server.kill()
    problem, fix = refused("run", *SIDES, "--out", "r", cwd=tmp_path, env={"OLLAMA_HOST": server.url})
    assert problem.startswith(f"no Ollama server answers at {server.url}")
    assert "ollama serve" in fix


def test_a_server_that_dies_for_good_ends_the_run_and_resume_finishes_it(server, tmp_path):
    env = {"OLLAMA_HOST": server.url}
    call("run", *SIDES, "--out", "whole", cwd=tmp_path, env=env)
    server.restart(die_after=5)
    flags = ("-M", "attempts=2")
    start = time.monotonic()
    result = call("run", *SIDES, *flags, "--out", "r", cwd=tmp_path, env=env, code=2)
    assert time.monotonic() - start < 10
    assert "no Ollama server answers" in result.stderr
    kept = load_run(tmp_path / "r").outcomes
    assert len(kept) == 5
    server.restart(die_after=None)
    call("run", *SIDES, *flags, "--out", "r", "--resume", cwd=tmp_path, env=env)
    whole, resumed = load_run(tmp_path / "whole"), load_run(tmp_path / "r")
    assert [one.text for one in resumed.outcomes.values()] == [one.text for one in whole.outcomes.values()]


@pytest.mark.parametrize("clients", ["1", "4"])
def test_ctrl_c_keeps_what_was_answered_and_resume_finishes_it(server, tmp_path, clients):
    server.restart(token_seconds=0.01, parallel=4)
    env = {**os.environ, "OLLAMA_HOST": server.url}
    command = [EVALHARNESS, "run", *SIDES, "--concurrency", clients, "--out", "r"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True) as process:
        outcomes = tmp_path / "r" / "outcomes.jsonl"
        while not outcomes.exists() or outcomes.read_bytes().count(b"completion_tokens") < 3:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "go on: evalharness run --out r --resume" in stderr
    kept = load_run(tmp_path / "r").outcomes
    assert 3 <= len(kept) < 16
    call("run", "--out", "r", "--resume", cwd=tmp_path, env=env)
    finished = load_run(tmp_path / "r").outcomes
    assert len(finished) == 16
    assert all(finished[name] == one for name, one in kept.items())


def test_a_fault_that_stays_is_counted_in_the_report(server, tmp_path):
    server.set(busy=1.0)
    flags = ("-M", "attempts=1")
    result = call("run", *SIDES, *flags, "--out", "r", cwd=tmp_path, env={"OLLAMA_HOST": server.url})
    assert "8 of 8 requests failed (8 server) and are in no number" in result.stderr
    assert "Nothing can be said" in result.stdout


# ------------------------------------------------------------------------------- what is on the server

PULLED = [{"name": "llama3.1:8b-text-q4_K_M", "like": "gemma3-base"}, {"name": "llama3.1:8b", "like": "smollm2"}]


def test_pulled_models_are_listed_with_their_stage_and_the_evidence(server, tmp_path):
    server.restart(models=PULLED)
    rows = json.loads(call("list", "models", "--json", cwd=tmp_path, env={"OLLAMA_HOST": server.url}).stdout)
    found = {row["model"]: row for row in rows}
    base, instruct = found["ollama/llama3.1:8b-text-q4_K_M"], found["ollama/llama3.1:8b"]
    assert (base["variant"], base["evidence"], base["template"]) == ("base", "its name says base", "none")
    assert (instruct["variant"], instruct["template"]) == ("instruct", "own")
    assert (instruct["quantization"], instruct["context_length"], len(instruct["digest"])) == ("Q4_1", 8192, 12)


def test_init_writes_the_pair_that_was_pulled(server, tmp_path):
    server.restart(models=PULLED)
    call("init", cwd=tmp_path, env={"OLLAMA_HOST": server.url})
    written = tomllib.loads((tmp_path / "evalharness.toml").read_text())["checkpoint"]
    models = [written[side]["model"] for side in ("base", "instruct")]
    assert models == ["ollama/llama3.1:8b-text-q4_K_M", "ollama/llama3.1:8b"]


@pytest.mark.parametrize(
    ("share", "status", "said"),
    [(0.0, "ok", "0% on the GPU"), (0.4, "note", "40% on the GPU"), (1.0, "ok", "100% on the GPU")],
)
def test_doctor_looks_at_the_server_and_where_its_models_lie(server, open_model, tmp_path, share, status, said):
    server.restart(vram_share=share)
    outcomes(open_model(), [RawPrompt(text="a")])
    checks = json.loads(call("doctor", "--json", cwd=tmp_path, env={"OLLAMA_HOST": server.url}).stdout)
    found = {check["name"]: check for check in checks}
    assert found["Ollama"]["found"] == f"0.32.15 at {server.url}"
    assert (found["loaded smollm2:latest"]["status"], found["loaded smollm2:latest"]["found"]) == (
        status,
        f"{said}, context 1024",
    )


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


def test_without_the_client_the_install_command_is_named(tmp_path):
    hide = "import sys; sys.modules['ollama'] = None\nfrom evalharness.cli import main; main()"
    command = [EVALHARNESS.parent / "python", "-c", hide, "plan", *SIDES]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert result.returncode == 2
    assert "pip install 'evalharness[ollama]'" in result.stderr
