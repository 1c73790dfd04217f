"""The records that the stages exchange. Read this file first: it is the whole system in nouns.

    suite ─> plan ─> generate ─> score ─> compare ─> report

A `Suite` holds `Sample`s. A `Checkpoint` is particular weights with a prompt format; resolved, it has an identity.
The `Plan` crosses the two into `GenerationRequest`s. Generation turns each request into one outcome, a `Completion`
or a `Failure`. Scorers turn completions into `Score`s, which are summed up per checkpoint (`Summary`) and compared
pair by pair (`PairedDifference`) in a `Comparison`.

All records are frozen, refuse unknown fields, and cannot hold a contradiction.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

Role = Literal["system", "user", "assistant"]
Variant = Literal["base", "instruct"]
PromptFormat = Literal["raw", "chat", "icl", "auto"]


def digest(value: Any) -> str:
    """Sha256 of a JSON value in canonical form (sorted keys, no spaces), as `sha256:` and 64 hex digits.

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def explain(error: ValidationError) -> str:
    """The first complaint of a validation error, in words, with the field it is about."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message


class Record(BaseModel):
    """What all records have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


# ---------------------------------------------------------------------------------------------- suites


class Message(Record):
    """One turn of a prompt."""

    role: Role
    content: str


class Constraint(Record):
    """A verifiable instruction of a sample, under its IFEval id."""

    kind: str
    """Such as `length_constraints:number_words`."""
    parameters: dict[str, JsonValue] = {}


class Sample(Record):
    """One item of a suite: what is asked, and what is expected of the completion."""

    id: str
    messages: tuple[Message, ...] = Field(min_length=1)
    category: str
    """The reporting label."""
    group: str = ""
    """Statistical cluster, resampled together; empty in the file means the sample's own id."""
    kind: Literal["instruction", "continuation"] = "instruction"
    """`continuation`: plain text to go on with, where continuing is the right behaviour."""
    expected: Literal["comply", "refuse"] | None = None
    constraints: tuple[Constraint, ...] = ()
    target: str | None = None
    source: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _group_defaults_to_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("group"):
            return data | {"group": data.get("id", "")}
        return data

    @property
    def prompt(self) -> str:
        """The turns' text, joined by blank lines; the plain prompt where there is one user turn."""
        return "\n\n".join(message.content for message in self.messages)


class Suite(Record):
    """A validated set of samples; `digest` covers all that can change a result."""

    name: str
    version: str
    description: str = ""
    license: str
    source: str
    scorers: tuple[str, ...]
    samples: tuple[Sample, ...] = Field(min_length=1)
    digest: str


# ----------------------------------------------------------------------------------------- checkpoints


class Checkpoint(Record):
    """Particular weights, where they are served, and the prompt format: one side of a comparison, as configured."""

    name: str
    model: str
    """Backend and model: `hf/org/name@revision`, `hf/./file.gguf`, `replay/./file.jsonl`, `demo/base`."""
    variant: Variant
    prompt_format: PromptFormat = "auto"
    options: dict[str, JsonValue] = {}
    """What the backend alone understands, such as `adapter`, `device`, `dtype`, `batch_tokens`."""

    @property
    def backend(self) -> str:
        """The part of `model` before the first slash."""
        return self.model.partition("/")[0]

    @property
    def model_name(self) -> str:
        """The part of `model` after the first slash."""
        return self.model.partition("/")[2]


class CheckpointIdentity(Record):
    """Everything about a checkpoint that can change a completion; equal digests mean equal conditions."""

    backend: str
    model: str
    """The name as given, without the backend."""
    weights_digest: str
    """Hub commit, sha256 of the local weight files, or sha256 of the replayed file."""
    template_digest: str | None = None
    """Digest of the chat template's text; None without one."""
    tokenizer_digest: str | None = None
    adapter_digest: str | None = None
    manifest_digest: str | None = None
    """Of a server's model: over its weights, template, system prompt and parameters."""
    quantization: str | None = None
    """As stored, such as `Q4_K_M`; None where the weights are not quantized."""
    device: str | None = None
    dtype: str | None = None
    attention: str | None = None
    versions: dict[str, str] = {}
    """Library or server versions, such as `{"torch": "2.13.0"}`."""
    settings: dict[str, JsonValue] = {}
    """What else the backend was told that can change a completion, such as `{"think": false}`."""

    @property
    def digest(self) -> str:
        """Digest over all fields."""
        return digest(self.model_dump(mode="json"))


