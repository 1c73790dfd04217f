"""How the backends of servers ask: retries, waiting, and several requests in flight."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from queue import SimpleQueue
from typing import TypeVar

from evalharness.backends.wire import Busy, PromptTooLong, Refused, Reply, Transient, Unreachable
from evalharness.errors import BackendError
from evalharness.records import Completion, Failure, GenerationRequest
from evalharness.records.outcomes import FailureKind

log = logging.getLogger(__name__)
Outcome = Completion | Failure
Answer = TypeVar("Answer")
SILENT_SECONDS = 15.0
"""Every so many seconds, a line reports that the server is still busy."""
SHORTEST_SAID = 0.5
"""Seconds; shorter waits are not reported."""
LONGEST_WAIT = 60.0
"""Seconds between two attempts, unless the server asks for more."""
MOST_TIMEOUTS = 2
"""A timeout that happened twice will happen again."""
MOST_IN_FLIGHT = 256
GAIN = 1.1
"""A round with this many times the tokens per second of the best round so far is better."""
MISSES = 2
"""Doublings without that gain after which the best number is kept; one may be chance."""
ROUND = 4
"""Fewest outcomes by which a round is judged."""
AHEAD = 8
"""Outcomes are stored in the order of the requests; this many times the requests in flight may wait for a slow one."""


class Pace:
    """How many requests are in flight: a fixed number, or as many as raise the throughput.

    The number begins at 1 and doubles with each round, of at least as many outcomes as requests in flight. After
    `MISSES` rounds in a row without `GAIN` times the tokens per second of the best round, the best number is kept.
    Where the server refuses (429, 503), the number falls by half, and rises by one with each round without a refusal.
    """

    def __init__(self, fixed: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = fixed or 1
        self.most = fixed or MOST_IN_FLIGHT
        self.settled = self._fixed = fixed is not None
        self._clock = clock
        self._lock = threading.Lock()
        self._best, self._best_limit, self._misses = 0.0, 1, 0
        self._fell = -1.0
        self._begin(skip=0)

    def in_words(self) -> str:
        """The number that was reached, for the report."""
        if self._fell >= 0:
            return f"{self.limit} requests in flight at the end, fewer after the server refused some"
        if self.settled:
            return f"{self.limit} requests in flight, beyond which the throughput no longer rose"
        return f"up to {self.limit} requests in flight"

    def _begin(self, *, skip: int) -> None:
        """Begin a round; `skip` outcomes of requests that were sent before it do not count."""
        self._skip, self._left, self._tokens, self._since = skip, max(self.limit, ROUND), 0, self._clock()

    def landed(self, tokens: int) -> None:
        """An outcome has come in."""
        with self._lock:
            if self.settled:
                return
            if self._skip:
                self._skip -= 1
                self._since = self._clock()
                return
            self._tokens, self._left = self._tokens + tokens, self._left - 1
            if not self._left:
                self._judge(self._tokens / max(self._clock() - self._since, 1e-6))

    def _judge(self, rate: float) -> None:
        if self._fell >= 0:
            self._rise(min(self.limit + 1, self.most))
            return
        if rate >= GAIN * self._best:
            self._best, self._best_limit, self._misses = rate, self.limit, 0
        else:
            self._misses += 1
        if self._misses == MISSES or self.limit == self.most:
            self.settled, self.limit = True, self._best_limit
        else:
            self._rise(min(2 * self.limit, self.most))

    def _rise(self, limit: int) -> None:
        before, self.limit = self.limit, limit
        self._begin(skip=before)

    def refused(self, sent: float) -> None:
        """The server refused a request that was sent at this time; those of one moment count once."""
        with self._lock:
            if self._fixed or sent <= self._fell:
                return
            self._fell, self.settled = self._clock(), False
            self.limit = max(1, self.limit // 2)
            self._begin(skip=self.limit)


class Asker:
    """Asks a server, again where its fault may pass.

    Args:
        name: the checkpoint, for the log.
        attempts: most attempts for a request.
        backoff: seconds before the second attempt; doubled before each later one.
    """

    def __init__(self, name: str, *, attempts: int, backoff: float, pace: Pace) -> None:
        self.name, self.attempts, self.backoff, self.pace = name, attempts, backoff, pace
        self._saying = threading.Lock()
        self._said: dict[tuple[str, int], float] = {}
        """Until when the same fault of the same attempt is not reported again."""

    def outcomes(
        self,
        requests: Sequence[GenerationRequest],
        answer: Callable[[GenerationRequest], Reply],
        gone: Callable[[str], BackendError],
    ) -> Iterator[Outcome]:
        """One outcome for each request, in order, with several in flight.

        Raises:
            BackendError: `gone`, or what `answer` raises; outcomes that have come in are yielded first.
        """
        return in_flight(requests, lambda request: self.outcome(request, answer, gone), self.pace)

    def outcome(
        self,
        request: GenerationRequest,
        answer: Callable[[GenerationRequest], Reply],
        gone: Callable[[str], BackendError],
    ) -> Outcome:
        """The outcome of one request."""
        start, fault, timeouts = time.monotonic(), Transient("server", "never sent"), 0
        for attempt in range(1, self.attempts + 1):
            sent = time.monotonic()
            try:
                reply = answer(request)
            except PromptTooLong as error:
                return _failure(request, "prompt_too_long", error, attempt)
            except Refused as error:
                return _failure(request, "server", error, attempt)
            except Transient as error:
                fault = error
                timeouts += error.kind == "timeout"
                if isinstance(error, Busy):
                    self.pace.refused(sent)
                if timeouts == MOST_TIMEOUTS:
                    break
                self.wait(attempt, error)
            else:
                return _completion(request, reply, attempt, time.monotonic() - start)
        if isinstance(fault, Unreachable):
            raise gone(str(fault))
        return _failure(request, "timeout" if fault.kind == "timeout" else "server", fault, attempt)

    def again(
        self, ask: Callable[[], Answer], failed: Callable[[Exception], BackendError], *, faults: int | None = None
    ) -> Answer:
        """What `ask` returns, asked again where its fault may pass.

        Args:
            faults: most attempts that end in a fault other than a busy server; all by default.

        Raises:
            BackendError: `failed`, after the last attempt or where the server refuses.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return ask()
            except (Transient, Refused) as error:
                fault: Exception = error
                if isinstance(error, Refused) or (attempt == faults and not isinstance(error, Busy)):
                    break
                self.wait(attempt, error)
        raise failed(fault)

    def wait(self, attempt: int, fault: Exception) -> None:
        """Wait before the next attempt, twice as long each time, and report why."""
        if attempt == self.attempts:
            return
        seconds = min(self.backoff * 2 ** (attempt - 1), LONGEST_WAIT)
        if isinstance(fault, Busy):
            # Refused together, they must not come back together.
            seconds = max(seconds, fault.wait) * (1 + random.random() / 2)
        if seconds >= SHORTEST_SAID and self._is_new(str(fault), attempt, seconds):
            tries = f"attempt {attempt + 1} of {self.attempts} in {seconds:.3g} s"
            log.warning("%s: %s; %s", self.name, fault, tries)
        time.sleep(seconds)

    def _is_new(self, fault: str, attempt: int, seconds: float) -> bool:
        """Whether no other request has just reported this: all in flight meet it when a server stops."""
        with self._saying:
            now, last = time.monotonic(), self._said.get((fault, attempt), 0.0)
            self._said[fault, attempt] = max(last, now + seconds)
            return now >= last

    @contextmanager
    def announced(self, what: str) -> Iterator[None]:
        """Report regularly that the server is still busy with this."""
        done, start = threading.Event(), time.monotonic()

        def say() -> None:
            while not done.wait(SILENT_SECONDS):
                log.info("%s: still %s after %.0f s", self.name, what, time.monotonic() - start)

        threading.Thread(target=say, daemon=True).start()
        try:
            yield
        finally:
            done.set()


