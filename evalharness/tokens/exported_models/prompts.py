"""What each form shows the model, and where it lets the model stop: before any weight is loaded."""

from collections.abc import Iterable

from evalharness.prompting import TURN_ENDS
from evalharness.records import Message
from evalharness.tokens.exported_models.findings import Finding, excerpts, parted, same
from evalharness.tokens.exported_models.forms import LocalForm

SYSTEM = Message(role="system", content="Answer in one sentence.")
ASKED = Message(role="user", content="What is the capital of France?")
ANSWERED = Message(role="assistant", content="The capital of France is Paris.")
ALSO = Message(role="user", content="  And of Japan, in 2026?\n")
CHATS = ((ASKED,), (SYSTEM, ASKED), (ASKED, ANSWERED, ALSO), (SYSTEM, ALSO, ANSWERED, ASKED))
"""With and without a system turn, one turn and several, and with spaces that a template may trim. The first has none,
so that a server's own system prompt shows.
"""
COPY = "copy the chat template of the reference (chat_template.jinja, or tokenizer.chat_template in GGUF)"


def check_template(reference: LocalForm, form: LocalForm) -> Finding:
    """Both render the same chats as the same text; a BOS in front is checked apart."""
    if not reference.has_template:
        said = "this form has a chat template, the reference has none" if form.has_template else ""
        return same("template", said)
    if not form.has_template:
        return parted("template", "it has no chat template", fix=COPY)
    for chat in CHATS:
        mine, theirs = (without_bos(one.rendered(chat), reference, form) for one in (reference, form))
        if mine != theirs and not (mine.startswith("error:") and theirs.startswith("error:")):
            one, other = excerpts(mine, theirs)
            roles = ", ".join(message.role for message in chat)
            return parted("template", f"it renders a chat ({roles}) differently", reference=one, form=other, fix=COPY)
    return same("template")


def check_bos(reference: LocalForm, form: LocalForm) -> Finding:
    """Both put as many BOS tokens in front of plain text and of a chat."""
    plain = [int(one.adds_bos) for one in (reference, form)]
    kinds = [("plain text", plain)]
    if reference.has_template and form.has_template:
        kinds.append(("a chat", [_bos_of_chat(one) for one in (reference, form)]))
    for kind, (expected, count) in kinds:
        if count != expected:
            said = f"it puts {count} BOS in front of {kind}, the reference {expected}"
            fix = "save the reference's tokenizer with it, and let either the template or the tokenizer add the BOS"
            return parted("BOS", said, reference=f"{expected} BOS", form=f"{count} BOS", fix=fix)
    return same("BOS")


def _bos_of_chat(form: LocalForm) -> int:
    """A program that reads a GGUF file adds the BOS that the file asks for where the template has not."""
    text = form.rendered(CHATS[0])
    written = (len(text) - len(without_bos(text, form))) // max(1, len(form.tokenizer.bos_token or ""))
    return max(written, int(form.adds_bos)) if form.gguf else written


def without_bos(text: str, *forms: LocalForm) -> str:
    """The text without BOS tokens of these forms in front."""
    tokens = tuple(token for form in forms if (token := form.tokenizer.bos_token))
    while text.startswith(tokens):
        text = text.removeprefix(next(token for token in tokens if text.startswith(token)))
    return text


def check_ends(reference: LocalForm, form: LocalForm) -> Finding:
    """A completion ends where the reference's ends, and at no ordinary token."""
    turn = _turn_end(reference)
    needed = turn & reference.ends or reference.ends
    known = {place for place, token in enumerate(form.gguf.tokens) if token in TURN_ENDS} if form.gguf else set()
    evidence = {"reference": _listed(reference, reference.ends), "form": _listed(form, form.ends)}
    if needed and not (form.ends | known) & (needed | turn):
        fix = "set eos_token_id as in the reference: generation_config.json, or tokenizer.ggml.eos_token_id in GGUF"
        return parted("end token", f"it does not stop at {_listed(reference, needed)}", fix=fix, **evidence)
    if ordinary := form.ends - reference.ends - turn - special_tokens(reference):
        fix = "remove it from eos_token_id in generation_config.json, or from tokenizer.ggml.eos_token_id in GGUF"
        return parted("end token", f"it also stops at {_listed(form, ordinary)}", fix=fix, **evidence)
    if needed and not form.ends & (needed | turn):
        return same("end token", f"the file does not name {_listed(reference, needed)}; llama.cpp knows it by its text")
    return same("end token")


def special_tokens(form: LocalForm) -> set[int]:
    """Tokens that no ordinary text contains."""
    return {*form.tokenizer.all_special_ids, *form.tokenizer.added_tokens_decoder}


def _turn_end(form: LocalForm) -> set[int]:
    """The token that the template writes after an answer; none if it writes none."""
    if not form.has_template:
        return set()
    text = form.rendered((ASKED, ANSWERED), reply=False)
    after = form.encode(text.partition(ANSWERED.content)[2].lstrip())
    return set(after[:1])


def _listed(form: LocalForm, ids: Iterable[int]) -> str:
    named = ((form.tokenizer.convert_ids_to_tokens(token), token) for token in sorted(ids))
    return " and ".join(f"{text!r} ({token})" for text, token in named) or "none"
