"""Which token has which id in each form."""

import json
from collections.abc import Sequence

from evalharness.tokens.exported_models.findings import Finding, parted, same
from evalharness.tokens.exported_models.forms import LocalForm
from evalharness.tokens.exported_models.prompts import CHATS, special_tokens
from evalharness.weights.gguf_facts import PLAIN_TEXT

PROBES = (
    "The capital of France is Paris.",
    " It's 1,234.50 dollars in 2026!\n\n\t- naïve café, Zürich",
    "def f(x):\n    return x ** 2  # comment",
    "日本語と한국어 и русский 🙂 e\u0301",
)
SAVE = "save the reference's tokenizer with it: AutoTokenizer.from_pretrained(...).save_pretrained(folder)"
CONVERT = "convert it again from a folder with the reference's tokenizer files"


def check_tokenizer(reference: LocalForm, form: LocalForm) -> Finding:
    """The same ids mean the same tokens, and a text gives the same ids."""
    mine, theirs = tokens_of(reference), tokens_of(form)
    # transformers may add tokens of its own that the model has no row for.
    rows = reference.settings["vocab_size"]
    wrong = [number for number, token in mine.items() if number < rows and theirs.get(number) != token]
    if wrong:
        said = f"{len(wrong):,} of {len(mine):,} ids mean another token, such as {wrong[0]}"
        evidence = [repr(tokens.get(wrong[0], "no such token")) for tokens in (mine, theirs)]
        return parted("tokenizer", said, reference=evidence[0], form=evidence[1], fix=CONVERT if form.gguf else SAVE)
    return _check_file(reference, form) if form.gguf else _check_encoding(reference, form)


def tokens_of(form: LocalForm) -> dict[int, str]:
    """The text of every id, with spaces as spaces: a GGUF file may write added tokens so."""
    if form.gguf:
        return {place: _spaced(token) for place, token in enumerate(form.gguf.tokens)}
    return {number: _spaced(token) for token, number in form.tokenizer.get_vocab().items()}


def _spaced(token: str) -> str:
    return token.replace("\u2581", " ")


def _check_file(reference: LocalForm, form: LocalForm) -> Finding:
    """What a GGUF file says beyond its tokens; transformers replaces parts of it, so it is not asked."""
    assert form.gguf is not None
    markers = [number for number in _markers(reference) if number < len(form.gguf.kinds)]
    if plain := [number for number in markers if form.gguf.kinds[number] == PLAIN_TEXT]:
        token = form.gguf.tokens[plain[0]]
        said = f"{token!r} is stored as plain text, so that a prompt's {token!r} is read as several tokens"
        return parted("tokenizer", said, reference="special token", form="type NORMAL", fix=CONVERT)
    mine = _merges(reference)
    if mine and form.gguf.merges and tuple(mine) != form.gguf.merges:
        at = next((at for at, pair in enumerate(zip(mine, form.gguf.merges, strict=False)) if pair[0] != pair[1]), 0)
        evidence = {"reference": repr(mine[at]), "form": repr(form.gguf.merges[at])}
        return parted("tokenizer", f"its merges differ from number {at:,} on", fix=CONVERT, **evidence)
    probe = next((text for text in _probes(reference) if reference.encode(text) != form.encode(text)), None)
    said = "transformers encodes text differently with this file's tokenizer, whose tokens and merges are the same"
    return same("tokenizer", said if probe is not None else "")


def _check_encoding(reference: LocalForm, form: LocalForm) -> Finding:
    for text in _probes(reference):
        ids = [one.encode(text) for one in (reference, form)]
        if ids[0] != ids[1]:
            said = f"it encodes {text[:40]!r} as {len(ids[1])} tokens, the reference as {len(ids[0])}"
            evidence = [_shown(one, tokens) for one, tokens in zip((reference, form), ids, strict=True)]
            return parted("tokenizer", said, reference=evidence[0], form=evidence[1], fix=SAVE)
    return same("tokenizer")


def _probes(reference: LocalForm) -> list[str]:
    chats = [reference.rendered(chat) for chat in CHATS] if reference.has_template else []
    return [*PROBES, *(text for text in chats if not text.startswith("error:"))]


def _markers(reference: LocalForm) -> list[int]:
    """The special tokens of the reference's rendered chats."""
    chats = _probes(reference)[len(PROBES) :]
    return sorted({token for text in chats for token in reference.encode(text)} & special_tokens(reference))


def _merges(form: LocalForm) -> list[str]:
    """The merges of a byte-pair tokenizer, in their order; none of another kind."""
    if form.gguf:
        return list(form.gguf.merges)
    inner = getattr(form.tokenizer, "backend_tokenizer", None)
    listed = json.loads(inner.to_str())["model"].get("merges", []) if inner else []
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in listed]


def _shown(form: LocalForm, ids: Sequence[int]) -> str:
    """The first tokens of a text."""
    tokens = [str(token) for token in form.tokenizer.convert_ids_to_tokens(list(ids[:12]))]
    return f"{tokens}{'...' if len(ids) > len(tokens) else ''}"
