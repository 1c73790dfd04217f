"""What the tuning changed, token by token: both distributions over the next token, along each completion."""

from typing import Annotated, Literal

from pydantic import Field

from evalharness.records.privacy import CheckpointName, CompletionText, Public, SampleId, ScorerVersion, Sentence
from evalharness.records.record import Interval, Record

Author = Literal["baseline", "candidate"]
"""Whose completion is read."""
Context = Literal["own", "baseline", "candidate"]
"""`own`: each checkpoint reads the completion after its own prompt; else both read it after that side's prompt."""
Expected = Literal["comply", "refuse"]
"""What a sample calls for."""
UNSHIFTED = 1
MARGINAL = 3
"""A token of a rank up to this is marginal if it is not unshifted; of a larger rank it is shifted (Lin et al. 2023)."""

CLASSES = ("unshifted", "marginal", "shifted")


def class_of(rank: int) -> int:
    """The place in `CLASSES` of a token that the other checkpoint gives this rank.

    >>> [CLASSES[class_of(rank)] for rank in (1, 2, 3, 4)]
    ['unshifted', 'marginal', 'marginal', 'shifted']
    """
    return int(rank > UNSHIFTED) + int(rank > MARGINAL)


Numbers = tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
Ranks = tuple[Annotated[int, Field(ge=1)], ...]
Likeliest = tuple[tuple[int, float], ...]
"""Token ids with their probabilities, the likeliest first."""


class Divergence(Record):
    """The Kullback-Leibler divergence of two distributions over the whole vocabulary at each position, in nats.

    Where only the likeliest tokens are known (`TokenFacts.top`), a lower bound: the divergence with all tokens that are
    not known on both sides taken together as one.
    """

    kl_candidate: Numbers
    """KL(candidate || baseline): how surprising the candidate's choices would be to the baseline."""
    kl_baseline: Numbers
    """KL(baseline || candidate)."""


class TokenReading(Record):
    """One checkpoint's view of each token of a completion, after its own prompt."""

    logprobs: Numbers
    """The token's natural log-probability."""
    ranks: Ranks
    """1 plus the number of tokens that are strictly likelier."""
    ties: tuple[int, ...] = ()
    """How many other tokens are exactly as likely; empty if none is anywhere."""
    entropies: Numbers = ()
    """Of the whole distribution, in nats; empty where only the likeliest tokens are known."""
    ends: Numbers
    """The probability of any token that ends this checkpoint's completions; of those that are known."""
    likeliest: tuple[Likeliest, ...]
    """Up to five tokens with a probability of at least 0.001."""


class SharedReading(Record):
    """The same token read by the checkpoint whose own prompt it does not follow, against the other one."""

    logprobs: Numbers
    ranks: Ranks
    divergence: Divergence


class TokenFacts(Record):
    """One completion, read by both checkpoints. All lists have an entry for each token."""

    request_id: Public
    """Of the completion."""
    other_id: Public
    """Of the other checkpoint's request about the same sample: its prompt is the other context."""
    author: Author
    ids: tuple[int, ...] = Field(min_length=1)
    ended: bool
    """Whether the last token is one that ends completions; it is no part of the text."""
    encoded_again: bool = False
    """Whether the ids come from the text: they give the same text, and are as many as were generated."""
    top: int | None = None
    """How many of the likeliest tokens a side knew besides the one that is there, as from a server; None: all."""
    baseline: TokenReading
    candidate: TokenReading
    own: Divergence
    after_baseline: SharedReading | None = None
    """The candidate after the baseline's prompt; None if it was not read, or both prompts are the same tokens."""
    after_candidate: SharedReading | None = None
    """The baseline after the candidate's prompt."""

    @property
    def other(self) -> TokenReading:
        """The reading of the checkpoint that did not write it."""
        return self.baseline if self.author == "candidate" else self.candidate


class MeanOfSamples(Record):
    """A mean over samples, each counted once, with a 95 % interval from resampling samples."""

    value: float = Field(allow_inf_nan=False)
    interval: Interval | None = None
    """None for fewer than five groups of samples."""


