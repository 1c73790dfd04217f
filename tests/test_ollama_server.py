"""The test server against the recordings of the real one, and what both make of this project's client."""

import json
import re

import httpx
import pytest
from ollama_server import RECORDINGS
from test_ollama_faults import replaying

from evalharness.backends.wire import PromptTooLong, Refused, Transient, sentence

CUT = re.compile(r"Item 1 is.{,1600}\.\.\.\[\d+ characters trimmed\]\.\.\..*Item 399 is number 399\.", re.DOTALL)
LONG = " ".join(f"Item {number} is number {number}." for number in range(1, 400))
TIMES = {"created_at", "expires_at", "size", "tensors", "context"}
SAME = re.compile("version|tags|show_|debug_render_chat|err_unknown_model_(chat|generate|show)|err_option_(type|stop)")
SHAPED = re.compile(
    "bos_raw|chat_|after_runner|kill_runner|generate_(raw|keepalive0_unload|load|logprobs|seed|stop|temperature"
    "|num_predict|toplogprobs_21)|think_false|token_repeat_abort_(stream|nostream)|err_raw|err_think.*generate"
)
IGNORED = {
    "err_option_unknown": 'unknown option "temprature"',
    "err_bad_role": 'unknown role "narrator"',
    "err_unknown_top_level": 'unknown field "temperature"',
    "generate_toplogprobs_without_logprobs": "top_logprobs without logprobs",
}


def named(pattern):
    return [name for name in RECORDINGS if pattern.match(name)]


def ask(server, name):
    """Status, and the objects that came."""
    recording = RECORDINGS[name]
    content = CUT.sub(LONG, recording["body"]).encode() if recording["body"] else None
    reply = httpx.request(recording["method"], server.url + recording["path"], content=content)
    return reply.status_code, [json.loads(line) for line in reply.text.splitlines()]


def settled(value):
    """Without what differs from moment to moment, or is trimmed in the recording."""
    if isinstance(value, dict):
        return {key: settled(inner) for key, inner in value.items() if key not in TIMES}
    return [settled(inner) for inner in value] if isinstance(value, list) else value


def shape(value):
    """Names and types, all the way down; of a list, those of its first entry."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items() if key != "context"}
    return [shape(inner) for inner in value[:1]] if isinstance(value, list) else type(value).__name__


@pytest.mark.parametrize("name", named(SAME))
def test_a_recorded_request_gets_the_recorded_answer(server, name):
    assert ask(server, name) == (RECORDINGS[name]["status"], RECORDINGS[name]["replies"]) or (
        settled(ask(server, name)[1]) == settled(RECORDINGS[name]["replies"])
    )


@pytest.mark.parametrize("name", named(SHAPED))
def test_a_recorded_request_gets_an_answer_of_the_recorded_shape(server, name):
    if name.startswith("kill_runner"):
        server.set(runner_killed=1)
    status, result = ask(server, name)
    expected = RECORDINGS[name]["replies"]
    assert status == RECORDINGS[name]["status"]
    assert shape(result[-1]) == shape(expected[-1])
    assert all(shape(answer) in [shape(entry) for entry in expected] for answer in result)


@pytest.mark.parametrize(("name", "said"), IGNORED.items())
def test_what_the_real_server_ignores_is_refused(server, name, said):
    assert ask(server, name) == (400, [{"error": f"test server: {said}"}])


@pytest.mark.parametrize("name", named(re.compile("trunc_.*truncate_false")))
def test_a_prompt_that_does_not_fit_is_refused_as_recorded(server, name):
    status, [result] = ask(server, name)
    recorded = RECORDINGS[name]["replies"][0]["error"]
    assert status == RECORDINGS[name]["status"] == 400
    assert re.sub(r"\d{4}", "N", result["error"]) == re.sub(r"\d{4}", "N", recorded)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *((name, PromptTooLong) for name in named(re.compile("trunc_.*truncate_false|trunc_.*shift_false"))),
        *((name, Transient) for name in named(re.compile("kill_runner|kill_server.*midstream"))),
        *((name, Refused) for name in named(re.compile("err_option_(type|stop)|err_raw|err_think|generate_format"))),
    ],
)
def test_the_client_understands_what_the_real_server_said(name, meant):
    """The recorded lines themselves, sent to the client."""
    if name == "trunc_generation_past_ctx_shift_false":
        meant = None
    recording = RECORDINGS[name]
    with replaying(*recording["replies"], status=recording["status"]) as wire:
        if meant is None:
            assert wire.answer(recording["path"], {}).finish_reason == "length"
            return
        with pytest.raises(meant) as caught:
            wire.answer(recording["path"], {})
    if meant is Refused:
        assert str(caught.value) == sentence(recording["replies"][0]["error"])
        assert "{" not in str(caught.value).partition("schema: ")[0]


@pytest.mark.parametrize("name", named(re.compile("token_repeat_abort")))
def test_the_client_takes_the_recorded_abort_for_a_loop(name):
    lines = RECORDINGS[name]["replies"]
    if len(lines) == 1:  # Without a stream it is one object, which the backend never asks for.
        assert lines[0]["done"] is False
        return
    with replaying(*lines) as wire:
        assert wire.answer(RECORDINGS[name]["path"], {}).finish_reason == "loop_abort"


def test_faults_with_a_probability_follow_from_the_seed_and_not_from_the_order(server):
    def statuses(order):
        server.set(busy=0.3, seed=5)
        body = {"model": "gemma3-base", "raw": True, "stream": False, "options": {"num_predict": 2}}
        return {n: httpx.post(f"{server.url}/api/generate", json={**body, "prompt": f"{n}"}).status_code for n in order}

    forwards = statuses(range(30))
    server.reset()
    assert statuses(reversed(range(30))) == forwards
    assert 1 <= list(forwards.values()).count(503) <= 20


def test_a_server_that_dies_in_the_middle_comes_back_on_its_port(server):
    url = server.url
    server.set(die_after=0)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{url}/api/generate", json={"model": "smollm2", "prompt": "a", "raw": True})
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/api/version")
    server.restart()
    assert (server.url, httpx.get(f"{url}/api/version").json()) == (url, {"version": "0.32.15"})
