"""What the server backend costs above bare loops, with threads and with asyncio, that send the same requests.

python benchmarks/server_clients.py                                               # a server of its own, 20 ms a token
python benchmarks/server_clients.py --url http://localhost:8000 --model org/name  # a real one
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from conditions import conditions

from evalharness.backends.server import ServerBackend
from evalharness.records import Checkpoint, Completion, GenerationConfig, GenerationRequest, RawPrompt

TOKENS, TOKEN_SECONDS = 32, 0.02
MODELS = {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 4096}]}


async def connected(reader, writer):
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        await answer(reader, writer)


async def answer(reader, writer):
    """Stream `TOKENS` tokens for each request of a connection."""
    while head := (await reader.readuntil(b"\r\n\r\n")).decode():
        length = next((line.split(":")[1] for line in head.splitlines() if line.lower().startswith("content-len")), 0)
        await reader.readexactly(int(length))
        if head.startswith("GET"):
            content = json.dumps(MODELS if "/v1/models" in head else {}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content))
            continue
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(TOKENS):
            await asyncio.sleep(TOKEN_SECONDS)
            end = "length" if number == TOKENS - 1 else None
            send(writer, {"choices": [{"index": 0, "text": f" {number}", "finish_reason": end}]})
        send(writer, {"choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": TOKENS}})
        writer.write(b"0\r\n\r\n")


def send(writer, data):
    content = f"data: {json.dumps(data)}\n\n".encode()
    writer.write(b"%x\r\n%s\r\n" % (len(content), content))


async def serve():
    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def with_threads(url, bodies, clients):
    """Tokens of a loop as one would write it by hand."""
    with httpx.Client(base_url=url, timeout=300, limits=NO_LIMITS) as client, ThreadPoolExecutor(clients) as pool:

        def ask(body):
            with client.stream("POST", "/v1/completions", json=body) as reply:
                return tokens_of(list(reply.iter_lines()))

        return sum(pool.map(ask, bodies))


def with_asyncio(url, bodies, clients):
    async def ask_all():
        free = asyncio.Semaphore(clients)
        async with httpx.AsyncClient(base_url=url, timeout=300, limits=NO_LIMITS) as client:

            async def ask(body):
                async with free, client.stream("POST", "/v1/completions", json=body) as reply:
                    return tokens_of([line async for line in reply.aiter_lines()])

            return sum(await asyncio.gather(*map(ask, bodies)))

    return asyncio.run(ask_all())


NO_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)


def tokens_of(lines):
    parts = [json.loads(line[5:]) for line in lines if line.startswith("data: {")]
    return next(part["usage"]["completion_tokens"] for part in reversed(parts) if part.get("usage"))


def timed(work, *arguments):
    start = time.perf_counter()
    tokens = work(*arguments)
    return time.perf_counter() - start, tokens


def measure(url, model, clients, rounds):
    options = {"url": url, "concurrency": clients}
    backend = ServerBackend(Checkpoint(name="side", model=f"server/{model}", variant="base", options=options))
    prompts = [RawPrompt(text=f"This is the prompt number {n}.") for n in range(max(8, 6 * clients))]
    resolved, config = backend.resolve(), GenerationConfig(max_tokens=TOKENS)
    requests = [
        GenerationRequest.of(resolved, f"s{n}", prompt, rendered, config)
        for n, (prompt, rendered) in enumerate(zip(prompts, backend.render(prompts), strict=True))
    ]
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    bodies = [backend._bodies.of(request.prompt, config) | streamed for request in requests]

    def ours():
        events = [event for event in backend.generate(requests) if isinstance(event, Completion)]
        return sum(event.completion_tokens for event in events)

    ratios = []
    for _ in range(rounds):
        seconds, tokens = timed(ours)
        threads, asynchronous = (timed(loop, url, bodies, clients) for loop in (with_threads, with_asyncio))
        assert tokens == threads[1] == asynchronous[1]
        ratios.append((seconds / threads[0], seconds / asynchronous[0]))
    backend.close()
    median = [sorted(column)[rounds // 2] for column in zip(*ratios, strict=True)]
    print(
        f"{clients:>3} in flight, {len(requests)} requests, {tokens} tokens, {seconds:.2f} s: "
        f"{median[0]:.3f} x threads, {median[1]:.3f} x asyncio"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--model", default="m")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.serve:
        return asyncio.run(serve())
    print(conditions("httpx"))
    process = None
    if flags.url is None:
        process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
        flags.url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    try:
        for clients in flags.clients:
            measure(flags.url, flags.model, clients, flags.rounds)
    finally:
        if process:
            process.terminate()


if __name__ == "__main__":
    main()