class TokenizerFacts(Record):
    """What the prompt lint needs to know of a tokenizer and its generation settings."""

    bos_token: str | None
    bos_token_id: int | None
    adds_bos: bool
    """Whether tokenizing plain text puts a BOS in front."""
    end_tokens: dict[int, str]
    """Token ids that end a generation, with their text."""
    chat_template: str | None


class Modelfile(Record):
    """What an Ollama model brings beside its weights."""

    template: str
    renderer: str = ""
    """What the server renders chats with in place of the template."""
    system: str = ""
    messages: int = 0
    """Turns that it puts before every chat."""
    parameters: tuple[tuple[str, str], ...] = ()


class ResolvedCheckpoint(Record):
    """A checkpoint whose identity and prompt format are settled."""

    checkpoint: Checkpoint
    """Its `prompt_format` is never `auto` here."""
    identity: CheckpointIdentity
    tokenizer: TokenizerFacts | None = None
    """None where the backend has no tokenizer of its own (a server, a replayed file)."""
    modelfile: Modelfile | None = None
    """Of an Ollama model."""
    context_length: int | None = None
    """Tokens of prompt and completion together."""
    parameters: int | None = None
    memory_bytes: int | None = None
    """Estimated need on the device at most: the weights, and the cache of a batch of `batch_tokens`."""
    notes: tuple[str, ...] = ()
    """What a reader of the report should know, such as the licence of bundled weights."""

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name


# -------------------------------------------------------------------------------------------- requests


class RawPrompt(Record):
    """Text sent as it is; `stop` ends the completion where a scaffold's next turn would begin."""

    type: Literal["raw"] = "raw"
    text: str
    stop: tuple[str, ...] = ()


class ChatPrompt(Record):
    """Turns to be rendered with the checkpoint's own chat template."""

    type: Literal["chat"] = "chat"
    messages: tuple[Message, ...]


Prompt = Annotated[RawPrompt | ChatPrompt, Field(discriminator="type")]


class RenderedPrompt(Record):
    """The exact text and token ids that a checkpoint sees; a part is None where the backend cannot know it."""

    text: str | None = None
    token_ids: tuple[int, ...] | None = None


class GenerationConfig(Record):
    """How completions are drawn; always sent in full. The default is greedy."""

    max_tokens: int = Field(256, ge=1)
    temperature: float = Field(0.0, ge=0.0, allow_inf_nan=False)
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    top_k: int = Field(0, ge=0)
    """0 keeps all tokens."""
    repeat_penalty: float = Field(1.0, gt=0.0, allow_inf_nan=False)
    seed: int = Field(0, ge=0)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    context_length: int | None = Field(None, ge=1)


SHOWN_TOKEN_IDS = 8


class GenerationRequest(Record):
    """One completion to be generated. Build it with `GenerationRequest.of`, which gives the identity-true `id`."""

    id: str
    checkpoint: str
    sample_id: str
    replicate: int = 0
    prompt: Prompt
    rendered: str | None = None
    """The text after the chat template, as the model sees it; None where only the server knows."""
    prompt_tokens: int | None = None
    first_token_ids: tuple[int, ...] = ()
    last_token_ids: tuple[int, ...] = ()
    """Up to `SHOWN_TOKEN_IDS` at each end of the prompt, for people; the whole prompt is in `id`."""
    config: GenerationConfig

    @classmethod
    def of(
        cls,
        resolved: ResolvedCheckpoint,
        sample_id: str,
        prompt: RawPrompt | ChatPrompt,
        rendered: RenderedPrompt,
        config: GenerationConfig,
        replicate: int = 0,
    ) -> "GenerationRequest":
        """Make a request whose `id` is a digest over everything that can change the completion.

        The checkpoint's name and the sample's id are part of it, so that one id is one cell of the
        comparison, also where two samples share a prompt or both sides are the same weights.
        """
        parts = {
            "identity": resolved.identity.digest,
            "checkpoint": resolved.name,
            "sample": sample_id,
            "prompt": prompt.model_dump(mode="json"),
            "rendered": rendered.text,
            "token_ids": rendered.token_ids,
            "config": config.model_dump(mode="json"),
            "replicate": replicate,
        }
        return cls(
            id=digest(parts).removeprefix("sha256:")[:32],
            checkpoint=resolved.name,
            sample_id=sample_id,
            replicate=replicate,
            prompt=prompt,
            rendered=rendered.text,
            prompt_tokens=None if rendered.token_ids is None else len(rendered.token_ids),
            first_token_ids=(rendered.token_ids or ())[:SHOWN_TOKEN_IDS],
            last_token_ids=(rendered.token_ids or ())[-SHOWN_TOKEN_IDS:],
            config=config,
        )


