"""Sides to a run: their answers joined into samples, requests, outcomes and recorded values."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from typing import Any

from pydantic import JsonValue, ValidationError

from evalharness.errors import SharingError
from evalharness.prompting import guess_variant
from evalharness.prompting.lint import lint_pair
from evalharness.records import (
    ChatPrompt,
    Checkpoint,
    CheckpointIdentity,
    Completion,
    Elsewhere,
    Failure,
    GenerationConfig,
    GenerationRequest,
    LintFinding,
    Message,
    Plan,
    RawPrompt,
    RenderedPrompt,
    ResolvedCheckpoint,
    Sample,
    Suite,
    Variant,
    digest,
    explain,
)
from evalharness.sharing.import_runs.sides import Answer, Side
from evalharness.suites.import_prompts.writing import scorers_for

BACKEND = "elsewhere"
UNKNOWN = GenerationConfig()
Key = tuple[str, str]


@dataclass(frozen=True)
class Joined:
    """The sides, each with a name, on the samples that all of them answered."""

    sides: tuple[Side, ...]
    names: tuple[str, ...]
    variants: tuple[Variant | None, ...] = ()
    """Training stages as the user states them, of the first sides."""

    @cached_property
    def by_key(self) -> list[dict[Key, list[Answer]]]:
        """Of each side, its answers to each sample."""
        return [_grouped(side) for side in self.sides]

    @cached_property
    def shared(self) -> list[Key]:
        """Samples that every side answered, in the order of the baseline."""
        first, *rest = self.by_key
        found = [key for key in first if all(key in other for other in rest)]
        if not found:
            files = " and ".join(side.file for side in self.sides)
            raise SharingError(
                f"{files} share no sample: neither ids nor prompts agree",
                fix="import two runs of the same task and version, or name the columns that agree: --columns id=COLUMN",
            )
        return found

    @cached_property
    def samples(self) -> dict[Key, Sample]:
        """The samples; where two have one id, the later are numbered."""
        made: dict[Key, Sample] = {}
        taken: Counter[str] = Counter()
        for key in self.shared:
            answers = [side[key][0] for side in self.by_key]
            taken[answers[0].id] += 1
            number = taken[answers[0].id]
            made[key] = _sample(answers, answers[0].id if number == 1 else f"{answers[0].id}-{number}")
        return made

    @cached_property
    def checkpoints(self) -> list[ResolvedCheckpoint]:
        """The sides as checkpoints whose weights are not known."""
        return [
            _resolved(side, name, variant)
            for side, name, variant in zip_longest(self.sides, self.names, self.variants[: len(self.sides)])
        ]

    @cached_property
    def scorers(self) -> dict[str, dict[str, JsonValue]]:
        """Tables of scorers that take their own metrics."""
        tables: dict[str, dict[str, JsonValue]] = {}
        for side in self.sides:
            values = self._recorded(side.scorer)
            if values:
                tables[side.scorer] = {"program": side.program, "recorded": values}
        return tables

    def _recorded(self, scorer: str) -> dict[str, JsonValue]:
        sides = [side for side in self.sides if side.scorer == scorer]
        names = dict.fromkeys(name for side in sides for answer in side.answers for name in answer.values)
        better = {name: one for side in sides for name, one in side.better.items()}
        return {value_name(name): _metric(name, better.get(name), sides) for name in names}

    def plan(self) -> Plan:
        """The plan of a run whose requests were generated elsewhere."""
        requests = [request for request, _ in self.outcomes]
        return Plan(
            suites=tuple(self._suites()),
            checkpoints=tuple(self.checkpoints),
            baseline=self.names[0],
            candidate=self.names[1],
            requests=tuple(requests),
            lint=(*self._lint(), *lint_pair(self.checkpoints)),
        )

    @cached_property
    def outcomes(self) -> list[tuple[GenerationRequest, Completion | Failure]]:
        """Every request with its outcome."""
        return [
            (request, _outcome(request, answer, side.scorer))
            for side, resolved, answers in zip(self.sides, self.checkpoints, self.by_key, strict=True)
            for key in self.shared
            for answer in answers[key]
            for request in [_request(resolved, self.samples[key], answer)]
        ]

    def _suites(self) -> Iterator[Suite]:
        files = ", ".join(dict.fromkeys(side.file for side in self.sides))
        for task in dict.fromkeys(task for task, _ in self.shared):
            samples = tuple(sample for (own, _), sample in self.samples.items() if own == task)
            scored = [name for name in self.scorers if self._has_values(name, task)]
            yield Suite(
                name=task,
                version="1",
                description=f"{len(samples):,} samples, generated elsewhere.",
                license="not stated",
                source=f"{self.sides[0].program}: {files}",
                scorers=(*scored, *scorers_for(samples)),
                samples=samples,
                digest=digest([sample.model_dump(mode="json") for sample in samples]),
            )

    def _has_values(self, scorer: str, task: str) -> bool:
        sides = [side for side in self.sides if side.scorer == scorer]
        return any(answer.values for side in sides for answer in side.answers if answer.task == task)

    def _lint(self) -> Iterator[LintFinding]:
        for side, name, answers in zip(self.sides, self.names, self.by_key, strict=True):
            alone = len(answers) - len(self.shared)
            if alone:
                message = f"{alone:,} of {len(answers):,} samples of {name} are not on every side and are left out"
                yield _finding("samples-on-one-side", message, f"import whole runs of the same task ({side.file})")
        differ = [
            self.samples[key].id for key in self.shared if len({_asked(side[key][0]) for side in self.by_key}) > 1
        ]
        if differ:
            message = f"{len(differ):,} of {len(self.shared):,} prompts were sent differently to the two sides"
            fix = "use the same template, few-shot examples and task version on both sides, unless this is intended"
            yield _finding("prompts-differ", message, fix, tuple(differ))


def _grouped(side: Side) -> dict[Key, list[Answer]]:
    grouped: dict[Key, list[Answer]] = {}
    for answer in side.answers:
        grouped.setdefault((answer.task, answer.key), []).append(answer)
    return {key: _numbered(answers, side) for key, answers in grouped.items()}


def _numbered(answers: list[Answer], side: Side) -> list[Answer]:
    """Several answers to one prompt are its replicates, numbered by the file or in its order.

    Raises:
        SharingError: two prompts have one id, or two answers one number.
    """
    numbers = [answer.replicate for answer in answers]
    if len(set(numbers)) == len(numbers):
        return answers
    name = f"{side.file}: id {answers[0].id!r}"
    if any(_asked(answer) != _asked(answers[0]) for answer in answers):
        raise SharingError(f"{name} is that of several prompts", fix="give each prompt an id of its own, or no ids")
    if any(numbers):
        raise SharingError(f"{name} has two answers of one replicate", fix="number the answers in `replicate`")
    return [replace(answer, replicate=number) for number, answer in enumerate(answers)]


def _asked(answer: Answer) -> object:
    return answer.rendered if answer.rendered is not None else answer.messages


def _sample(answers: Sequence[Answer], name: str) -> Sample:
    """A prompt that another holds within it is the one without a template around it."""
    first = answers[0]
    texts = [answer.messages[0].content for answer in answers if len(answer.messages) == 1]
    shortest = min(texts, key=len, default="")
    messages = first.messages
    if len(texts) == len(answers) and all(shortest in text for text in texts):
        messages = (Message(role="user", content=shortest),)
    try:
        return Sample.model_validate(
            {
                "id": name,
                "messages": [message.model_dump() for message in messages],
                "category": first.category or first.task,
                "expected": first.expected,
                "target": first.target,
            }
        )
    except ValidationError as error:
        raise SharingError(f"sample {name!r}: {explain(error)}", fix="correct that row, or leave it out") from None


def _resolved(side: Side, name: str, variant: Variant | None) -> ResolvedCheckpoint:
    known = all(answer.config for answer in side.answers)
    unknown = ["weights", "hardware", *([] if known else ["generation settings"])]
    if not any(answer.rendered for answer in side.answers):
        unknown.append("prompts as sent")
    checkpoint = Checkpoint(
        name=name,
        model=f"{BACKEND}/{side.model}",
        variant=variant or guess_variant(side.model) or "instruct",
        prompt_format=side.prompt_format,
    )
    return ResolvedCheckpoint(
        checkpoint=checkpoint,
        identity=CheckpointIdentity(
            backend=BACKEND,
            model=side.model,
            weights_digest=side.digest,
            dtype=side.dtype,
            versions=dict(side.versions),
        ),
        notes=(f"Generated elsewhere, by {side.program}; the digest is that of its file.",),
        parameters=side.parameters,
        recorded=True,
        elsewhere=Elsewhere(program=side.program, unknown=tuple(unknown), settings_known=known),
    )


def _request(resolved: ResolvedCheckpoint, sample: Sample, answer: Answer) -> GenerationRequest:
    prompt: RawPrompt | ChatPrompt = RawPrompt(text=sample.prompt)
    if resolved.checkpoint.prompt_format == "chat":
        prompt = ChatPrompt(messages=answer.messages)
    rendered, config = RenderedPrompt(text=answer.rendered), answer.config or UNKNOWN
    return GenerationRequest.of(resolved, sample.id, prompt, rendered, config, answer.replicate)


def _outcome(request: GenerationRequest, answer: Answer, scorer: str) -> Completion | Failure:
    if answer.failure:
        return Failure(request_id=request.id, kind="error", message=answer.failure)
    return Completion(
        request_id=request.id,
        text=answer.text,
        finish_reason=answer.finish_reason,
        completion_tokens=answer.completion_tokens,
        seconds=answer.seconds,
        values={f"{scorer}.{value_name(name)}": value for name, value in answer.values.items()},
    )


def value_name(name: str) -> str:
    """A metric's name as the key of a value.

    >>> value_name("exact_match:flexible-extract")
    'exact_match_flexible-extract'
    """
    return re.sub(r"[^\w-]+", "_", name)


def _metric(name: str, better: str | None, sides: Iterable[Side]) -> dict[str, Any]:
    values = {value for side in sides for answer in side.answers if (value := answer.values.get(name)) is not None}
    metric, _, of = name.encode("utf-8", "replace").decode().partition(":")
    title = f"{metric} ({of})" if of else metric
    is_rate = values <= {0.0, 1.0}
    # The title of a rate is what a completion does.
    return {
        "title": f"scores in {title}" if is_rate else title,
        "kind": "rate" if is_rate else "mean",
        "better": better,
    }


def _finding(code: str, message: str, fix: str, sample_ids: tuple[str, ...] = ()) -> LintFinding:
    return LintFinding(code=code, level="warning", checkpoint=None, message=message, fix=fix, sample_ids=sample_ids)


def names_of(sides: Sequence[Side], given: Sequence[str]) -> tuple[str, ...]:
    """A name for each side: the user's, else the model's, with its file where two are called the same."""
    names = list(given) or [re.split(r"[/\\]", side.model.rstrip("/"))[-1] for side in sides]
    if len(set(names)) < len(names):
        names = [f"{name}-{number}" for number, name in enumerate(names, start=1)]
    return tuple(names)
