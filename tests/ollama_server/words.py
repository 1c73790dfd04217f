"""What a model says: words that follow from its weights and the prompt."""

import hashlib
import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice

from ollama_server.models import Json, Model

WORDS = re.findall(
    r"\w+",
    "the small river house garden light morning letter table window road water stone music market bread summer child "
    "story village paper bridge forest quiet green early under between about after every little other many people",
)
TOKEN = re.compile(r"<\|\w+\|>|<bos>| ?\w+|\W")
ABORT_AFTER = 31


@dataclass(frozen=True)
class Completion:
    """A piece a token, why it ended (None: aborted), and how many tokens that took."""

    pieces: list[str]
    done_reason: str | None
    eval_count: int


def tokens_of(model: Model, text: str) -> list[str]:
    """About as many as the real tokenizers make, a BOS included where the model asks for one."""
    return [*(["<bos>"] if model.adds_bos else []), *TOKEN.findall(text.removeprefix("<bos>"))]


def complete(model: Model, prompt: str, options: Json, limit: int) -> Completion:
    """The completion of a rendered prompt under the limit and the stop sequences."""
    repeated = re.search(r"\b(\w+)(?: \1){11,}\W*$", prompt)
    if repeated or "[loop]" in prompt:
        pieces = [f" {repeated[1] if repeated else 'a'}"] * min(limit, ABORT_AFTER)
        return Completion(pieces, None if limit >= ABORT_AFTER else "length", len(pieces))
    pieces, text = [], ""
    for piece in islice(_unlimited(model, prompt, options), limit):
        pieces.append(piece)
        text += piece
        if result := [at for stop in options.get("stop") or [] if (at := text.find(stop)) >= 0]:
            starts = accumulate(map(len, pieces), initial=0)
            kept = [
                piece[: min(result) - start]
                for piece, start in zip(pieces, starts, strict=False)
                if start < min(result)
            ]
            return Completion(kept, "stop", len(pieces))
    ended = len(pieces) < limit
    return Completion(pieces, "stop" if ended else "length", len(pieces) + ended)


def _unlimited(model: Model, prompt: str, options: Json) -> Iterator[str]:
    for pattern, said in model.says:
        if re.search(pattern, prompt):
            yield from TOKEN.findall(said)
            return
    if "[empty]" in prompt:
        return
    rng = random.Random(_seed(model, prompt, options))
    chat = prompt.endswith("assistant\n")
    asked = re.search(r"\[words (\d+)\]", prompt)
    for index in range(int(asked[1]) if asked else rng.randint(12, 60) if chat else 2000):
        word = rng.choice(WORDS)
        yield word.capitalize() if chat and index == 0 else "." if rng.random() < 0.1 else f" {word}"


def _seed(model: Model, prompt: str, options: Json) -> bytes:
    """Greedy text follows from weights and prompt; sampled text from the seed too, and is anybody's without one."""
    seed = options.get("seed", -1)
    drawn = "" if options.get("temperature", 0.8) <= 0 else f"{seed}" if seed >= 0 else f"{random.random()}"
    return hashlib.sha256("\0".join((model.blob, prompt, drawn)).encode()).digest()


def logprobs_of(piece: str, top: int) -> Json:
    """The log-probability of one token in the recorded shape; the numbers follow from the token."""
    first = -(zlib.crc32(piece.encode()) % 3000) / 1000 - 0.001
    entry = {"token": piece, "logprob": first, "bytes": list(piece.encode())}
    others = [
        {"token": f" {word}", "logprob": first - rank, "bytes": list(f" {word}".encode())}
        for rank, word in enumerate([word for word in WORDS if f" {word}" != piece][: top - 1], 1)
    ]
    return {**entry, "top_logprobs": [dict(entry), *others]} if top else entry