# -------------------------------------------------------------------------------------------- outcomes

FinishReason = Literal["stop", "length", "loop_abort"]
FailureKind = Literal["server", "timeout", "out_of_memory", "prompt_too_long", "missing", "error"]


class TokenLogprob(Record):
    """One generated token with its natural log-probability."""

    token: str
    logprob: float
    top: dict[str, float] = {}
    """The likeliest alternatives, where they were asked for."""


class Completion(Record):
    """The text a checkpoint generated for one request."""

    type: Literal["completion"] = "completion"
    request_id: str
    text: str
    """Without the end-of-turn token and without the stop string."""
    finish_reason: FinishReason | None
    """None where it was not recorded (a replayed file may leave it out)."""
    stopped_by: str | None = None
    """The end token or stop string that ended it; None unless `finish_reason` is `stop`."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Generated tokens, the end token included."""
    seconds: float | None = None
    """Wall time from the start of its batch, or of its request, to its end."""
    attempts: int = Field(1, ge=1)
    """How often the request was sent until it was answered."""
    thinking: str | None = None
    """What a thinking model wrote before the text; never scored."""
    logprobs: tuple[TokenLogprob, ...] | None = None
    """One for each generated token, where they were asked for."""

    @model_validator(mode="after")
    def _only_a_stop_has_a_cause(self) -> "Completion":
        if self.stopped_by is not None and self.finish_reason != "stop":
            raise ValueError(f"a completion that ended by {self.finish_reason!r} was not ended by {self.stopped_by!r}")
        return self


class Failure(Record):
    """A request that gave no completion. Shown and counted, never scored."""

    type: Literal["failure"] = "failure"
    request_id: str
    kind: FailureKind
    message: str
    attempts: int = Field(1, ge=1)


class Notice(Record):
    """Something about the generation as a whole that the report must say."""

    type: Literal["notice"] = "notice"
    checkpoint: str
    kind: Literal["batch", "rendered", "out_of_memory", "recovered", "other"]
    message: str


class DeterminismCheck(Record):
    """How many completions changed when samples were generated again, each alone (`--check-determinism`)."""

    type: Literal["determinism"] = "determinism"
    checkpoint: str
    n: int
    changed: tuple[str, ...]
    """Ids of the samples whose text changed."""
    batch: str
    """The conditions of the first generation, such as `batch of up to 32, bfloat16`."""


GenerationEvent = Annotated[Completion | Failure | Notice | DeterminismCheck, Field(discriminator="type")]


# ---------------------------------------------------------------------------------------------- scores


class Span(Record):
    """Evidence in a completion: characters `start` up to `end` (exclusive)."""

    start: int = Field(ge=0)
    end: int
    label: str

    @model_validator(mode="after")
    def _has_length(self) -> "Span":
        if self.end <= self.start:
            raise ValueError(f"a span from {self.start} to {self.end} is empty")
        return self


class Score(Record):
    """One scorer's result for one completion; it has values exactly when it was scored."""

    request_id: str
    scorer: str
    version: str
    status: Literal["scored", "unscored", "failed"]
    label: str | None = None
    values: dict[str, float] = {}
    """Only what applies to the sample: a key that is absent does not count in its metric's n."""
    spans: tuple[Span, ...] = ()
    explanation: str = ""

    @field_validator("values")
    @classmethod
    def _values_are_finite(cls, values: dict[str, float]) -> dict[str, float]:
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            raise ValueError(f"{', '.join(bad)} must be finite; use status='unscored' and say why")
        return values

    @model_validator(mode="after")
    def _values_agree_with_status(self) -> "Score":
        if bool(self.values) != (self.status == "scored"):
            raise ValueError(f"a {self.status} score cannot have the values {self.values}")
        if self.status != "scored" and not self.explanation:
            raise ValueError(f"a score that is {self.status} must say why")
        return self


