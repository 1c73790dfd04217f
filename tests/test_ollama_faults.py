"""The ollama backend under every fault of a server."""

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from command import EVALHARNESS, call, refused
from ollama_asking import SIDES, outcomes, sent

from evalharness import load_run
from evalharness.backends.ollama_wire import Server
from evalharness.backends.wire import PromptTooLong
from evalharness.errors import UnknownModel
from evalharness.records import Completion, Failure, RawPrompt

TEMPORARY = ["runner_killed", "broken_stream", "ended_stream", "no_reply", "busy", "error_500", "bad_json"]


@contextmanager
def replaying(*lines, status=200):
    """A server that answers every request with these lines."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines))

        def log_message(self, *_):
            """Stay silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        Thread(target=httpd.serve_forever, daemon=True).start()
        wire = Server(f"http://127.0.0.1:{httpd.server_port}", timeout=5.0)
        yield wire
        wire.close()
        httpd.shutdown()


@pytest.mark.parametrize("pieces", [["a", " a"] * 20, ["\n", " \n"] * 20, [" x"] * 31])
@pytest.mark.parametrize("key", ["response", "thinking"])
def test_the_server_counts_repetitions_without_the_space_around_them(pieces, key):
    with replaying(*({key: piece, "done": False} for piece in pieces)) as wire:
        assert wire.answer("/api/generate", {}).finish_reason == "loop_abort"


def test_an_abort_that_the_server_names_is_a_loop_with_the_text_so_far():
    limit = {"error": "prediction aborted, token repeat limit reached"}
    with replaying({"response": "One", "done": False}, {"response": " two", "done": False}, limit) as wire:
        reply = wire.answer("/api/generate", {})
    assert (reply.text, reply.finish_reason) == ("One two", "loop_abort")


def test_a_line_is_cut_at_its_end_and_not_at_a_character_of_the_text():
    text = "a\x85b\u2028c"
    with replaying({"response": text, "done": False}, {"response": "", "done": True, "done_reason": "stop"}) as wire:
        assert wire.answer("/api/generate", {}).text == text


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_prompt_that_does_not_fit_is_known_by_what_is_said(status):
    said = {"error": '{"error":{"type":"exceed_context_size_error","n_prompt_tokens":4577,"n_ctx":512}}'}
    with replaying(said, status=status) as wire, pytest.raises(PromptTooLong, match="4577 tokens, the context 512"):
        wire.answer("/api/generate", {})


