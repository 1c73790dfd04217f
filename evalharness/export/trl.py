"""Preference pairs as TRL trains on them (DPO, reward models): `prompt`, `chosen`, `rejected`.

https://huggingface.co/docs/trl/dataset_formats (preference, conversational or standard). The other columns say where a
preference comes from; TRL ignores them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from evalharness.errors import SharingError
from evalharness.export import Choices, Exported
from evalharness.export.frames import json_lines
from evalharness.preferences import Pair, PairVerdict, Preferred, Source, reward_of, verdicts_of
from evalharness.records import Message
from evalharness.store import Run

FIXES = {
    "reward": "score the run with a scorer that gives rewards: evalharness list scorers",
    "judge": "ask a judge: evalharness judge RUN --model MODEL",
    "human": "rate in the report and import the ratings: evalharness rate import RUN FILE",
}
SIGN: dict[Preferred, int] = {"candidate": 1, "tie": 0, "baseline": -1}


@dataclass(frozen=True)
class Vote:
    """The verdicts on one pair, taken together."""

    pair: Pair
    source: Source
    raters: tuple[str, ...]
    lead: float
    """Positive for the candidate. Of a reward, the difference; else the mean of the verdicts, each -1, 0 or 1."""

    @property
    def preferred(self) -> Preferred:
        """The side that leads."""
        return "tie" if self.lead == 0 else "candidate" if self.lead > 0 else "baseline"


def votes_of(run: Run, source: Source) -> list[Vote]:
    """A vote for each pair with a verdict of this source, in suite order.

    Raises:
        SharingError: the source has no verdicts.
    """
    votes = list(_grouped(verdicts_of(run, source, tolerance=_tolerance(run))))
    if not votes:
        raise SharingError(
            f"{run.path} has no preferences by {source}", fix=FIXES[source].replace("RUN", str(run.path))
        )
    return votes


def _tolerance(run: Run) -> float:
    """The largest reward difference that counts as a tie, as in the comparison."""
    compared, reward = run.comparison.rewards if run.comparison else (), reward_of(run)
    return next(
        (
            reward_comparison.tie_tolerance
            for reward_comparison in compared
            if reward and reward_comparison.scorer == reward.scorer
        ),
        0.0,
    )


def _grouped(verdicts: Sequence[PairVerdict]) -> Iterator[Vote]:
    for _, given in groupby(verdicts, key=lambda verdict: verdict.pair.key):
        same = tuple(given)
        raters = tuple(dict.fromkeys(verdict.rater for verdict in same))
        yield Vote(same[0].pair, same[0].source, raters, sum(map(_lead, same)) / len(same))


def _lead(verdict: PairVerdict) -> float:
    if verdict.margin is not None:
        return verdict.margin * SIGN[verdict.preferred]
    # A judge that prefers a side in one order only is half sure of it.
    given = verdict.by_order or (verdict.preferred,)
    return sum(SIGN[preferred] for preferred in given) / len(given)


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
