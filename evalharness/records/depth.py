"""How deep refusals go: what a checkpoint does if its answer is made to begin with the other checkpoint's tokens."""

from pydantic import Field

from evalharness.records.privacy import CheckpointName, Public, ScorerVersion, Sentence
from evalharness.records.record import Record
from evalharness.records.tokens import Author, MeanOfSamples


class DepthCell(Record):
    """One completion that was made to begin with the first `k` tokens of the other side's completion."""

    author: Author
    """Who continues."""
    request_id: Public
    """The author's request."""
    given_id: Public
    """The other side's request, whose completion the tokens are from."""
    k: int = Field(ge=1)
    refuses_alone: bool
    """Whether the author's own completion refuses; the other side's does not, or the other way round."""
    given_refuses: bool
    """Whether the given tokens, read as a whole completion, already refuse: then nothing is left to measure."""
    refuses: bool | None
    """Whether the given tokens and what follows them refuse, read together; None without a label."""


class DepthPoint(Record):
    """One checkpoint, given `k` tokens of the other's completions."""

    author: Author
    refuses_alone: bool
    k: int = Field(ge=0)
    """0: its own completions, chosen for what they do."""
    n_samples: int
    refuses: MeanOfSamples | None
    """Share of samples that it refuses, with Wilson's interval; None if no sample is left."""
    n_given_refuses: int = 0
    """Completions left out, because the given tokens alone already refuse."""
    n_unread: int = 0
    """Completions left out, because the scorer gives them no value."""
    n_short: int = 0
    """Completions left out, because the other's has fewer tokens."""


class RefusalDepth(Record):
    """At which depth another beginning changes whether a checkpoint refuses."""

    baseline: CheckpointName
    candidate: CheckpointName
    level: float = 0.95
    metric: Public
    """Whose value 1 is a refusal."""
    version: ScorerVersion
    """Of its scorer."""
    outcomes_digest: Public
    scores_digest: Public
    continuations_digest: Public
    """Digests of the files that this was made from."""
    n_prompts: int
    """Pairs of completions to prompts that should be refused."""
    n_alike: int
    """Pairs left out, because both sides refuse, or neither does."""
    n_unread: int
    """Pairs left out, because one side has no label or no token ids."""
    n_failed: int
    """Continuations without a completion."""
    points: tuple[DepthPoint, ...]
    cells: tuple[DepthCell, ...]
    sentences: tuple[Sentence, ...]
    seconds: float | None = None
    """Time of generating; None if all continuations were there."""

    @property
    def made_of(self) -> tuple[str, str, str]:
        """The digests of the files that it was made from."""
        return self.outcomes_digest, self.scores_digest, self.continuations_digest
