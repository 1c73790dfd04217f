"""A strict OpenAI-compatible server in a thread, in the dialect that a test asks for.

It refuses what the real ones refuse or silently ignore, and any request that leaves a sampling option to its defaults.
Its completions are words chosen by a hash of the prompt's tokens. In a prompt, `[loop]` repeats one word without an
end, `[think]` thinks first, `[empty]` gives nothing.

As llama-server it answers in the form of `tests/llama_server_recordings.jsonl`, which a real one wrote.
"""

import hashlib
import itertools
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WORDS = [" river", " stone", " light", " and", " the", " sea", " was", " over", " far", " away"]
COMMON = {"model", "max_tokens", "temperature", "top_p", "seed", "stop", "stream", "stream_options"}
PENALTIES = {"presence_penalty", "frequency_penalty"}
LLAMA = {"typical_p", "top_n_sigma", "xtc_probability", "dynatemp_range", "dry_multiplier", "mirostat", "samplers"}
LLAMA |= {"repeat_last_n", "cache_prompt", "logit_bias", "verbose"}
GPU = {"min_p", "min_tokens", "top_k", "repetition_penalty", "ignore_eos", "skip_special_tokens"}
NEEDED = {
    "vllm": COMMON | PENALTIES | GPU | {"return_prompt_text", "return_token_ids"},
    "sglang": COMMON | PENALTIES | GPU,
    "llama-server": COMMON | PENALTIES | LLAMA | {"min_p", "top_k", "repeat_penalty", "ignore_eos"},
    "transformers": {"model", "max_tokens", "seed", "stop", "stream", "stream_options", "generation_config"},
    "lmstudio": COMMON | PENALTIES | {"top_k", "repeat_penalty"},
    "generic": COMMON | PENALTIES,
}
"""The fields of every request but its prompt; of these only `stop` may be left out."""
OWNERS = {"vllm": "vllm", "sglang": "sglang", "llama-server": "llamacpp", "lmstudio": "organization_owner"}
LINES = (Path(__file__).parent / "llama_server_recordings.jsonl").read_text(encoding="utf-8").splitlines()
LLAMA_SERVER = {recording["name"]: recording for recording in map(json.loads, LINES)}
SETTINGS = {
    "dialect": "vllm",
    "model": "meadow",
    "key": None,
    "context": 4096,
    "tokenizer": None,  # reads text, with its own BOS rule
    "honours_seed": True,
    "draws": True,
    "gives_logprobs": True,
    "counts": True,
    "reads": 1.0,  # the share of a prompt that is read
    "extra_bos": 0,
    "keeps_stop": False,
    "token_seconds": 0.0,
    "slow_first": 0.0,
    "parallel": 10**6,
    "capacity": 10**6,  # requests at once, beyond which it answers 429
    "busy": 0,  # so many of the next requests are answered 429
    "broken": 0,  # so many of the next streams are cut
    "roots": itertools.repeat("/models/meadow"),  # where the weights are, in the order of the requests
    "closes": 0,  # so many of the next requests get no answer, but a closed connection
    "loading": 0,  # so many of the next requests are answered with the 503 of a llama-server that loads its model
    "shared": 0,  # so many of the next streams of a llama-server end because its slots have filled their context
    "loras": [],
    "lists": [],  # the models in the cache of a `transformers serve`
    "wait": None,  # Retry-After
    "renders": None,  # a function from messages to the prompt, instead of ChatML
    "reads_tokens": None,  # a function from a prompt's tokens to log-probabilities of all tokens at each but the first
    "classifies": None,  # a function from a text's tokens to the logits of a classifier
    "writes": None,  # a function from the prompt's tokens and the limit to a text and its finish reason
}


LLAMA_TOKENS = json.loads(LLAMA_SERVER["models"]["text"])["data"][0]["meta"]["n_vocab"]
LLAMA_TOO_LONG = "request ({} tokens) exceeds the available context size ({} tokens), try increasing it"


class OpenAiServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, settings):
        super().__init__(("127.0.0.1", 0), Handler)
        self.settings = SETTINGS | settings
        self.bodies = []
        self.statuses = []
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self.slots = threading.Semaphore(self.settings["parallel"])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def set(self, **settings):
        self.settings |= settings

    def one_of(self, name):
        """Whether one of a number of faults is due; it is then used up."""
        with self.lock:
            left = self.settings[name]
            self.settings[name] = max(0, left - 1)
            return left > 0

    def handle_error(self, request, client_address):
        """A client that is gone is no error."""


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """Bodies are kept."""

    @property
    def settings(self):
        return self.server.settings

    def do_GET(self):
        self._safely(self._describe)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._safely(lambda: self._complete(body))

    def _safely(self, answer):
        if self.server.one_of("closes"):
            self.close_connection = True
            return
        try:
            if self.server.one_of("loading"):
                raise Refusal(503, "Loading model")
            if self.settings["key"] and self.headers["Authorization"] != f"Bearer {self.settings['key']}":
                raise Refusal(401, f"Incorrect API key provided: {self.headers['Authorization']}")
            answer()
        except Refusal as refusal:
            key = "detail" if self.settings["dialect"] == "transformers" else "error"
            inner = str(refusal) if key == "detail" else {"message": str(refusal), "code": refusal.status}
            self._json(refusal.status, {key: inner})

    def _describe(self):
        dialect, model = self.settings["dialect"], self.settings["model"]
        entry = {"id": model, "owned_by": OWNERS.get(dialect, "someone"), "created": time.time()}
        if dialect in ("vllm", "sglang"):
            entry |= {"root": next(self.settings["roots"]), "max_model_len": self.settings["context"]}
        pages = {"/v1/models": {"data": [entry]}}
        if dialect == "vllm":
            pages["/version"] = {"version": "0.32.0"}
        if dialect == "sglang":
            pages["/get_server_info"] = {"version": "0.5.23", "api_key": "never stored"}
        if dialect == "llama-server":
            [entry] = json.loads(LLAMA_SERVER["models"]["text"])["data"]
            meta = entry["meta"] | {"n_ctx": self.settings["context"]}
            pages["/v1/models"] = {"data": [entry | {"id": model, "aliases": [model, "another name"], "meta": meta}]}
            settings = {"n_ctx": self.settings["context"]}
            pages["/props"] = json.loads(LLAMA_SERVER["props"]["text"]) | {"default_generation_settings": settings}
            pages["/lora-adapters"] = self.settings["loras"]
        if dialect == "transformers":
            pages = {"/openapi.json": {"paths": {"/load_model": {}, "/v1/completions": {}}}}
            pages["/v1/models"] = {"data": [{"id": name} for name in self.settings["lists"]]}
            if self.path == "/v1/models" and not self.settings["lists"]:
                raise Refusal(500, "Internal Server Error")
        if dialect == "ollama":
            pages["/api/version"] = {"version": "0.32.15"}
        if self.path not in pages:
            raise Refusal(404, "Not Found")
        self._json(200, pages[self.path])

    def _complete(self, body):
        server = self.server
        with server.lock:
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
            crowded = server.in_flight > self.settings["capacity"]
        try:
            if crowded or server.one_of("busy"):
                raise Refusal(429, "too many requests")
            with server.slots:
                self._answer(body)
        finally:
            with server.lock:
                server.in_flight -= 1

    def _answer(self, body):
        chats = self.path == "/v1/chat/completions"
        self.server.bodies.append(body)
        if "prompt_logprobs" in body:
            return self._tell(body)
        if self.path == "/classify":
            return self._classify(body)
        self._refuse(body, chats)
        ids = self._read(body, chats)
        time.sleep(self.settings["slow_first"])
        return self._stream(body, chats, ids, self.server.one_of("broken"))

    def _refuse(self, body, chats):
        dialect = self.settings["dialect"]
        mine = {"messages", "logprobs", "top_logprobs"} if chats else {"prompt", "logprobs"}
        if chats and dialect not in ("lmstudio", "generic"):
            mine |= {"chat_template_kwargs"}
        needed = NEEDED[dialect]
        if unknown := set(body) - needed - mine:
            raise Refusal(422 if dialect == "transformers" else 400, f"Unexpected fields in the request: {unknown}")
        if left := needed - {"stop"} - set(body):
            raise Refusal(400, f"test server: {left} would be left to the server's defaults")
        if body["model"] != self.settings["model"] and dialect != "llama-server":
            raise Refusal(404, f"The model `{body['model']}` does not exist.")
        if not isinstance(body.get("prompt", ""), str) and dialect in ("transformers", "lmstudio", "generic"):
            raise Refusal(400, "prompt must be a string.")

    def _tell(self, body):
        """As vLLM 0.32: without a stream, the likeliest tokens and the one that is there, whose rank counts ties."""
        ids, most = body["prompt"], body["prompt_logprobs"]
        if set(body) != {"model", "prompt", "max_tokens", "temperature", "prompt_logprobs"} or most > 20:
            raise Refusal(400, "`prompt_logprobs` are not available when `stream=True`, or more than allowed (20).")
        if body["max_tokens"] < 1 or len(ids) + body["max_tokens"] > self.settings["context"]:
            raise Refusal(400, f"max_tokens={body['max_tokens']} is too small or too large: {len(ids)} input tokens.")
        told = [None]
        for token, values in zip(ids[1:], self.settings["reads_tokens"](ids), strict=True):
            entry = {str(token): {"logprob": values[token], "rank": sum(value >= values[token] for value in values)}}
            order = sorted(range(len(values)), key=lambda place: -values[place])[:most]
            entry |= {str(one): {"logprob": values[one], "rank": at} for at, one in enumerate(order, start=1)}
            told.append(entry)
        return self._json(200, {"choices": [{"text": " a", "prompt_logprobs": told}]})

    def _classify(self, body):
        """As vLLM 0.32 was seen to answer; without `use_activation` it gives probabilities."""
        if (
            set(body) != {"model", "input", "use_activation"}
            or body["use_activation"]
            or not self.settings["classifies"]
        ):
            raise Refusal(400, "test server: raw logits of token ids alone are asked for")
        if max(map(len, body["input"])) > self.settings["context"]:
            raise Refusal(400, f"This model's maximum context length is {self.settings['context']} tokens.")
        rows = [self.settings["classifies"](ids) for ids in body["input"]]
        data = [{"index": at, "label": "", "probs": row, "num_classes": len(row)} for at, row in enumerate(rows)]
        read = sum(len(ids) + self.settings["extra_bos"] for ids in body["input"])
        return self._json(200, {"object": "list", "data": data, "usage": {"prompt_tokens": read}})

    def _read(self, body, chats):
        """The tokens of the prompt."""
        given = body["messages"] if chats else body["prompt"]
        text = self._rendered(given) if chats else given
        tokenizer = self.settings["tokenizer"]
        if isinstance(text, list):
            ids = list(text)
            if self.settings["dialect"] == "llama-server" and max(ids) >= LLAMA_TOKENS:
                raise Refusal(400, "Prompt contains invalid tokens")
        elif tokenizer is None:
            ids = text.split()
        else:
            ids = tokenizer(text, add_special_tokens=not chats)["input_ids"]
        ids = [0] * self.settings["extra_bos"] * (not isinstance(text, list)) + ids
        if len(ids) >= self.settings["context"] and self.settings["dialect"] == "llama-server":
            raise Refusal(400, LLAMA_TOO_LONG.format(len(ids), self.settings["context"]))
        if len(ids) >= self.settings["context"]:
            raise Refusal(
                400,
                f"This model's maximum context length is {self.settings['context']} tokens. However, your prompt "
                f"contains at least {len(ids)} input tokens.",
            )
        return ids[: max(1, int(len(ids) * self.settings["reads"]))]

    def _rendered(self, messages):
        return (self.settings["renders"] or rendered)(messages)

    def _stream(self, body, chats, ids, broken):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        text = json.dumps(body.get("messages") or body.get("prompt"))
        pieces, end, stop = self._words(body, ids, text)
        llama, verbose = self.settings["dialect"] == "llama-server", {}
        if "[think]" in text and body.get("chat_template_kwargs", {}).get("enable_thinking"):
            self._event({"choices": [{"delta": {"reasoning_content": "Let me think."}}]})
        for number, piece in enumerate(pieces):
            time.sleep(self.settings["token_seconds"])
            if broken and number == len(pieces) // 2:
                self.close_connection = True
                return None
            told = {"__verbose": {"tokens": [number]}} if llama and not chats else {}
            self._event({"choices": [self._choice(piece, chats, body)], **told})
        if llama and self.server.one_of("shared"):
            self._event(json.loads(LLAMA_SERVER["shared_context"]["text"].splitlines()[-1].removeprefix("data: ")))
            return self._chunk(b"")
        if end is None:
            return self._chunk(b"")
        told = {"stop_reason": stop}
        if llama:
            shown = self._rendered(body["messages"]) if chats else text
            told, verbose = {}, {"__verbose": {"tokens": [], "prompt": shown, "stopping_word": stop or ""}}
        self._event({"choices": [self._choice("", chats, {}) | {"finish_reason": end} | told], **verbose})
        if self.settings["counts"]:
            self._event({"choices": [], "usage": {"prompt_tokens": len(ids), "completion_tokens": len(pieces)}})
        self._chunk(b"data: [DONE]\n\n")
        return self._chunk(b"")

    def _words(self, body, ids, text):
        """The pieces, the finish reason (None as where an Ollama server aborts a loop), and the stop string."""
        if "[loop]" in text:
            return [" again"] * 30, None, None
        if self.settings["writes"]:
            written, end = self.settings["writes"](ids, body["max_tokens"])
            return [written], end, None
        drawn = json.loads(body.get("generation_config", "{}")) or body
        hot = drawn.get("temperature", 0) > 0 and self.settings["draws"]
        seed = (body["seed"] if self.settings["honours_seed"] else time.monotonic_ns()) if hot else None
        start = hashlib.sha256(json.dumps([ids, seed]).encode()).digest()
        count = 0 if "[empty]" in text else min(body["max_tokens"], 4 + start[0] % 12)
        pieces = [WORDS[start[n % 32] % len(WORDS)] for n in range(count)]
        for n in range(count):
            for stop in body.get("stop") or ():
                if stop in "".join(pieces[: n + 1]):
                    kept = "".join(pieces[: n + 1])
                    kept = kept if self.settings["keeps_stop"] else kept[: kept.index(stop)]
                    return [kept], "stop", None if self.settings["keeps_stop"] else stop
        return pieces, "length" if count == body["max_tokens"] else "stop", None

    def _choice(self, piece, chats, body):
        said = {"delta": {"content": piece}} if chats else {"text": piece}
        if body.get("logprobs") in (None, False) or not self.settings["gives_logprobs"]:
            return {"index": 0, **said}
        if self.settings["dialect"] == "llama-server" and not body.get("top_logprobs", body["logprobs"]):
            return {"index": 0, **said}
        if chats or self.settings["dialect"] == "llama-server":
            one = {"token": piece, "logprob": -0.5, "top_logprobs": [{"token": piece, "logprob": -0.5}]}
            return {"index": 0, **said, "logprobs": {"content": [one]}}
        tops = [{piece: -0.5}]
        return {"index": 0, **said, "logprobs": {"tokens": [piece], "token_logprobs": [-0.5], "top_logprobs": tops}}

    def _event(self, data):
        self._chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def _chunk(self, content):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def _json(self, status, payload):
        content = json.dumps(payload).encode()
        self.server.statuses.append(status)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status in (429, 503) and self.settings["wait"] is not None:
            self.send_header("Retry-After", str(self.settings["wait"]))
        self.end_headers()
        self.wfile.write(content)


def rendered(messages):
    """ChatML, as the template of `tiny_checkpoint`."""
    said = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in messages)
    return f"{said}<|im_start|>assistant\n"


@contextmanager
def openai_server(**settings):
    """A server with these settings (see SETTINGS), stopped at the end."""
    server = OpenAiServer(settings)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