class TokenShift(Record):
    """How far two checkpoints are apart on a part of the tokens of one side's completions."""

    author: Author
    context: Context
    category: Public | None = None
    """None: all."""
    expected: Expected | None = None
    """Only samples that call for this; None: all."""
    first: int = Field(1, ge=1)
    """The first position, counted from 1."""
    last: int | None = None
    """The last position; None: to the end."""
    n_samples: int = Field(ge=1)
    n_tokens: int = Field(ge=1)
    n_unshifted: int
    n_marginal: int
    unshifted: MeanOfSamples
    """Share of tokens that are the other checkpoint's first choice."""
    marginal: MeanOfSamples
    """Share of tokens that are its second or third choice."""
    shifted: MeanOfSamples
    log_ratio: MeanOfSamples
    """log p(candidate) - log p(baseline), in nats per token."""
    kl_candidate: MeanOfSamples
    """KL(candidate || baseline), in nats per token."""
    kl_baseline: MeanOfSamples


class ShiftContext(Record):
    """One place where a token is shifted."""

    sample_id: SampleId
    position: int
    """Counted from 1."""
    before: CompletionText
    """The tokens before it."""
    instead: CompletionText
    """What the other checkpoint would have written."""


class ShiftedToken(Record):
    """A token that is often shifted."""

    author: Author
    text: CompletionText
    n: int
    """How often it occurs."""
    n_shifted: int
    """How often the other checkpoint ranks it below third."""
    instead: CompletionText
    """What the other checkpoint would have written most often where it is shifted."""
    contexts: tuple[ShiftContext, ...]


class Ending(Record):
    """The end token, counted apart from the text."""

    author: Author
    n: int = Field(ge=1)
    """Completions."""
    n_ended: int
    """Those that ended by an end token."""
    probability: MeanOfSamples | None = None
    """That the other checkpoint ends where the author did; None if none ended by an end token."""
    would_stop: MeanOfSamples | None = None
    """Share of completions in which ending is likelier than not to the other checkpoint before the author stops."""
    median_stop: float | None = None
    """The median position of the first such place, among those completions."""


class TokenNoise(Record):
    """What the batch alone changes: some completions read again, each by itself."""

    n: int
    """Completions."""
    n_tokens: int
    n_class: int
    """Tokens whose class changed."""
    logprob: float
    """The largest change of a log-probability, in nats."""
    kl: float
    """The largest change of a divergence, in nats."""


class TokenComparison(Record):
    """What the tuning changed, token by token."""

    baseline: CheckpointName
    candidate: CheckpointName
    level: float = 0.95
    outcomes_digest: Public
    """Digest of the outcomes that were read."""
    facts_digest: Public
    """Digest of the facts that this was made from."""
    conditions: Sentence
    """Device, dtype and batches of the passes."""
    shared: bool
    """Whether contexts that both share were read."""
    top: int | None = None
    """How many of the likeliest tokens were known, so that divergences are lower bounds; None: all."""
    same_prompts: bool
    """Whether both checkpoints got the same tokens as prompts, so that all contexts are the same."""
    n: dict[Author, int]
    """Completions that were read."""
    n_requests: int
    """Completions of each side that the plan has, or was limited to."""
    left_out: dict[Author, dict[Public, int]]
    """Completions that were not read, by reason."""
    n_encoded_again: int
    own_first_choice: dict[Author, float]
    """Share of tokens that are their own author's first choice: nearly 1 for greedy completions."""
    shifts: tuple[TokenShift, ...]
    curve: tuple[TokenShift, ...]
    """By position: in the own contexts, and after the author's prompt for both."""
    tokens: tuple[ShiftedToken, ...]
    endings: tuple[Ending, ...]
    noise: TokenNoise | None = None
    seconds: float | None = None
    """Time of the passes; None if all facts were there."""
    sentences: tuple[Sentence, ...]
    texts: dict[int, CompletionText]
    """The text of each token id in the facts."""


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