class Metric(Record):
    """What a scorer's value means when it is averaged over samples."""

    name: str
    """`scorer.value`, such as `style.loop`."""
    title: str
    """For people, what a completion does (`loops`, `ends by itself`) or what is measured (`length`)."""
    description: str
    kind: Literal["rate", "mean"]
    """`rate`: each value is 0 or 1 and the mean is a share; `mean`: any finite number."""
    unit: str = ""
    better: Literal["higher", "lower"] | None = None
    """None where neither direction is better as such, like a length."""
    lowest: float | None = None
    highest: float | None = None
    """What a mean can be at least and at most; an interval ends there. A rate is between 0 and 1."""
    headline: bool = False
    """Tested and adjusted with the others; a metric that is not a headline is exploratory."""
    needs_end: bool = False
    """Whether a completion that was cut by the token limit cannot be judged fairly, as its length cannot."""

    @property
    def bounds(self) -> tuple[float, float]:
        """What a mean can be at least and at most."""
        if self.kind == "rate":
            return 0.0, 1.0
        return -math.inf if self.lowest is None else self.lowest, math.inf if self.highest is None else self.highest


# ------------------------------------------------------------------------------------------ comparison

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Interval(Record):
    """A two-sided confidence interval."""

    low: float
    high: float

    def within(self, lowest: float, highest: float) -> "Interval":
        """The same, ended at what is possible."""
        return Interval(low=max(self.low, lowest), high=min(self.high, highest))


class Summary(Record):
    """A metric over one checkpoint's scores."""

    metric: str
    checkpoint: str
    category: str | None
    """None: all categories together."""
    n: int = Field(ge=0)
    """Samples that have a value."""
    n_unscored: int = 0
    """Samples with a completion to which the scorer gave no score at all, or on which it failed."""
    n_failures: int = 0
    """Samples without any completion."""
    n_truncated: int = 0
    """Samples among `n` whose completion was cut by the token limit."""
    mean: float | None
    """None exactly when `n` is 0."""
    interval: Interval | None = None

    @model_validator(mode="after")
    def _a_mean_needs_scores(self) -> "Summary":
        if (self.mean is None) != (self.n == 0):
            raise ValueError(f"a summary of {self.n} scores cannot have the mean {self.mean}")
        return self


Verdict = Literal["higher", "lower", "no difference shown", "too few pairs"]


class PairedDifference(Record):
    """Candidate minus baseline on the samples that both have a value for."""

    metric: str
    category: str | None
    n_pairs: int = Field(ge=0)
    n_groups: int = Field(ge=0)
    baseline_mean: float | None
    candidate_mean: float | None
    difference: float | None
    interval: Interval | None
    p_value: float | None
    p_adjusted: float | None
    """Holm-adjusted over the headline tests of the comparison; None for exploratory rows."""
    wins: int
    """Pairs in which the candidate's value is larger."""
    ties: int
    losses: int
    n_truncated: int = 0
    """Pairs in which at least one completion was cut by the token limit."""
    method: str
    """The test and the interval, in words."""
    verdict: Verdict
    minimum_detectable_effect: float | None = None
    """The difference that this many pairs would show with 80 % power, at 5 % adjusted as the row is."""
    pairs_needed: int | None = None
    """About how many pairs would show a difference of the observed size (80 % power, adjusted as the row is)."""
    effect_size: float | None = None
    """Free of units, negative where the candidate is lower; None where nothing varies."""
    effect_size_name: str = ""
    """`Cohen's g` for 0/1 pairs, `d_z` (difference over the spread of the paired differences) otherwise."""
    exploratory: bool = False


class Finding(Record):
    """One plain sentence about what differs, with its evidence."""

    name: str | None = None
    """What is known by a name, such as `lost stop token`; the sentence begins with it."""
    sentence: str
    metric: str | None
    sample_ids: tuple[str, ...] = ()


class RewardOfState(Record):
    """The rewards of one side's completions of one state, such as those of the baseline that loop."""

    checkpoint: str
    state: str
    """The label of the `style` scorer."""
    n: int = Field(ge=1)
    """Completions in that state."""
    n_rewarded: int = Field(ge=0)
    """Those among them that have a reward."""
    mean: float | None
    """The raw mean reward; None exactly when none has one."""


class RewardLength(Record):
    """How one side's rewards go with the length of its completions, in characters."""

    checkpoint: str
    n: int = Field(ge=0)
    """Completions with a reward."""
    pearson: float | None
    spearman: float | None
    """Correlations; None where the rewards or the lengths do not vary."""


