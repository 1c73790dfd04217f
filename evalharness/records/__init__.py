"""The records that the stages exchange. Read this package first: it defines the terms of the system, in this order.

    suites, checkpoints, requests, outcomes, scores, comparison (with rewards), plan, gate, preferences, A/A test

    suite ─> plan ─> generate ─> score ─> compare ─> gate, report

A `Suite` holds `Sample`s. A `Checkpoint` is particular weights with a prompt format; resolved, it has an identity.
The `Plan` crosses the two into `GenerationRequest`s. Generation turns each request into one outcome, a `Completion`
or a `Failure`. Scorers turn completions into `Score`s, which are summed up per checkpoint (`Summary`) and compared
pair by pair (`PairedDifference`) in a `Comparison`.

All records are frozen, reject unknown fields, and cannot hold contradictory values.
"""

from types import ModuleType

from evalharness.records.checkpoints import (
    Checkpoint,
    CheckpointIdentity,
    Elsewhere,
    Modelfile,
    PromptFormat,
    ResolvedCheckpoint,
    TokenizerFacts,
    Variant,
)
from evalharness.records.comparison import (
    AmongAnswered,
    Comparison,
    Correction,
    DifferenceVerdict,
    Finding,
    OtherComparison,
    PairedDifference,
    RatedSide,
    RunWarning,
    Summary,
    WarningKind,
)
from evalharness.records.gate import (
    AATest,
    DeterminismClass,
    GateReport,
    GateResult,
    GateRule,
    GateSample,
    GateVerdict,
    overall_verdict,
)
from evalharness.records.outcomes import (
    Completion,
    DeterminismCheck,
    Failure,
    FailureKind,
    FinishReason,
    GenerationEvent,
    Notice,
    Spent,
    TokenLogprob,
)
from evalharness.records.plan import (
    Chances,
    Estimate,
    LintFinding,
    Manifest,
    MetricProspect,
    Plan,
    Prospects,
    RuleProspect,
)
from evalharness.records.preferences import JudgeFailure, Judging, LabelRating, Preference, Side
from evalharness.records.privacy import PUBLIC, Private, Public, text_kinds
from evalharness.records.record import Interval, Record, Share, digest, explain, slim
from evalharness.records.requests import (
    SHOWN_TOKEN_IDS,
    ChatPrompt,
    GenerationConfig,
    GenerationRequest,
    Prompt,
    RawPrompt,
    RenderedPrompt,
)
from evalharness.records.rewards import (
    LengthControl,
    PreferenceSummary,
    RewardAgreement,
    RewardComparison,
    RewardLength,
    RewardOfState,
)
from evalharness.records.scores import (
    KnownErrors,
    Label,
    Metric,
    NamedChange,
    Score,
    ScorerFacts,
    ScorerIdentity,
    Scoring,
    Span,
)
from evalharness.records.suites import Constraint, Message, Role, Sample, Suite

__all__ = [name for name, value in globals().items() if name[0] != "_" and not isinstance(value, ModuleType)]
