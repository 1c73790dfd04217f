"""Asks a judge about pairs of completions, and turns its answers into preferences."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, JsonValue

from evalharness.backends import backend_class
from evalharness.backends.backend import Backend
from evalharness.errors import ConfigError
from evalharness.preferences import Pair, pairs_of
from evalharness.preferences.judge.prompt import (
    JUDGE_PROMPT_VERSION,
    JudgeFormat,
    judge_prompt,
    judge_prompt_text,
    read_verdict,
)
from evalharness.prompting import guess_variant, lacks_template, settle_format
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    Completion,
    Failure,
    GenerationConfig,
    GenerationRequest,
    JudgeFailure,
    Judging,
    Notice,
    Plan,
    Preference,
    RawPrompt,
    Record,
    ResolvedCheckpoint,
    Side,
)
from evalharness.store import Run

Ask = Callable[[Backend, Sequence[GenerationRequest]], Iterator[Completion | Failure | Notice]]
"""Gives one outcome for each request, whatever the backend does."""
Prompt = RawPrompt | ChatPrompt
SideOrTie = Side | Literal["tie"]
ORDERS: tuple[tuple[Side, Side], ...] = (("baseline", "candidate"), ("candidate", "baseline"))
"""Which side is shown as answer A and which as answer B: each pair is asked in both."""
NAME = "judge"
SHOWN_CHARACTERS = 60
"""Characters shown of an answer that is not a verdict."""


class JudgeSettings(Record):
    """Which model judges, and how it is asked."""

    model: str
    """Backend and model, as of a checkpoint."""
    prompt_format: Literal["auto", "chat", "icl"] = "auto"
    """`auto`: a chat if the model has its own chat template, else few-shot examples."""
    max_tokens: int = Field(8, ge=1)
    """Enough for one letter. A thinking model needs more."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """The backend's own."""