def test_a_proxy_of_the_environment_is_not_for_this_machine(open_model, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert open_model().resolve().identity.quantization == "Q4_1"


def asked_for_tokens(server):
    """How often a model was asked for more than to be loaded."""
    requests = [*server.requests("/api/generate"), *server.requests("/api/chat")]
    return sum(bool(request["body"].get("prompt") or request["body"].get("messages")) for request in requests)


def test_an_interrupted_run_does_not_wait_for_a_silent_server(server, tmp_path):
    server.set(slow=1.0, slow_seconds=60.0)
    before = asked_for_tokens(server)
    env = {**os.environ, "OLLAMA_HOST": server.url}
    command = [EVALHARNESS, "run", *SIDES, "--concurrency", "4", "--out", "r"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            while process.poll() is None and asked_for_tokens(server) == before:
                time.sleep(0.05)
            start = time.monotonic()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=40)
        finally:
            process.kill()
    assert process.returncode == 130
    assert time.monotonic() - start < 25


@pytest.mark.parametrize("fault", TEMPORARY)
def test_a_fault_that_passes_is_tried_again_and_recorded(server, open_model, fault):
    prompts = [RawPrompt(text=f"prompt {number}") for number in range(4)]
    expected = outcomes(open_model(), prompts)
    server.set(**{fault: 2})
    before = asked_for_tokens(server)
    result = outcomes(open_model(), prompts)
    assert [completion.text for completion in result] == [completion.text for completion in expected]
    # A connection that closes before an answer begins is opened again within the attempt.
    attempts = 0 if fault == "no_reply" else 2
    assert sum(completion.attempts - 1 for completion in result) == attempts
    assert asked_for_tokens(server) - before == 6


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
    loops, others = [RawPrompt(text="[loop]")] * 20, [RawPrompt(text=f"prompt {number}") for number in range(980)]

    def answered(**options):
        model = open_model(**options)
        return [*outcomes(model, loops, max_tokens=40), *outcomes(model, others, max_tokens=8)]

    expected = answered()
    server.set(**dict.fromkeys(TEMPORARY, 0.1))
    result = answered(attempts=40, backoff=0)
    kept = [(completion.text, completion.finish_reason) for completion in expected]
    assert [(completion.text, completion.finish_reason) for completion in result] == kept
    assert sum(completion.attempts > 1 for completion in result) > 300


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
    report = (tmp_path / "r" / "report.html").read_text().replace("\xa0", " ")
    assert len(run.outcomes) == 1000
    for checkpoint in ("base", "instruct"):
        results = [run.outcomes[request.id] for request in run.requests_of(checkpoint)]
        failed = sum(isinstance(item, Failure) for item in results)
        assert 0 < failed < 100
        said = f"{failed} of 500 requests of {checkpoint} failed ({failed} server) and count in no metric"
        assert said in result.stdout
        assert (
            f"{sum(completion.attempts > 1 for completion in results)} of 500 requests took more than one attempt"
            in report
        )


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
    assert problem.startswith(f"the Ollama server at {server.url} does not answer")
    assert "ollama serve" in fix


def test_a_server_that_dies_for_good_ends_the_run_and_resume_finishes_it(server, tmp_path):
    env = {"OLLAMA_HOST": server.url}
    call("run", *SIDES, "--out", "whole", cwd=tmp_path, env=env)
    server.restart(die_after=7)  # The trial of the other model takes two.
    flags = ("-M", "attempts=2")
    start = time.monotonic()
    result = call("run", *SIDES, *flags, "--out", "r", cwd=tmp_path, env=env, code=2)
    assert time.monotonic() - start < 60
    assert "does not answer" in result.stderr
    kept = load_run(tmp_path / "r").outcomes
    assert len(kept) == 5
    server.restart(die_after=None)
    call("run", *SIDES, *flags, "--out", "r", "--resume", cwd=tmp_path, env=env)
    whole, resumed = load_run(tmp_path / "whole"), load_run(tmp_path / "r")
    assert [outcome.text for outcome in resumed.outcomes.values()] == [
        outcome.text for outcome in whole.outcomes.values()
    ]


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
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "resume: evalharness run --out r --resume" in stderr
    kept = load_run(tmp_path / "r").outcomes
    assert 3 <= len(kept) < 16
    call("run", "--out", "r", "--resume", cwd=tmp_path, env=env)
    finished = load_run(tmp_path / "r").outcomes
    assert len(finished) == 16
    assert all(finished[name] == completion for name, completion in kept.items())


REFUSED = "Field 'n_keep': Value must be between -1 <= value <= 2147483647, but got -9"


@pytest.mark.parametrize("broken", ["gemma3-base", "smollm2"])
def test_a_run_whose_requests_are_all_refused_stops_with_the_server_s_sentence(server, tmp_path, broken):
    """The Modelfile's `num_keep` goes with every request, and the runner refuses it."""
    env = {"OLLAMA_HOST": server.url}
    server.restart(models=[{"name": broken, "like": broken, "parameters": [["num_keep", -9]]}])
    stderr = call("run", *SIDES, "--out", "r", cwd=tmp_path, env=env, code=2).stderr
    assert f"{REFUSED}\n  Fix: correct what the server names" in stderr
    assert not (tmp_path / "r" / "report.html").exists()
    asked = Counter(body["model"] for body in sent(server))
    assert asked == ({"smollm2": 1, "gemma3-base": 3} if broken == "gemma3-base" else {"smollm2": 1})
    server.restart(models=[])
    call("run", "--out", "r", "--resume", cwd=tmp_path, env=env)
    assert all(isinstance(outcome, Completion) for outcome in load_run(tmp_path / "r").outcomes.values())


def test_requests_that_fail_later_are_counted_in_the_report(server, tmp_path):
    env, flags = {"OLLAMA_HOST": server.url}, ("-M", "attempts=1", "-M", "backoff=0")
    server.set(busy=0.2, seed=4)
    result = call("run", *SIDES, *flags, "--out", "r", cwd=tmp_path, env=env)
    failed = [outcome for outcome in load_run(tmp_path / "r").outcomes.values() if isinstance(outcome, Failure)]
    assert failed
    assert re.search(r"Read with care: \d+ of \d+ requests of base failed \(\d+ server\)", result.stdout)


def test_waiting_for_the_next_attempt_is_said_while_it_happens(server, tmp_path):
    env = {"OLLAMA_HOST": server.url}
    server.set(busy=2)  # The first one meets the request that shows the template.
    result = call("run", *SIDES, "--limit", "2", "--out", "r", cwd=tmp_path, env=env)
    assert "instruct: server busy, please try again.  maximum pending requests exceeded; attempt 2 of 6 in 0.5 s" in (
        result.stderr
    )
