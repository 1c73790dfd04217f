"""Every request becomes one outcome, a completion or a failure, written as soon as it is known."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Protocol

from evalharness.backends import backend_class
from evalharness.backends.backend import Backend, Underway
from evalharness.errors import BackendError, EvalHarnessError, StoreError
from evalharness.prompting import build_prompt
from evalharness.records import (
    Checkpoint,
    Completion,
    DeterminismCheck,
    Failure,
    GenerationConfig,
    GenerationRequest,
    Message,
    Notice,
    Plan,
    ResolvedCheckpoint,
    Sample,
    Spent,
)
from evalharness.store import Appender, RunStore

REFUSALS = frozenset({"server", "timeout"})
"""Failures caused by the server, not by a single prompt."""
RESUME = "correct what the server names, then run the same command with --out RUN --resume"
RETRIED = frozenset({"server", "timeout", "out_of_memory", "error"})
"""Temporary kinds of failure: `--resume` retries these requests."""
REFUSED_ALIKE = 3
"""If so many first requests of a checkpoint fail with the same message, the others would too."""
Event = Completion | Failure | Notice | Underway
GREETING = Sample(id="greeting", messages=(Message(role="user", content="Hello"),), category="")


class Generates(Protocol):
    """The part of a backend that `outcomes_of` needs."""

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[Event]:
        """As `Backend.generate`."""


class Progress:
    """Follows the progress of a generation; this one shows nothing."""

    def load(self, checkpoint: str) -> None:
        """A checkpoint's generation begins; its weights are being loaded."""

    def start(self, checkpoint: str, *, total: int, done: int, longest: int) -> None:
        """The weights are loaded; `done` of the `total` requests already have an outcome.

        Args:
            longest: most tokens of a completion.
        """

    def underway(self, *, tokens: int) -> None:
        """So many tokens were generated for requests that have no outcome yet."""

    def advance(self, *, tokens: int) -> None:
        """One more request has an outcome, with this many generated tokens."""

    def finish(self) -> None:
        """The checkpoint's generation has ended, successfully or not."""


def generate(
    plan: Plan,
    store: RunStore,
    open_backend: Callable[[Checkpoint], Backend],
    *,
    check_determinism: int = 0,
    progress: Progress | None = None,
) -> None:
    """Generate missing completions, one checkpoint after the other, so that only one is in memory at a time.

    Args:
        store: the run directory, locked by the caller.
        open_backend: makes a backend; its weights are loaded only if something is missing.
        check_determinism: how many samples of each checkpoint are generated again, each alone.

    Raises:
        EvalHarnessError: the remaining requests would fail too; outcomes so far are saved.
    """
    recovered = store.recover()
    outcomes = store.read_outcomes()
    checked = {check.checkpoint for check in outcomes.determinism}
    with store.appending() as out:
        if recovered:
            message = "the last line was incomplete because the run was stopped; its request is generated again"
            out.append(Notice(checkpoint=plan.baseline, kind="recovered", message=message))
        generations = [
            CheckpointGeneration(resolved, plan, store, outcomes, out, progress or Progress())
            for resolved in plan.checkpoints
        ]
        # The first one's own requests are its trial, so that it is not loaded twice.
        for generation in generations[1:]:
            generation.try_out(open_backend)
        for generation in generations:
            generation.run(
                open_backend, check_determinism=0 if generation.resolved.name in checked else check_determinism
            )