class LengthControl(Record):
    """What is left of a difference of rewards once the difference of length is taken out of it.

    Dubois et al. 2024, Length-Controlled AlpacaEval, arXiv:2404.04475. It says what a regression expects of two
    completions of one length, and corrects for nothing but length.
    """

    difference: float
    """Candidate minus baseline at equal length: the intercept of a regression on the difference of length."""
    interval: Interval | None
    per_100_characters: float
    """How much more reward goes with 100 further characters."""
    win_rate: Share
    """At equal length, by a logistic regression."""
    win_rate_interval: Interval
    n_longer: int = Field(ge=0)
    """Pairs in which the candidate's completion is the longer one."""
    n_shorter: int = Field(ge=0)
    note: str = ""
    """What a reader must know, such as that one side is nearly always longer."""


class RewardComparison(Record):
    """Baseline against candidate by the rewards of one reward model, and how far these can be trusted.

    The paired difference itself is the row of the metric `SCORER.value`.
    """

    scorer: str
    version: str
    """Names the reward model; both sides have the same."""
    n_pairs: int = Field(ge=1)
    n_groups: int = Field(ge=1)
    wins: int = Field(ge=0)
    """Samples on which the candidate's reward is larger."""
    ties: int = Field(ge=0)
    losses: int = Field(ge=0)
    tie_tolerance: float
    """Rewards that are no further apart than this are a tie."""
    win_rate: Share
    """A tie counts as half a win."""
    win_rate_interval: Interval
    length_difference: float
    """Mean of candidate minus baseline, in characters."""
    length_control: LengthControl | None
    no_length_control: str = ""
    """Why there is none."""
    lengths: tuple[RewardLength, ...]
    states: tuple[RewardOfState, ...]
    n_one_answer: int = Field(ge=0)
    """Pairs in which one completion is an answer and the other a loop, an echo, empty, or another non-answer."""
    n_contradicting: int = Field(ge=0)
    """Those among them in which the non-answer has the larger reward."""
    contradicting: tuple[str, ...] = ()
    """Samples of them, the largest difference of rewards first."""
    centre: float
    """Mean of all rewards of both sides."""
    spread: float = Field(ge=0)
    """Their standard deviation."""

    def standardised(self, reward: float) -> float:
        """A reward in standard deviations from the mean of both sides; for display only."""
        return (reward - self.centre) / self.spread if self.spread else 0.0


class RewardAgreement(Record):
    """How far two reward models prefer the same side of a pair. Their rewards themselves are never set together."""

    scorers: tuple[str, str]
    n_pairs: int = Field(ge=1)
    same: Share
    """Pairs that both give to the same side, or both call a tie."""
    kappa: float | None
    """Cohen's; None where each gave one and the same verdict throughout."""
    interval: Interval | None


class PreferenceSummary(Record):
    """What one person or one judge prefers over all pairs."""

    source: Literal["human", "judge"]
    rater: str
    n: int = Field(ge=0)
    """Pairs with a verdict."""
    baseline: int = Field(ge=0)
    candidate: int = Field(ge=0)
    ties: int = Field(ge=0)
    both_bad: int = Field(0, ge=0)
    """Ties because neither is any good."""
    n_failed: int = Field(0, ge=0)
    """Pairs of which a judge gave no verdict that could be read; they are in no other number."""
    n_inconsistent: int = Field(0, ge=0)
    """Ties because a judge's verdict turned with the order in which it was shown the pair."""
    first_share: Share | None = None
    """Of a judge's verdicts for one side in each order, the share for the side shown first; a half is unbiased."""
    candidate_share: Share | None
    """A tie counts half; None exactly when `n` is 0."""
    interval: Interval | None


class FurtherComparison(Record):
    """The baseline against one more checkpoint, tested on its own."""

    candidate: str
    differences: tuple[PairedDifference, ...]
    findings: tuple[Finding, ...]
    rewards: tuple[RewardComparison, ...] = ()
    """One for each reward model."""


class Comparison(Record):
    """Baseline against candidate, pair by pair."""

    baseline: str
    candidate: str
    level: float = 0.95
    seed: int
    metrics: tuple[Metric, ...]
    summaries: tuple[Summary, ...]
    differences: tuple[PairedDifference, ...]
    findings: tuple[Finding, ...]
    """The most telling first."""
    warnings: tuple[str, ...]
    evidence_digest: str = ""
    """Over the outcomes and scores that it was made from; a report of others would mix two states of a run."""
    further: tuple[FurtherComparison, ...] = ()
    """The plan's other checkpoints, in its order."""
    rewards: tuple[RewardComparison, ...] = ()
    """One for each reward model."""
    reward_agreement: tuple[RewardAgreement, ...] = ()
    """One for each two reward models."""
    preferences: tuple[PreferenceSummary, ...] = ()
    """One for each person and judge."""


