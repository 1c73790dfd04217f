"""What a server does with what it is sent, as a few short requests show."""

from dataclasses import dataclass
from typing import Literal

from evalharness.backends.server_requests import Bodies, path_of
from evalharness.backends.server_wire import Server, ServerReply
from evalharness.backends.wire import Refused
from evalharness.errors import BackendError
from evalharness.records import ChatPrompt, GenerationConfig, Message, RawPrompt

LOAD_SECONDS = 1800.0
"""Some servers load a model with the first request."""
TEXT = "The quick brown fox"
WORD, WORDS = "the", 8
RAW = RawPrompt(text="Once upon a time")
CHAT = ChatPrompt(messages=(Message(role="user", content="Write a sentence about the sea."),))
TOKENS = 8
HOT = 2.0
"""At this temperature, two draws of eight tokens are the same only if nothing is drawn, or the seed decides."""


@dataclass(frozen=True)
class Reading:
    """How the server reads prompts."""

    ids: bool
    """Whether it takes token ids."""
    known: bool
    """Whether it reads what the local tokenizer makes of a prompt."""
    counts: bool
    """Whether it says how many tokens it has read."""
    bos: int | None
    """BOS tokens before a raw prompt."""


@dataclass(frozen=True)
class Drawing:
    """How the server chooses tokens."""

    repeats: bool
    """Whether the same greedy request gives the same text."""
    seed: Literal["honoured", "ignored", "nothing drawn"]
    logprobs: bool


def read_raw(server: Server, bodies: Bodies) -> Reading:
    """Ask for one token behind a raw prompt: as ids where the server takes them, else as text.

    Raises:
        BackendError: the server reads other tokens than the local tokenizer makes.
    """
    prompt = RawPrompt(text=TEXT)
    ids = bodies.ids(prompt)
    if ids is None or bodies.tokenizing is None:
        return _count_bos(server, bodies)
    begins = bodies.tokenizing.facts().bos_token_id
    bos = next((n for n, token in enumerate(ids) if token != begins), len(ids))
    if bodies.dialect.ids and _reads(server, bodies, prompt, ids):
        return Reading(ids=True, known=True, counts=True, bos=bos)
    reply = _ask(server, bodies, prompt, tokens=1)
    if reply.prompt_tokens not in (None, len(ids)):
        raise BackendError(
            f"the server at {server.url} reads {reply.prompt_tokens} tokens where {bodies.settings.tokenizer} "
            f"makes {len(ids)} of a text",
            fix="give the model's own tokenizer with -M tokenizer, or leave it out",
        )
    counts = reply.prompt_tokens is not None
    return Reading(ids=False, known=counts, counts=counts, bos=bos if counts else None)


def _reads(server: Server, bodies: Bodies, prompt: RawPrompt, ids: tuple[int, ...]) -> bool:
    try:
        reply = _ask(server, bodies, prompt, tokens=1, ids=ids)
    except BackendError:
        return False
    return reply.prompt_ids in (None, ids) and reply.prompt_tokens == len(ids)


def _count_bos(server: Server, bodies: Bodies) -> Reading:
    """Twice as many words have twice as many tokens, except for what is put in front."""
    short, long = (
        _ask(server, bodies, RawPrompt(text=" ".join([WORD] * count)), tokens=1).prompt_tokens
        for count in (WORDS, 2 * WORDS)
    )
    if short is None or long is None:
        return Reading(ids=False, known=False, counts=False, bos=None)
    return Reading(ids=False, known=False, counts=True, bos=2 * short - long)


def read_chat(server: Server, bodies: Bodies) -> Reading:
    """Ask for one token of a chat, and compare what the server has read with what the local template makes."""
    reply = _ask(server, bodies, CHAT, tokens=1)
    ids = bodies.ids(CHAT)
    same = ids is not None and reply.prompt_tokens == len(ids) and reply.prompt_ids in (None, ids)
    return Reading(ids=False, known=same, counts=reply.prompt_tokens is not None, bos=None)


def rendered_prompt(server: Server, bodies: Bodies, prompt: ChatPrompt) -> str | None:
    """How the server says that it renders a chat; None if it does not say.

    Raises:
        BackendError: the server does not answer, or rejects the request.
    """
    return _ask(server, bodies, prompt, tokens=1).prompt_text if bodies.dialect.tells else None


def draw(server: Server, bodies: Bodies, *, chats: bool) -> Drawing:
    """Ask greedily twice, and draw three times with two seeds."""
    prompt = CHAT if chats else RAW
    greedy = [_ask(server, bodies, prompt).text for _ in range(2)]
    draws = [_ask(server, bodies, prompt, temperature=HOT, seed=seed).text for seed in (1, 1, 2)]
    seed: Literal["honoured", "ignored", "nothing drawn"] = "ignored"
    if draws[0] == draws[1]:
        seed = "nothing drawn" if draws[1] == draws[2] else "honoured"
    return Drawing(repeats=greedy[0] == greedy[1], seed=seed, logprobs=_gives_logprobs(server, bodies, prompt))


def _gives_logprobs(server: Server, bodies: Bodies, prompt: RawPrompt | ChatPrompt) -> bool:
    asked: dict[str, object] = (
        {"logprobs": 1} if isinstance(prompt, RawPrompt) else {"logprobs": True, "top_logprobs": 1}
    )
    try:
        return bodies.dialect.logprobs and bool(_ask(server, bodies, prompt, tokens=1, more=asked).logprobs)
    except BackendError:
        return False


def _ask(
    server: Server,
    bodies: Bodies,
    prompt: RawPrompt | ChatPrompt,
    *,
    tokens: int = TOKENS,
    temperature: float = 0.0,
    seed: int = 0,
    ids: tuple[int, ...] | None = None,
    more: dict[str, object] | None = None,
) -> ServerReply:
    """One reply.

    Raises:
        BackendError: the server does not answer, or rejects the request.
    """
    config = GenerationConfig(max_tokens=tokens, temperature=temperature, seed=seed)
    body = bodies.of(prompt, config, ids=ids) | (more or {})
    try:
        return server.answer(path_of(prompt), body, timeout=LOAD_SECONDS)
    except Refused as error:
        raise server.failed(error) from None


def reading_notes(reading: Reading, tokenizer: str | None, *, chats: bool) -> list[str]:
    """What a reader of the report must know of how prompts are read."""
    if not reading.counts:
        return ["The server does not say how many tokens it reads: a prompt that it cuts would go unnoticed."]
    if chats:
        same = f"The server's chat template makes the tokens that {tokenizer} makes."
        other = f"The server's chat template is not that of {tokenizer}: rendered prompts are not known."
        return [] if tokenizer is None else [same if reading.known else other]
    bos = f"{reading.bos} BOS" if reading.bos is not None else "an unknown number of BOS"
    sent = "token ids" if reading.ids else "text"
    checked = f", and the server reads the tokens of {tokenizer}" if reading.known else ""
    return [f"Raw prompts are sent as {sent}, with {bos} in front{checked}."]


def drawing_notes(drawing: Drawing) -> list[str]:
    """What a reader of the report must know of how tokens are chosen."""
    seeds = {
        "honoured": "A seed repeats a draw.",
        "ignored": "The seed is ignored: draws do not repeat.",
        "nothing drawn": "Temperature is ignored.",
    }
    return [
        "The same greedy request gave the same text."
        if drawing.repeats
        else "The same greedy request gave another text: results do not repeat exactly.",
        seeds[drawing.seed],
        f"The server gives {'' if drawing.logprobs else 'no '}log-probabilities.",
    ]
