"""What the ollama backend costs above a bare thread-pool loop that sends the same requests to the same server.

python benchmarks/ollama_clients.py                                          # the tests' own server, 5 ms a token
python benchmarks/ollama_clients.py --host 127.0.0.1:11434 --model llama3.1:8b
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import httpx
from conditions import conditions

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from ollama_server import running_server

from evalharness.backends.ollama import OllamaBackend
from evalharness.prompting import build_prompt
from evalharness.records import Checkpoint, Completion, GenerationConfig, GenerationRequest
from evalharness.suites import load_suite


def made_requests(backend: OllamaBackend, max_tokens: int) -> list[GenerationRequest]:
    samples = load_suite("core").samples
    prompts = [build_prompt(sample, "chat") for sample in samples]
    resolved, config = backend.resolve(), backend.resolve_config(prompts, GenerationConfig(max_tokens=max_tokens))
    return [
        GenerationRequest.of(resolved, sample.id, prompt, rendered, config)
        for sample, prompt, rendered in zip(samples, prompts, backend.render(prompts), strict=True)
    ]


def bare_loop(url: str, bodies: list[dict], clients: int) -> int:
    """Tokens of a loop as one would write it by hand."""
    with httpx.Client(base_url=url, timeout=300) as client, ThreadPoolExecutor(clients) as pool:

        def ask(body: dict) -> int:
            with client.stream("POST", "/api/chat", json=body) as answer:
                return json.loads(list(answer.iter_lines())[-1])["eval_count"]

        return sum(pool.map(ask, bodies))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    print(conditions("httpx"))
    server = nullcontext() if flags.host else running_server(token_seconds=0.005, parallel=flags.clients)
    with server as started:
        options = {"host": flags.host or started.url, "concurrency": flags.clients}
        checkpoint = Checkpoint(name="side", model=f"ollama/{flags.model}", variant="instruct", options=options)
        backend = OllamaBackend(checkpoint)
        requests = made_requests(backend, flags.max_tokens)
        bodies = [backend._bodies.of(request) | {"stream": True} for request in requests]
        list(backend.generate(requests[:1]))
        ratios = []
        for _ in range(flags.rounds):
            start = time.perf_counter()
            results = [event for event in backend.generate(requests) if isinstance(event, Completion)]
            ours = time.perf_counter() - start
            start = time.perf_counter()
            tokens = bare_loop(backend.server.url, bodies, flags.clients)
            bare = time.perf_counter() - start
            ratios.append(ours / bare)
            assert sum(completion.completion_tokens for completion in results) == tokens
        backend.close()
    print(f"{len(requests)} requests, {tokens} tokens, {flags.clients} clients: bare loop {bare:.2f} s")
    print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.3f} of {[round(ratio, 3) for ratio in ratios]}")


if __name__ == "__main__":
    main()