# ------------------------------------------------------------------------------------- plan, manifest


class LintFinding(Record):
    """A trap in how a checkpoint is prompted."""

    code: str
    """Such as `double-bos`."""
    level: Literal["error", "warning", "note"]
    checkpoint: str | None
    """None where it concerns the comparison."""
    message: str
    fix: str
    sample_ids: tuple[str, ...] = ()


class Estimate(Record):
    """What a run will ask of the machine, per checkpoint."""

    checkpoint: str
    requests: int
    prompt_tokens: int | None
    completion_tokens_at_most: int
    memory_bytes: int | None
    """As `ResolvedCheckpoint.memory_bytes`."""


class Plan(Record):
    """Everything that generation needs, settled before the first token."""

    suites: tuple[Suite, ...]
    checkpoints: tuple[ResolvedCheckpoint, ...]
    baseline: str
    candidate: str
    requests: tuple[GenerationRequest, ...]
    lint: tuple[LintFinding, ...] = ()
    estimates: tuple[Estimate, ...] = ()

    @property
    def samples(self) -> dict[str, Sample]:
        """All samples by id, in suite order."""
        return {sample.id: sample for suite in self.suites for sample in suite.samples}


class Manifest(Record):
    """Where a run came from. `format_version` is bumped when a run file changes its meaning."""

    format_version: int
    evalharness_version: str
    created: str
    """ISO 8601, UTC."""
    command: str
    """The command line, or `python` when called from Python."""
    config: dict[str, JsonValue]
    """The resolved configuration: the run again, from this alone."""
    seed: int
    versions: dict[str, str]
    hardware: dict[str, str]
    paired_from: tuple[str, ...] = ()
    """The runs that a comparison of several was put together from; empty for a run that generated by itself."""


# ------------------------------------------------------------------------------------------------ gate

GateVerdict = Literal["pass", "fail", "undecided"]


class GateRule(Record):
    """One condition that a candidate must be shown to meet: a `[[gate]]` table of the configuration."""

    metric: str
    kind: Literal["no_regression", "at_least", "at_most"]
    bound: Annotated[float, Field(strict=True, allow_inf_nan=False)]
    """In the metric's unit: the largest loss that is accepted (`no_regression`), or the value that must be kept."""
    direction: Literal["higher", "lower"] | None = None
    """What is better, for a `no_regression` rule on a metric that does not say so itself."""
    category: str | None = None
    """None: all categories together."""
    suite: str | None = None
    """None: all suites together."""
    min_pairs: int = Field(100, ge=1, strict=True)
    """Fewest independent pairs (or samples, for `at_least` and `at_most`); samples of one group count once."""
    max_failures: Share = 0.02
    """Largest share of the samples without a completion."""
    max_unscored: Share = 0.02
    """Largest share of the samples with a completion that the scorer gave no value."""
    max_truncated: Share | None = None
    """Largest share cut by the token limit; None: 0.1 where the metric needs the whole completion, else no limit."""
    name: str = ""

    @model_validator(mode="after")
    def _can_be_met(self) -> "GateRule":
        if self.kind == "no_regression" and self.bound < 0:
            raise ValueError(
                f"bound is {self.bound:g}, but a margin is the largest loss that is accepted, whichever way the metric "
                f"counts: write {-self.bound:g}"
            )
        if self.kind != "no_regression" and self.direction is not None:
            raise ValueError(f"direction is for no_regression; {self.kind} says itself which side is good")
        return self

    @property
    def title(self) -> str:
        """The rule's own name, or one made of what it says."""
        where = ", ".join(part for part in (self.suite, self.category) if part is not None)
        return self.name or f"{self.metric} {self.kind} {self.bound:g}" + (f" ({where})" if where else "")


class GateSample(Record):
    """A sample that speaks against a rule, with its values (means over replicates)."""

    sample_id: str
    baseline: float | None
    """None where the baseline has no value."""
    candidate: float


