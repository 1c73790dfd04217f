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

    model_config = ConfigDict(frozen=True, extra="forbid")


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
    headline: bool = False
    """Tested and adjusted with the others; a metric that is not a headline is exploratory."""


# ------------------------------------------------------------------------------------------ comparison


class Interval(Record):
    """A two-sided confidence interval."""

    low: float
    high: float


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
    """The difference that this many pairs would show with 80 % power at the 5 % level."""
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