def in_flight(
    requests: Sequence[GenerationRequest], ask: Callable[[GenerationRequest], Outcome], pace: Pace
) -> Iterator[Outcome]:
    """What `ask` returns for each request, in order, `pace.limit` of them at once.

    Daemon threads ask, so that an interrupted run does not wait for a silent server.
    """
    todo: SimpleQueue[tuple[int, GenerationRequest] | None] = SimpleQueue()
    landed: SimpleQueue[tuple[int, Outcome | BaseException]] = SimpleQueue()
    ready: dict[int, Outcome] = {}
    sent = flying = first = asking = 0

    def work() -> None:
        while job := todo.get():
            landed.put((job[0], ask(job[1])))

    with ThreadPool(min(pace.most, len(requests))) as pool:
        try:
            while first < len(requests):
                while sent < len(requests) and flying < pace.limit and sent - first < AHEAD * pace.limit:
                    todo.put((sent, requests[sent]))
                    sent, flying = sent + 1, flying + 1
                    if asking < flying:
                        # One job of the pool asks for many requests: handing over each would cost more.
                        pool.apply_async(work, error_callback=lambda error: landed.put((-1, error)))
                        asking += 1
                number, result = landed.get()
                flying -= 1
                if isinstance(result, BaseException):
                    yield from (ready[number] for number in sorted(ready))
                    raise result
                pace.landed(_tokens(result))
                ready[number] = result
                while first in ready:
                    yield ready.pop(first)
                    first += 1
        finally:
            for _ in range(asking):
                todo.put(None)


def _tokens(outcome: Outcome) -> int:
    return (outcome.completion_tokens or 0) if isinstance(outcome, Completion) else 0


def _completion(request: GenerationRequest, reply: Reply, attempts: int, seconds: float) -> Completion:
    counted = len(reply.pieces) if reply.completion_tokens is None else reply.completion_tokens
    return Completion.model_validate(
        {
            "request_id": request.id,
            "text": reply.text,
            "finish_reason": reply.finish_reason,
            "stopped_by": reply.stopped_by,
            "thinking": reply.thinking or None,
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": counted,
            "seconds": round(seconds, 3),
            "attempts": attempts,
            "logprobs": tuple(reply.logprobs) or None,
            "token_ids": tuple(reply.token_ids) or None,
        }
    )


def _failure(request: GenerationRequest, kind: FailureKind, error: Exception, attempts: int) -> Failure:
    return Failure(request_id=request.id, kind=kind, message=str(error)[:500], attempts=attempts)