@dataclass(frozen=True)
class Judge:
    """A resolved judge; its weights are loaded on first use."""

    backend: Backend
    resolved: ResolvedCheckpoint
    prompt_format: JudgeFormat
    max_tokens: int

    @property
    def rater(self) -> str:
        """Names the judge in its preferences: model, digest, and the version of the prompt.

        The digest is that of the weights, or of a server's manifest, which covers its system prompt too.
        """
        identity = self.resolved.identity
        parts = [_short(identity.manifest_digest or identity.weights_digest, 12)]
        parts += [] if identity.adapter_digest is None else [f"adapter {_short(identity.adapter_digest, 8)}"]
        parts += [f"prompt v{JUDGE_PROMPT_VERSION}" + (" icl" if self.prompt_format == "icl" else "")]
        return " ".join([self.resolved.checkpoint.model, *parts])

    def judge(self, pairs: Sequence[Pair], plan: Plan, ask: Ask) -> Iterator[Preference | JudgeFailure]:
        """One preference or failure for each pair, as soon as both orders were answered."""
        asked = [
            (pair.sample.id, pair.replicate, self._prompt(pair, ORDERS[0]), self._prompt(pair, ORDERS[1]))
            for pair in pairs
        ]
        for number, answers in self.answered_twice(asked, ask):
            yield _settled(pairs[number], answers, plan, self.rater)

    def answered_twice(
        self, asked: Sequence[tuple[str, int, Prompt, Prompt]], ask: Ask
    ) -> Iterator[tuple[int, list[Completion | Failure]]]:
        """Ask two prompts about each of several things; its number and both answers, as soon as they are there.

        Args:
            asked: for each the sample, the replicate and the two prompts.
            ask: gives one outcome for each request.
        """
        if not asked:
            return
        prompts = [prompt for _, _, *both in asked for prompt in both]
        config = self.backend.resolve_config(prompts, self.generation)
        waiting: dict[str, list[int]] = {}
        requests: dict[str, GenerationRequest] = {}
        for place, (prompt, text) in enumerate(zip(prompts, self.backend.render(prompts), strict=True)):
            about, replicate, *_ = asked[place // 2]
            request = GenerationRequest.of(self.resolved, about, prompt, text, config, replicate)
            # Two equal prompts about a sample are asked once.
            requests[request.id] = request
            waiting.setdefault(request.id, []).append(place)
        answers: dict[int, Completion | Failure] = {}
        for event in ask(self.backend, list(requests.values())):
            if isinstance(event, Notice):
                continue
            for place in waiting[event.request_id]:
                answers[place] = event
                if place ^ 1 in answers:
                    yield place // 2, [answers.pop(place & ~1), answers.pop(place | 1)]

    @property
    def generation(self) -> GenerationConfig:
        """Greedy, and short."""
        return GenerationConfig(max_tokens=self.max_tokens)

    def _prompt(self, pair: Pair, order: tuple[Side, Side]) -> Prompt:
        texts = {"baseline": pair.baseline.text, "candidate": pair.candidate.text}
        facts = self.resolved.tokenizer
        marks = facts.end_tokens.values() if facts else ()
        return judge_prompt(pair.sample.messages, texts[order[0]], texts[order[1]], self.prompt_format, marks)


def open_judge(settings: JudgeSettings, open_backend: Callable[[Checkpoint], Backend]) -> Judge:
    """Resolve a judge without loading its weights; the caller closes its backend.

    Raises:
        ConfigError: the model is a replayed file, which cannot answer new requests.
        BackendError: there is no such model.
        PromptFormatError: a chat was requested, but the model has no chat template.
    """
    variant = guess_variant(settings.model) or "instruct"
    checkpoint = Checkpoint(name=NAME, model=settings.model, variant=variant, options=settings.options)
    if getattr(backend_class(checkpoint), "recorded", False):
        raise ConfigError(
            f"{settings.model} is a file of completions and cannot judge",
            fix="name a model that generates: demo/smollm2, hf/org/name or ollama/name",
        )
    backend = open_backend(checkpoint)
    with ExitStack() as unless_opened:
        unless_opened.callback(backend.close)
        resolved = backend.resolve()
        chosen = _format(settings, resolved)
        asked = resolved.checkpoint.model_copy(update={"prompt_format": chosen})
        resolved = settle_format(resolved.model_copy(update={"checkpoint": asked}))
        unless_opened.pop_all()
    return Judge(backend, resolved, chosen, settings.max_tokens)


def _format(settings: JudgeSettings, resolved: ResolvedCheckpoint) -> JudgeFormat:
    if settings.prompt_format != "auto":
        return settings.prompt_format
    return "icl" if lacks_template(resolved) else "chat"


# ------------------------------------------------------------------------------------------- verdicts


def _settled(pair: Pair, answers: Sequence[Completion | Failure], plan: Plan, rater: str) -> Preference | JudgeFailure:
    verdicts = [_verdict(answer, shown) for answer, shown in zip(answers, ORDERS, strict=True)]
    reasons = [
        f"with the {shown[0]} first, {verdict.reason}"
        for verdict, shown in zip(verdicts, ORDERS, strict=True)
        if isinstance(verdict, Unread)
    ]
    if reasons:
        return JudgeFailure(sample_id=pair.sample.id, replicate=pair.replicate, reason="; ".join(reasons))
    by_order = tuple(verdict for verdict in verdicts if not isinstance(verdict, Unread))
    agreed = len(set(by_order)) == 1
    return Preference(
        sample_id=pair.sample.id,
        replicate=pair.replicate,
        baseline=plan.baseline,
        candidate=plan.candidate,
        source="judge",
        rater=rater,
        preferred=by_order[0] if agreed else "tie",
        by_order=by_order,
        explanation="" if agreed else "the verdict changed with the order in which the two were shown",
    )


@dataclass(frozen=True)
class Unread:
    """No verdict, and why."""

    reason: str


def _verdict(answer: Completion | Failure, shown: tuple[Side, Side]) -> SideOrTie | Unread:
    if isinstance(answer, Failure):
        return Unread(f"no answer ({answer.kind}): {answer.message}")
    letter = read_verdict(answer.text)
    match letter:
        case "A":
            return shown[0]
        case "B":
            return shown[1]
        case "C":
            return "tie"
        case _:
            return Unread(f"{answer.text.strip()[:SHOWN_CHARACTERS]!r} is no verdict")


# ---------------------------------------------------------------------------------------------- a run


def pairs_to_judge(run: Run, rater: str, *, again: bool = False) -> list[Pair]:
    """The pairs of the run's two sides without a verdict by this judge, or all pairs.

    A continuation sample does not ask for an answer, so neither side can be the better answer.
    """
    judged = () if again else (preference for preference in run.preferences if _is_by(preference, rater, run.plan))
    known = {(preference.sample_id, preference.replicate) for preference in judged}
    return [pair for pair in pairs_of(run) if pair.sample.kind == "instruction" and pair.key not in known]


def kept_preferences(run: Run, rater: str, answers: Sequence[Preference | JudgeFailure]) -> list[Preference]:
    """The run's preferences merged with a judge's new ones; on the same pair the new one wins."""
    new = {(answer.sample_id, answer.replicate) for answer in answers}
    kept = [
        preference
        for preference in run.preferences
        if not (_is_by(preference, rater, run.plan) and (preference.sample_id, preference.replicate) in new)
    ]
    return kept + [answer for answer in _in_suite_order(answers, run.plan) if isinstance(answer, Preference)]


def _in_suite_order(answers: Sequence[Preference | JudgeFailure], plan: Plan) -> list[Preference | JudgeFailure]:
    """Answers come as batches end, which carries no information."""
    places = {sample: place for place, sample in enumerate(plan.samples)}
    return sorted(answers, key=lambda answer: (places[answer.sample_id], answer.replicate))


def judging_of(judge: Judge, run: Run, answers: Sequence[Preference | JudgeFailure]) -> list[Judging]:
    """All judgings of a run with this judge's replaced: its failures are the pairs still without a verdict."""
    new = {(answer.sample_id, answer.replicate) for answer in answers}
    others = [judging for judging in run.judgings if not _is_of(judging, judge.rater, run.plan)]
    before = [
        failure for judging in run.judgings if _is_of(judging, judge.rater, run.plan) for failure in judging.failures
    ]
    failures = [failure for failure in before if (failure.sample_id, failure.replicate) not in new]
    failures += [answer for answer in _in_suite_order(answers, run.plan) if isinstance(answer, JudgeFailure)]
    made = Judging(
        rater=judge.rater,
        baseline=run.plan.baseline,
        candidate=run.plan.candidate,
        judge=judge.resolved,
        prompt_version=JUDGE_PROMPT_VERSION,
        prompt_text=judge_prompt_text(judge.prompt_format),
        generation=judge.generation,
        failures=tuple(failures),
        notes=tuple(_notes(judge, run.plan)),
    )
    return [*others, made]


def _notes(judge: Judge, plan: Plan) -> Iterator[str]:
    for side in plan.checkpoints:
        if side.identity.weights_digest == judge.resolved.identity.weights_digest:
            yield f"The judge has the weights of {side.name}, one of the sides: models tend to prefer their own text."


def _is_by(preference: Preference, rater: str, plan: Plan) -> bool:
    sides = plan.baseline, plan.candidate
    return (
        preference.source == "judge"
        and preference.rater == rater
        and (preference.baseline, preference.candidate) == sides
    )


def _is_of(judging: Judging, rater: str, plan: Plan) -> bool:
    return judging.rater == rater and (judging.baseline, judging.candidate) == (plan.baseline, plan.candidate)


def _short(value: str, length: int) -> str:
    return value.removeprefix("sha256:")[:length]
