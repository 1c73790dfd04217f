"""Preference pairs as TRL trains on them (DPO, reward models): `prompt`, `chosen`, `rejected`.

https://huggingface.co/docs/trl/dataset_formats (preference, conversational or standard). The other columns say where a
preference comes from; TRL ignores them.
"""

from collections import Counter
from collections.abc import Iterator

from evalharness.errors import SharingError
from evalharness.export import Choices, Exported
from evalharness.export.frames import json_lines
from evalharness.export.votes import Vote, votes_of
from evalharness.records import Message
from evalharness.store import Run

UNDER = "under the margin"
PLAIN = "continuations of plain text (--with-continuations keeps them)"
TRUNCATED = "truncated at the token limit (--with-truncated keeps them)"


def to_trl(run: Run, choices: Choices) -> Exported:
    """One JSON line per preference; ties, small margins, truncated completions and raw continuations are left out.

    Raises:
        SharingError: no preference is left, or the source has none.
    """
    votes = votes_of(run, choices.source)
    reasons = [_left_out(vote, choices) for vote in votes]
    kept = [vote for vote, reason in zip(votes, reasons, strict=True) if not reason]
    counts = Counter(reason for reason in reasons if reason)
    reasons_in_words = ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "none"
    note = f"{len(kept)} of {len(votes)} pairs; left out: {reasons_in_words}"
    if not kept:
        raise SharingError(f"no preference is left: {note}", fix=_fix(counts))
    return Exported(
        json_lines(dict(_texts(vote, plain=choices.plain)) | dict(_origin(vote)) for vote in kept),
        note if counts else f"{len(kept)} pairs",
    )


def _fix(counts: Counter[str]) -> str:
    """The option that would keep most pairs."""
    flags = {UNDER: "use a smaller --min-margin", TRUNCATED: "add --with-truncated", PLAIN: "add --with-continuations"}
    results = [flags[reason] for reason, _ in counts.most_common() if reason in flags]
    return ", or ".join([*results, "use another --source"])


def _left_out(vote: Vote, choices: Choices) -> str:
    """Why a pair is not useful for training; empty if it is kept."""
    pair = vote.pair
    completions = (pair.baseline, pair.candidate)
    if vote.preferred == "tie":
        return "ties"
    if abs(vote.lead) < choices.min_margin:
        return UNDER
    if pair.baseline.text == pair.candidate.text:
        return "with equal texts"
    if not _sides(vote)[0].strip():
        return "with an empty text preferred"
    if pair.sample.kind == "continuation" and not choices.with_continuations:
        return PLAIN
    if not choices.with_truncated and any(completion.finish_reason == "length" for completion in completions):
        return TRUNCATED
    return ""


def _sides(vote: Vote) -> tuple[str, str]:
    """The preferred text and the other."""
    texts = vote.pair.candidate.text, vote.pair.baseline.text
    return texts if vote.preferred == "candidate" else texts[::-1]


def _texts(vote: Vote, *, plain: bool) -> Iterator[tuple[str, object]]:
    sample, (chosen, rejected) = vote.pair.sample, _sides(vote)
    if plain:
        yield from (("prompt", sample.prompt), ("chosen", chosen), ("rejected", rejected))
        return
    yield "prompt", [message.model_dump() for message in sample.messages]
    yield "chosen", [Message(role="assistant", content=chosen).model_dump()]
    yield "rejected", [Message(role="assistant", content=rejected).model_dump()]


def _origin(vote: Vote) -> Iterator[tuple[str, object]]:
    pair = vote.pair
    names = [request.checkpoint for request in pair.requests]
    formats = [request.prompt.type for request in pair.requests]
    chosen = 1 if vote.preferred == "candidate" else 0
    yield "source", vote.source
    yield "rater", ", ".join(vote.raters)
    yield "margin", abs(vote.lead)
    yield "chosen_side", vote.preferred
    yield "chosen_checkpoint", names[chosen]
    yield "rejected_checkpoint", names[1 - chosen]
    # The completion of a side that was prompted raw did not see the conversation as such.
    yield "chosen_prompted", formats[chosen]
    yield "rejected_prompted", formats[1 - chosen]
    yield "sample_id", pair.sample.id
    yield "replicate", pair.replicate
    yield "category", pair.sample.category
    yield "kind", pair.sample.kind
    yield "expected", pair.sample.expected
    yield "truncated", any(completion.finish_reason == "length" for completion in (pair.baseline, pair.candidate))
