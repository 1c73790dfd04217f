"""The test server answers every recorded request as the real server did."""

import json
import os
import re
from pathlib import Path

import httpx
import pytest
from ollama_server import running_server

REPOSITORY = Path(__file__).parent.parent
TRANSCRIPTS = Path(
    os.environ.get("EVALHARNESS_OLLAMA_TRANSCRIPTS", REPOSITORY.parent / "shared" / "ollama" / "transcripts")
)
NOT_COVERED = {
    "cache_effects_parallel1": "figures of an experiment, no request",
    "cache_effects_parallel4": "figures of an experiment, no request",
    "concurrency_determinism_parallel1": "figures of an experiment, no request",
    "concurrency_determinism_parallel4": "figures of an experiment, no request",
    "embed_instruct": "embeddings are not served",
    "err_unknown_model_embed": "embeddings are not served",
    "openai_chat": "the OpenAI endpoints are not served",
    "openai_chat_unknown": "the OpenAI endpoints are not served",
    "openai_models": "the OpenAI endpoints are not served",
    "python_client_0.6.3": "what the client returned, no request; the tests of the backend use that client",
    "show_verbose_instruct": "the tokenizer's arrays are not served",
    "server_down": "no server: see test_a_killed_server_refuses_connections",
    "server_events": "a summary, no request: see the tests of the queue, of shared blobs and of keep_alive",
}
IGNORED_BY_THE_REAL_SERVER = {
    "err_option_unknown": 'unknown option "temprature"',
    "err_bad_role": 'unknown role "narrator"',
    "err_unknown_top_level": 'unknown field "temperature"',
    "generate_toplogprobs_without_logprobs": "top_logprobs without logprobs",
}
ENDS_ELSEWHERE = {
    "chat_stream_system": "the words of the test server are others, and so is their number",
    "generate_format_json": "the real model wrote other fields",
}
LONG = " ".join(f"Item {number} is number {number}." for number in range(1, 400))
CUT = re.compile(r"Item 1 is.{,1600}\.\.\.\[\d+ characters trimmed\]\.\.\..*Item 399 is number 399\.", re.DOTALL)
TIMES = {"created_at", "expires_at", "total_duration", "load_duration", "prompt_eval_duration", "eval_duration"}


def names():
    return sorted(path.stem for path in TRANSCRIPTS.glob("*.json"))


def recording(name):
    if not TRANSCRIPTS.is_dir():
        pytest.skip("no recordings: set EVALHARNESS_OLLAMA_TRANSCRIPTS to their folder")
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text(encoding="utf-8"))


def settings_of(name):
    if name.startswith("kill_runner"):
        return {"runner_killed": 1}
    if name.startswith("kill_server"):
        return {"broken_stream": 1}
    return {"max_loaded": 2, "strict": name not in IGNORED_BY_THE_REAL_SERVER}


@pytest.fixture(scope="module")
def shared_server():
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server):
    shared_server.reset()
    return shared_server


def prepare(url, name, answer):
    """Bring the server into the state that a recording of /api/ps shows."""
    for entry in reversed(answer["models"]):
        num_ctx = 100000 if name == "ps_numctx_above_train" and "smollm2" in entry["name"] else entry["context_length"]
        body = {"model": entry["name"].removesuffix(":latest"), "options": {"num_ctx": num_ctx}}
        httpx.post(f"{url}/api/generate", json=body).raise_for_status()


def send(url, request):
    """Status, headers, the objects that came, and whether the connection broke."""
    raw = request["body_raw"]
    content = CUT.sub(LONG, raw).encode() if raw else raw
    status, headers, received, broken = None, {}, b"", False
    try:
        with httpx.stream(request["method"], url + request["path"], content=content, timeout=30) as response:
            status, headers = response.status_code, response.headers
            for chunk in response.iter_bytes():
                received += chunk
    except httpx.RemoteProtocolError:
        broken = True
    lines = [line for line in received.decode().splitlines() if line.strip()]
    plain = headers.get("content-type", "").startswith("text/plain")
    return status, headers, [line if plain else json.loads(line) for line in lines], broken


