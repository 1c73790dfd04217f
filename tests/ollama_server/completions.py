"""What a model says: words that follow from its weights and the prompt, and the texts that were recorded."""

import hashlib
import json
import random
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any

from ollama_server.models import INSTRUCT, Model
from ollama_server.settings import Json

WORDS = re.findall(
    r"\w+",
    "the small river house garden light morning letter table window road water stone music market bread summer child "
    "story village paper bridge forest quiet green early under between about after every little other many people "
    "often slowly again together near found made kept walked opened carried learned",
)
FRUITS = re.findall(r"\n| ?[^_]+?(?=_|$)", "1_._ Ban_anas_\n_2_._ Or_anges_\n_3_._ Gra_pes")
TOKEN = re.compile(r"<\|\w+\|>|<bos>|ass(?=istant\b)| ?[^\W\d_]+|\d| ?[^\w\s]|_|\s")
PLAIN_TOKEN = re.compile(r"<bos>| ?[^\W\d_]+|\d| ?[^\w\s]{1,2}|_|\s")
CHAT_END = r"(?:<\|im_end\|>\n<\|im_start\|>assistant\n)?$"
REPEATED = re.compile(r"\b(\w+)(?: \1){11,}" + CHAT_END)
COUNTING = re.compile(r"\d+(,?) (\d+),?$")
ABORT_AFTER = 31


def tokens_of(model: Model, text: str) -> list[str]:
    """The text's tokens, a BOS included where the model asks for one; close to the real tokenizers' counts."""
    if not model.adds_bos:
        return TOKEN.findall(text)
    return ["<bos>", *PLAIN_TOKEN.findall(text.removeprefix("<bos>"))]


@dataclass(frozen=True)
class Completion:
    """What the model says: a piece a token, why it ended (None: aborted), and how many tokens that took."""

    pieces: list[str]
    done_reason: str | None
    eval_count: int


def _words(rng: random.Random, count: int, chat: bool) -> Iterator[str]:
    """Plain sentences; a chat's answer begins with a capital and without a space."""
    begins = chat
    for index in range(count):
        if index and not begins and rng.random() < 0.1:
            begins = True
            yield "."
            continue
        word = rng.choice(WORDS)
        yield ("" if chat and index == 0 else " ") + (word.capitalize() if begins else word)
        begins = False


def _counting(comma: str, last: int) -> Iterator[str]:
    """The numbers after the last one, in the tokens of the recordings: a space, then digit by digit."""
    for number in range(last + 1, last + 2000):
        yield from [" ", *str(number), *comma]


def _schema_text(schema: Json) -> str:
    values = {"string": "apple", "integer": 2, "number": 0.5, "boolean": True, "array": [], "object": {}}
    fields = schema.get("properties", {"fruit": {"type": "string"}, "count": {"type": "integer"}})
    return json.dumps({name: values[entry.get("type", "string")] for name, entry in fields.items()}, indent=2)


def unlimited(model: Model, prompt: str, options: Json, wanted_format: Any) -> Iterable[str]:
    """The tokens that the model would say without any limit, up to its own end."""
    for pattern, said in model.says:
        if re.search(pattern, prompt):
            return tokens_of(INSTRUCT, said)
    if "[empty]" in prompt:
        return []
    if wanted_format:
        return tokens_of(INSTRUCT, _schema_text(wanted_format if isinstance(wanted_format, dict) else {}))
    chat = model.ends and prompt.rstrip("\n").endswith(("assistant", "ASSISTANT:"))
    if chat and "Name three fruits." in prompt:
        return FRUITS
    if counting := COUNTING.search(prompt):
        return _counting(counting[1], int(counting[2]))
    rng = random.Random(_prompt_seed(model, prompt, options))
    asked = re.search(r"\[words (\d+)\]", prompt)
    count = int(asked[1]) if asked else rng.randint(12, 60) if chat else 2000
    return _words(rng, count, chat)


def _prompt_seed(model: Model, prompt: str, options: Json) -> bytes:
    """Greedy text follows from weights and prompt; sampled text from the seed too, and is anybody's without one."""
    seed = options.get("seed", -1)
    drawn = "" if options.get("temperature", 0.8) <= 0 else f"{seed}" if seed >= 0 else f"{random.random()}"
    return hashlib.sha256("\0".join((model.blob, prompt, drawn)).encode()).digest()


def complete(model: Model, prompt: str, options: Json, wanted_format: Any, limit: int) -> Completion:
    """The completion of a rendered prompt under the limit and the stop sequences."""
    repeated = REPEATED.search(prompt)
    if repeated or "[loop]" in prompt:
        pieces = [f" {repeated[1] if repeated else 'a'}"] * min(limit, ABORT_AFTER)
        return Completion(pieces, None if limit >= ABORT_AFTER else "length", len(pieces))
    stops = [stop for stop in options.get("stop") or [] if stop]
    pieces, text = [], ""
    for piece in islice(unlimited(model, prompt, options, wanted_format), limit):
        pieces.append(piece)
        text += piece
        found = [at for at in map(text.find, stops) if at >= 0]
        if found:
            return Completion(_cut(pieces, min(found)), "stop", len(pieces))
    if len(pieces) == limit:
        return Completion(pieces, "length", limit)
    return Completion(pieces, "stop", len(pieces) + 1)


def _cut(pieces: list[str], length: int) -> list[str]:
    starts = accumulate(map(len, pieces), initial=0)
    return [piece[: length - start] for piece, start in zip(pieces, starts, strict=False) if start < length]


def logprobs_of(piece: str, top: int) -> Json:
    """The log-probability of one token in the recorded shape; the numbers follow from the token."""
    first = -(zlib.crc32(piece.encode()) % 3000) / 1000.0 - 0.001
    entry = {"token": piece, "logprob": first, "bytes": list(piece.encode())}
    if not top:
        return entry
    others = list(enumerate([f" {word}" for word in WORDS if f" {word}" != piece][: top - 1], 1))
    tops = [{"token": token, "logprob": first - rank, "bytes": list(token.encode())} for rank, token in others]
    return {**entry, "top_logprobs": [dict(entry), *tops]}