class GateResult(Record):
    """What a rule came to."""

    rule: GateRule
    verdict: GateVerdict
    reason: str
    """One sentence with the figures."""
    n: int = Field(ge=0)
    """Pairs (`no_regression`), or the candidate's samples that have a value."""
    estimate: float | None
    """Candidate minus baseline (`no_regression`), or the candidate's mean."""
    interval: Interval | None
    """95 %, of the estimate, already widened by `noise`."""
    noise: float = 0.0
    """How far the metric moves between two runs of one checkpoint, as calibrated."""
    needed: int | None = None
    """About how many pairs or samples would settle what is undecided, were the estimate to stay (80 % power)."""
    n_against: int = 0
    """`no_regression`: pairs in which the candidate is worse; else the candidate's samples beyond the bound."""
    against: tuple[GateSample, ...] = ()
    """The worst of them first, `gate.MOST_AGAINST` at most."""


def overall_verdict(verdicts: Iterable[GateVerdict]) -> GateVerdict:
    """`fail` where any failed, else `undecided` where any is, else `pass`.

    >>> overall_verdict(["pass", "undecided"]), overall_verdict(["undecided", "fail"]), overall_verdict(["pass"])
    ('undecided', 'fail', 'pass')
    """
    found = set(verdicts)
    return "fail" if "fail" in found else "undecided" if "undecided" in found else "pass"


class GateReport(Record):
    """All rules of a gate, judged on one run."""

    verdict: GateVerdict
    baseline: str
    candidate: str
    results: tuple[GateResult, ...] = Field(min_length=1)
    evidence_digest: str = ""
    """Of the comparison that it was made from."""

    @model_validator(mode="after")
    def _follows_from_its_rules(self) -> "GateReport":
        follows = overall_verdict(result.verdict for result in self.results)
        if self.verdict != follows:
            raise ValueError(f"the rules come to {follows!r} and not to {self.verdict!r}")
        return self


# ------------------------------------------------------------------------------------------- preferences

Side = Literal["baseline", "candidate"]


class Preference(Record):
    """Which side of one sample a person or a judge model prefers. A verdict that could not be read is none at all."""

    sample_id: str
    replicate: int = Field(0, ge=0)
    baseline: str
    candidate: str
    """The names of the two checkpoints."""
    source: Literal["human", "judge"]
    rater: str
    """The person's name, or the judge's model and prompt version."""
    preferred: Side | Literal["tie"]
    both_bad: bool = False
    """A tie because neither is any good."""
    by_order: tuple[Side | Literal["tie"], ...] = ()
    """Of a judge: its verdict with the baseline shown first, then with the candidate shown first."""
    explanation: str = ""

    @model_validator(mode="after")
    def _only_a_tie_is_bad_on_both_sides(self) -> "Preference":
        if self.both_bad and self.preferred != "tie":
            raise ValueError(f"both are bad, so {self.preferred} cannot be preferred")
        return self


class JudgeFailure(Record):
    """A pair of which a judge gave no verdict that could be read."""

    sample_id: str
    replicate: int = Field(0, ge=0)
    reason: str


class Judging(Record):
    """A judge model's work on a run: who it is, what it was sent, and the pairs on which it failed."""

    rater: str
    """As in its preferences."""
    baseline: str
    candidate: str
    """The names of the two checkpoints."""
    judge: ResolvedCheckpoint
    prompt_version: int
    prompt_text: str
    """With placeholders for the request and the two answers."""
    generation: GenerationConfig
    """As asked for; the backend may have settled a context length for it."""
    failures: tuple[JudgeFailure, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader should know, such as that the judge is one of the two that are compared."""


# ------------------------------------------------------------------------------------------- calibration

DeterminismClass = Literal["identical text", "batch-sensitive", "sampling"]


class Calibration(Record):
    """How much a checkpoint differs from itself, under one generation and on some suites."""

    checkpoint: str
    identity_digest: str
    suites: dict[str, str]
    """Names with digests."""
    scorers: dict[str, str]
    """Names with versions."""
    generation: GenerationConfig
    determinism: DeterminismClass
    """`identical text`: greedy, and the batch changed nothing; `batch-sensitive`: it did; `sampling`: at random."""
    n: int = Field(ge=0)
    """Completions that were generated in two sorts of batches."""
    n_changed: int = Field(ge=0)
    """Those among them whose text changed."""
    noise: dict[str, Annotated[float, Field(ge=0.0, allow_inf_nan=False)]]
    """By metric, the largest difference that was seen."""