class CheckpointGeneration:
    """Generate one checkpoint's missing requests, then check its determinism."""

    def __init__(
        self,
        resolved: ResolvedCheckpoint,
        plan: Plan,
        store: RunStore,
        outcomes: Mapping[str, Completion | Failure],
        out: Appender,
        progress: Progress,
    ) -> None:
        self.resolved = resolved
        self.requests = [request for request in plan.requests if request.checkpoint == resolved.name]
        self.missing = [request for request in self.requests if _is_missing(outcomes.get(request.id))]
        self.has_completion = any(isinstance(outcomes.get(request.id), Completion) for request in self.requests)
        self.store = store
        self.out = out
        self.progress = progress
        self.batch = "the conditions of the run"
        self.refused: list[str] = []

    def run(self, open_backend: Callable[[Checkpoint], Backend], *, check_determinism: int) -> None:
        """Open the backend if there is work, and always close it."""
        if not self.missing and not check_determinism:
            return
        backend = open_backend(self.resolved.checkpoint)
        with closing(backend):
            self._work(backend, check_determinism)

    def try_out(self, open_backend: Callable[[Checkpoint], Backend]) -> None:
        """Ask a server's model for one token, so that an error shows before hours of work.

        Raises:
            BackendError: the server refuses.
        """
        if not self.missing or not getattr(backend_class(self.resolved.checkpoint), "asks_a_server", False):
            return
        with closing(open_backend(self.resolved.checkpoint)) as backend:
            self.progress.load(self.resolved.name)
            answer = first_token(backend, self.resolved, self.missing[0].config)
        if isinstance(answer, Failure) and answer.kind in REFUSALS:
            raise BackendError(f"{self.resolved.name} cannot generate: {answer.message}", fix=RESUME)

    def _work(self, backend: Backend, check_determinism: int) -> None:
        try:
            self.progress.load(self.resolved.name)
            self._generate(backend)
            if check_determinism:
                made = generated_again(backend, self.requests, self.store.read_outcomes(), check_determinism)
                if made is not None:
                    self.out.append(made.model_copy(update={"batch": self.batch}))
        finally:
            self.progress.finish()

    def _generate(self, backend: Backend) -> None:
        """Record the missing outcomes, and what they took, also if they are interrupted."""
        meter = Meter(self.resolved.name)
        try:
            for event in followed(backend, self.missing, self.progress, total=len(self.requests)):
                meter.add(event)
                self._record(event)
        finally:
            # A file's completions took their time elsewhere.
            if meter.requests and not self.resolved.recorded:
                with suppress(StoreError):
                    self.out.append(meter.spent())

    def _record(self, event: Completion | Failure | Notice) -> None:
        self.out.append(event)
        if isinstance(event, Notice):
            self.batch = event.message if event.kind == "batch" else self.batch
            return
        self.has_completion |= isinstance(event, Completion)
        self._stop_where_all_is_refused(event)

    def _stop_where_all_is_refused(self, event: Completion | Failure) -> None:
        if not isinstance(event, Failure) or event.kind not in REFUSALS:
            return
        self.refused.append(event.message)
        few = min(REFUSED_ALIKE, len(self.requests))
        if len(self.refused) != few or len(set(self.refused)) > 1:
            return
        if not self.has_completion:
            problem = f"{self.resolved.name}: the first {few} requests failed with the same message: {event.message}"
            raise BackendError(problem, fix=RESUME)


class Meter:
    """Counts what a checkpoint's outcomes take."""

    def __init__(self, checkpoint: str) -> None:
        self.checkpoint = checkpoint
        self.requests = self.prompt_tokens = self.tokens = 0
        self._began = time.monotonic()
        self._ready: float | None = None

    def add(self, event: Completion | Failure | Notice) -> None:
        """Count one event; a notice as the first says that the backend is ready."""
        if self._ready is None:
            self._ready = time.monotonic() if isinstance(event, Notice) else self._began
        self.requests += not isinstance(event, Notice)
        if isinstance(event, Completion):
            self.prompt_tokens += event.prompt_tokens or 0
            self.tokens += event.completion_tokens or 0

    def spent(self) -> Spent:
        """What was counted, as a record."""
        ready = self._ready or self._began
        return Spent(
            checkpoint=self.checkpoint,
            requests=self.requests,
            prompt_tokens=self.prompt_tokens,
            tokens=self.tokens,
            loading_seconds=round(ready - self._began, 3),
            seconds=round(time.monotonic() - ready, 3),
        )