def shape(value):
    """Names and types, all the way down; of a list, those of its first entry."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def settled(value):
    """The value without what differs from moment to moment or was trimmed in the recording."""
    if isinstance(value, dict):
        left_out = TIMES | {"tensors", "size"}
        return {key: settled(inner) for key, inner in value.items() if key not in left_out}
    return [settled(inner) for inner in value] if isinstance(value, list) else value


def recorded_objects(body):
    return [entry for entry in body if not (isinstance(entry, str) and "trimmed" in entry)]


def check_counts(name, ours, recorded):
    """A final object says the same about the end; token counts are near those of the real tokenizers."""
    if "prompt_eval_count" not in recorded:
        return
    close = max(2, recorded["prompt_eval_count"] // 10)
    assert abs(ours["prompt_eval_count"] - recorded["prompt_eval_count"]) <= close
    if name in ENDS_ELSEWHERE:
        return
    assert ours["done_reason"] == recorded["done_reason"]
    if recorded["done_reason"] == "length":
        assert ours["eval_count"] == recorded["eval_count"]


@pytest.mark.parametrize("name", names() or ["version"])
def test_a_recorded_request_gets_the_recorded_answer(name, server):
    if name in NOT_COVERED:
        pytest.skip(NOT_COVERED[name])
    recorded = recording(name)
    answer = recorded["response"]
    expected = recorded_objects(answer["body"])
    server.set(**settings_of(name))
    if name.startswith("ps_"):
        prepare(server.url, name, expected[0])

    status, headers, objects, broken = send(server.url, recorded["request"])

    assert broken == name.startswith("kill_server")
    assert status == (int(answer["status_line"].split()[1]) if answer["status_line"] else None)
    for header in answer["headers"]:
        key, value = header.split(": ", 1)
        assert key in headers
        assert headers[key] == value or key == "Content-Length"
    check_objects(name, objects, expected)


def check_objects(name, objects, expected):
    if not expected:
        assert objects == []
        return
    assert shape(objects[0]) == shape(expected[0])
    assert shape(objects[-1]) == shape(expected[-1])
    known = [shape(entry) for entry in expected]
    assert all(shape(entry) in known for entry in objects)
    exact = ("err_", "debug_", "tags", "show_", "ps_", "version", "root", "trunc_generate_raw")
    if isinstance(expected[0], str) or "error" in expected[-1]:
        assert objects[-1] == expected[-1]
    elif name.startswith(exact) and "done_reason" not in expected[-1]:
        assert settled(objects) == settled(expected)
    else:
        check_counts(name, objects[-1], expected[-1])


SAME_TEXT = ["generate_stream", "generate_stop_sequence", "token_repeat_abort_stream", "token_repeat_abort_nostream"]


@pytest.mark.parametrize("name", SAME_TEXT)
def test_a_recorded_text_comes_out_the_same(name, server):
    recorded = recording(name)

    objects = send(server.url, recorded["request"])[2]

    assert [entry["response"] for entry in objects] == [entry["response"] for entry in recorded["response"]["body"]]


@pytest.mark.parametrize(("name", "message"), IGNORED_BY_THE_REAL_SERVER.items())
def test_what_the_real_server_ignores_is_refused(name, message, server):
    status, _, objects, _ = send(server.url, recording(name)["request"])

    assert (status, objects) == (400, [{"error": f"test server: {message}"}])


def test_the_list_of_what_is_not_covered_names_recordings_only():
    if not TRANSCRIPTS.is_dir():
        pytest.skip("no recordings: set EVALHARNESS_OLLAMA_TRANSCRIPTS to their folder")
    assert set(NOT_COVERED) | set(IGNORED_BY_THE_REAL_SERVER) | set(ENDS_ELSEWHERE) <= set(names())


def test_a_trimmed_prompt_is_restored_to_its_length():
    raw = recording("trunc_generate_raw_base_ctx512")["request"]["body_raw"]
    marker = re.search(r" \.\.\.\[(\d+) characters trimmed\]\.\.\. ", raw)

    assert len(CUT.sub(LONG, raw)) == len(raw) - len(marker[0]) + int(marker[1])
