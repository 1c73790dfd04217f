"""What the test server does on its own: completions, loads, the queue, and its faults when asked for them."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from ollama_server import running_server


@pytest.fixture(scope="module")
def shared_server():
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server):
    shared_server.reset()
    return shared_server


def ask(server, prompt="Tell me a story.", **fields):
    body = {"model": "gemma3-base", "prompt": prompt, "raw": True, "stream": False, **fields}
    body["options"] = {"temperature": 0, "num_predict": 16, **fields.get("options", {})}
    return httpx.post(f"{server.url}/api/generate", json=body, timeout=30)


def test_the_same_prompt_gets_the_same_text_and_another_seed_another(server):
    def sampled(seed):
        return ask(server, options={"temperature": 0.8, "seed": seed}).json()["response"]

    assert ask(server).json()["response"] == ask(server).json()["response"]
    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)


def test_markers_in_the_prompt_ask_for_a_loop_nothing_or_a_length(server):
    loop = ask(server, "[loop]", options={"num_predict": 80}).json()
    nothing = ask(server, "[empty]").json()
    words = ask(server, "[words 7]").json()

    assert loop["done"] is False
    assert loop["response"] == " a" * 31
    assert (nothing["response"], nothing["eval_count"], nothing["done_reason"]) == ("", 1, "stop")
    assert (words["eval_count"], words["done_reason"]) == (8, "stop")


def test_loads_are_counted_with_their_context(server):
    for num_ctx in (1024, 1024, 2048):
        ask(server, options={"num_ctx": num_ctx})
    ask(server, model="smollm2")

    assert server.loads() == [("gemma3-base", 1024), ("gemma3-base", 2048), ("smollm2", 4096)]
    assert [kind for kind, _, _ in server.events()] == ["load", "unload", "load", "unload", "load"]


def test_two_names_of_one_blob_share_a_runner(server):
    ask(server, model="smollm2")
    ask(server, model="smollm2-tuned")

    assert server.loads() == [("smollm2", 4096)]


def test_keep_alive_ends_a_runner(server):
    ask(server, keep_alive="50ms")
    time.sleep(0.1)
    listed = httpx.get(f"{server.url}/api/ps").json()

    assert listed == {"models": []}
    assert ask(server, keep_alive="forever").json() == {"error": 'time: invalid duration "forever"'}


def test_a_full_queue_is_refused_while_a_model_loads_and_not_afterwards(server):
    server.set(max_queue=1, load_seconds=0.5, token_seconds=0.001)

    with ThreadPoolExecutor(8) as pool:
        while_loading = sorted(reply.status_code for reply in pool.map(lambda _: ask(server), range(8)))
        loaded = {reply.status_code for reply in pool.map(lambda _: ask(server), range(8))}

    assert while_loading == [200] * 2 + [503] * 6
    assert loaded == {200}


def test_a_pull_changes_the_digest_and_the_answer(server):
    before = ask(server).json()["response"]
    server.set(
        models=[{"name": "gemma3-base", "digest": "d" * 64, "blob": "b" * 64}, {"name": "other", "like": "smollm2"}]
    )

    tags = {model["name"]: model["digest"] for model in httpx.get(f"{server.url}/api/tags").json()["models"]}

    assert tags["gemma3-base:latest"] == "d" * 64
    assert tags["other:latest"] == tags["smollm2:latest"]
    assert ask(server).json()["response"] != before


def test_a_thinking_model_thinks_apart_from_its_answer(server):
    server.set(models=[{"name": "smollm2", "capabilities": ["completion", "thinking"]}])
    body = {"model": "smollm2", "messages": [{"role": "user", "content": "Name three fruits."}], "stream": False}

    thinking = httpx.post(f"{server.url}/api/chat", json=body).json()["message"]
    silent = httpx.post(f"{server.url}/api/chat", json={**body, "think": False}).json()["message"]

    assert thinking["content"] == silent["content"] == "1. Bananas\n2. Oranges\n3. Grapes"
    assert thinking["thinking"]
    assert "thinking" not in silent


def test_an_old_server_cuts_a_prompt_whatever_it_is_told(server):
    server.set(old_server=True)

    reply = ask(server, "word " * 1000, truncate=False, options={"num_ctx": 512})

    assert (reply.status_code, reply.json()["prompt_eval_count"]) == (200, 259)


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ("busy", 503, "server busy, please try again.  maximum pending requests exceeded"),
        ("error_500", 500, "model runner has unexpectedly stopped"),
        ("not_found", 404, "model 'gemma3-base' not found"),
        ("runner_killed", 500, "unexpected EOF"),
    ],
)
def test_a_fault_meets_the_next_request_only(fault, status, error, server):
    server.set(**{fault: 1})

    first, second = ask(server), ask(server)

    assert first.status_code == status
    assert error in first.json()["error"]
    assert second.status_code == 200
    assert [request["fault"] for request in server.requests()] == [fault, None]


def test_a_killed_runner_is_loaded_again(server):
    server.set(runner_killed=1)

    ask(server)
    ask(server)

    assert [kind for kind, _, _ in server.events()] == ["load", "crash", "load"]


@pytest.mark.parametrize("fault", ["no_reply", "broken_stream", "ended_stream"])
def test_without_streaming_a_lost_connection_brings_no_reply(fault, server):
    server.set(**{fault: 1})

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        ask(server)


def test_a_stream_may_end_properly_with_no_final_object(server):
    server.set(ended_stream=1)

    lines = [json.loads(line) for line in ask(server, stream=True).text.splitlines()]

    assert lines
    assert not any(line["done"] for line in lines)


def test_a_line_of_the_stream_may_be_no_json(server):
    server.set(bad_json=2)

    lines = ask(server, stream=True).text.splitlines()
    whole = ask(server).text

    assert json.loads(lines[-1])["done"] is True
    for text in (lines[len(lines) // 2 - 1], whole):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


def test_a_slow_reply_is_late_and_right(server):
    server.set(slow=1, slow_seconds=0.2)
    started = time.monotonic()

    reply = ask(server)

    assert reply.status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_loop_may_be_asked_for_as_a_fault(server):
    server.set(loop_abort=1)

    assert ask(server, options={"num_predict": 40}).json()["done"] is False


def test_faults_with_a_probability_follow_from_the_seed_and_not_from_the_order(server):
    def statuses(order):
        server.set(busy=0.3, seed=5)
        return {number: ask(server, f"Number {number}.").status_code for number in order}

    forwards = statuses(range(30))
    server.reset()

    assert statuses(reversed(range(30))) == forwards
    assert 1 <= list(forwards.values()).count(503) <= 20


def test_a_killed_server_refuses_connections(server):
    server.kill()

    with pytest.raises(httpx.ConnectError):
        ask(server)


def test_a_server_that_dies_in_the_middle_keeps_its_journal_and_comes_back_on_its_port(server):
    server.set(die_after=1)
    url = server.url

    assert ask(server).status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        ask(server, stream=True)
    with pytest.raises(httpx.ConnectError):
        ask(server)
    server.restart()

    assert server.url == url
    assert ask(server).status_code == 200
    assert [request["fault"] for request in server.requests()] == [None, "die", None]
