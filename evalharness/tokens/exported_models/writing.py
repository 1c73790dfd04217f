"""A server gives text alone: its greedy answers to chats and to the reference's own prompts, read by the reference."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from evalharness.formatting import format_share
from evalharness.records import ChatPrompt, Completion, RawPrompt
from evalharness.tokens.divergences import Reader, read
from evalharness.tokens.exported_models.findings import Finding, excerpts, not_checked, parted, same
from evalharness.tokens.exported_models.forms import TOKENS, LocalForm, ServedForm, answers
from evalharness.tokens.exported_models.prompts import without_bos
from evalharness.tokens.exported_models.reading import prompts_of

FEW = 0.25
"""Share of the server's tokens that the reference has to rank first: of a model of 135M weights two bits kept 35 %."""
APART = 0.25
"""By so much fewer after the server's own template, and it is another template."""
TEMPLATE = (
    "give the server the reference's template and no system prompt (Ollama: TEMPLATE and SYSTEM in the Modelfile)"
)


@dataclass(frozen=True)
class Written:
    """A server's answers, with what the reference thinks of them after its own prompts."""

    answers: list[Completion]
    extra: tuple[int | None, ...]
    """Tokens of each prompt beyond the reference's; None where the server does not count."""
    rendered: str | None
    first_choices: float
    """Share of the tokens that the reference ranks first."""
    passed_end: int
    """Answers that go on where the reference would have ended."""


def check_served(reference: LocalForm, form: ServedForm) -> list[Finding]:
    """All that text can show of a server's model."""
    prompts = prompts_of(reference)
    shown = reference.backend.render(prompts)
    texts = [without_bos(one.text or "", reference) for one in shown]
    ids = [one.token_ids or () for one in shown]
    # Chats first: a server says how it renders them when it loads the model.
    chat = _written(reference, form, prompts, ids) if isinstance(prompts[0], ChatPrompt) else None
    raw = _written(reference, form, [RawPrompt(text=text) for text in texts], ids)
    if chat is None:
        return [_check_bos(raw, "plain text"), _check_weights(raw)]
    first = [_check_template(chat, raw, texts[0], reference), _check_bos(chat, "a chat"), _check_bos(raw, "plain text")]
    # Other weights end elsewhere too.
    return [*first, _check_weights(raw), _check_end(chat)]


def _written(
    reference: LocalForm, form: ServedForm, prompts: Sequence[ChatPrompt | RawPrompt], ids: Sequence[tuple[int, ...]]
) -> Written:
    given, rendered = answers(form, prompts)
    first, total, passed = 0, 0, 0
    for one, before in zip(given, ids, strict=True):
        tokens = reference.encode(one.text)
        ranked, ending = _read(reference, before, tokens) if tokens else ([], [])
        # What is written after an end is nobody's first choice.
        until = ending.index(True) if True in ending else len(tokens)
        first, total, passed = first + sum(ranked[:until]), total + until, passed + (until < len(tokens))
    extra = tuple(one.prompt_tokens and one.prompt_tokens - len(before) for one, before in zip(given, ids, strict=True))
    return Written(given, extra, rendered, first / total if total else 1.0, passed)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _read(reference: LocalForm, before: Sequence[int], tokens: Sequence[int]) -> tuple[list[bool], list[bool]]:
    """At each token: whether the reference ranks it first, and whether it would have ended there."""
    ends = torch.tensor(sorted(reference.backend.end_tokens), dtype=torch.long)
    ranked: list[bool] = []
    ending: list[bool] = []
    for logits in reference.teacher.logits([before], [tokens], columns=8):
        part = torch.tensor(tokens[len(ranked) : len(ranked) + logits.shape[1]], device=logits.device)
        places = torch.arange(len(part), device=logits.device)
        [numbers], _ = read([Reader(logits.flatten(0, 1), ends.to(logits.device))], places, part, [])
        ranked += (numbers.ranks == 1).tolist()
        ending += torch.isin(numbers.likeliest[:, 0].cpu(), ends).tolist()
    return ranked, ending


def _check_template(chat: Written, raw: Written, expected: str, reference: LocalForm) -> Finding:
    if chat.rendered is not None:
        rendered = without_bos(chat.rendered, reference)
        one, other = excerpts(expected, rendered)
        said = "the server renders a chat differently"
        return (
            same("template")
            if rendered == expected
            else parted("template", said, reference=one, form=other, fix=TEMPLATE)
        )
    others = [count for count in chat.extra if count is not None]
    shares = [format_share(one.first_choices) for one in (raw, chat)]
    if others and (len(set(others)) > 1 or abs(others[0]) > 1):
        said = f"the server's prompts have {min(others):+} to {max(others):+} tokens compared with the reference's"
        return parted("template", said, fix=TEMPLATE)
    if raw.first_choices - chat.first_choices > APART:
        said = "the server's answers to chats are not those that it gives to the reference's prompts"
        return parted("template", said, reference=f"{shares[0]} of its tokens are the reference's first choice",
                      form=f"{shares[1]} after its own template", fix=TEMPLATE)  # fmt: skip
    return same("template")


def _check_bos(written: Written, kind: str) -> Finding:
    counts = set(written.extra)
    if counts == {None}:
        return not_checked("BOS", "the server does not count the tokens of a prompt")
    if counts in ({1}, {-1}):
        more = "one token more than the reference, as of a second BOS" if counts == {1} else "one token less"
        fix = "correct add_bos_token in the file, or leave the BOS out of the template"
        return parted("BOS", f"the server reads {kind} as {more}", fix=fix)
    return same("BOS")


def _check_end(chat: Written) -> Finding:
    if 2 * chat.passed_end <= len(chat.answers):
        return same("end token")
    said = f"{chat.passed_end} of {len(chat.answers)} answers go on where the reference ends"
    cut = f"{sum(one.finish_reason == 'length' for one in chat.answers)} reach the limit of {TOKENS} tokens"
    fix = "name the reference's end tokens (Ollama: PARAMETER stop; a server: generation_config.json)"
    return parted("end token", said, reference="ends", form=cut, fix=fix)


def _check_weights(raw: Written) -> Finding:
    share = format_share(raw.first_choices)
    said = f"after the reference's own prompts, {share} of the server's tokens are the reference's first choice"
    if raw.first_choices >= FEW:
        return same("weights", said)
    return parted(
        "weights", said, fix="compare the file that the server loads: evalharness compare-exports FORM file.gguf"
    )