def generated_again(
    backend: Backend,
    requests: Sequence[GenerationRequest],
    outcomes: Mapping[str, Completion | Failure],
    count: int,
) -> DeterminismCheck | None:
    """How many of `count` completions change when generated alone; None without completions."""
    answered = [request for request in requests if isinstance(outcomes.get(request.id), Completion)]
    chosen = _spread(answered, count)
    compared = [(request, _differs_alone(backend, request, outcomes[request.id])) for request in chosen]
    made = [(request.sample_id, differs) for request, differs in compared if differs is not None]
    if not made:
        return None
    changed = tuple(dict.fromkeys(sample for sample, differs in made if differs))
    return DeterminismCheck(
        checkpoint=requests[0].checkpoint, n=len(made), changed=changed, batch="the conditions of the run"
    )


def _differs_alone(backend: Backend, request: GenerationRequest, first: Completion | Failure) -> bool | None:
    """None if there is no second completion to compare with."""
    again = [event for event in outcomes_of(backend, [request]) if isinstance(event, Completion)]
    return again[0].text != first.text if again and isinstance(first, Completion) else None


def first_token(backend: Backend, resolved: ResolvedCheckpoint, config: GenerationConfig) -> Completion | Failure:
    """The outcome of a greeting with one token; the model is loaded as for the run of `config`."""
    prompts = [build_prompt(GREETING, resolved.checkpoint.prompt_format)]
    fixed = backend.resolve_config(prompts, config.model_copy(update={"max_tokens": 1}))
    request = GenerationRequest.of(resolved, GREETING.id, prompts[0], backend.render(prompts)[0], fixed)
    [answer] = [event for event in outcomes_of(backend, [request]) if isinstance(event, Completion | Failure)]
    return answer


def followed(
    backend: Generates, requests: Sequence[GenerationRequest], progress: Progress, *, total: int
) -> Iterator[Completion | Failure | Notice]:
    """What `outcomes_of` yields, each shown by `progress` once the caller has kept it; `total` counts earlier ones."""
    longest = max((request.config.max_tokens for request in requests), default=0)
    for number, event in enumerate(outcomes_of(backend, requests)):
        if number == 0:
            progress.start(requests[0].checkpoint, total=total, done=total - len(requests), longest=longest)
        if isinstance(event, Underway):
            progress.underway(tokens=event.tokens)
            continue
        yield event
        if not isinstance(event, Notice):
            progress.advance(tokens=(event.completion_tokens or 0) if isinstance(event, Completion) else 0)


def outcomes_of(backend: Generates, requests: Sequence[GenerationRequest]) -> Iterator[Event]:
    """One outcome for each request, whatever the backend does.

    A crash inside the backend must not lose the other requests: the remaining ones are tried one at a time, and each
    that crashes again becomes a failure. A request without an outcome is a failure of kind `missing`.
    """
    left = {request.id: request for request in requests}
    try:
        yield from _ticked_off(backend.generate(requests), left)
    except EvalHarnessError:
        raise
    except Exception as error:  # noqa: BLE001 - the one place where a backend's crash becomes a record
        if len(requests) == 1 and left:
            kept = Failure(request_id=requests[0].id, kind="error", message=f"{type(error).__name__}: {error}"[:500])
            left.clear()
            yield kept
    if len(requests) > 1:
        for request in list(left.values()):
            yield from outcomes_of(backend, [request])
        return
    for request in left.values():
        yield Failure(request_id=request.id, kind="missing", message="the backend returned no outcome for this request")


def _ticked_off(events: Iterable[Event], left: dict[str, GenerationRequest]) -> Iterator[Event]:
    for event in events:
        if isinstance(event, Completion | Failure) and left.pop(event.request_id, None) is None:
            raise BackendError(
                f"the backend returned a second or unrequested outcome for request {event.request_id}",
                fix="report this as a bug in the backend",
            )
        yield event


def _is_missing(outcome: Completion | Failure | None) -> bool:
    return outcome is None or (isinstance(outcome, Failure) and outcome.kind in RETRIED)


def _spread(requests: Sequence[GenerationRequest], count: int) -> list[GenerationRequest]:
    """`count` requests, evenly spread."""
    count = min(count, len(requests))
    return [requests[index * len(requests) // count] for index in range(count)]
