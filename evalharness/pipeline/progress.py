"""Progress of a generation as lines, for a pipe, a log or a notebook; the rate and the time left of any display."""

import time
from collections.abc import Callable

from evalharness.pipeline.generating import Progress

PLAIN_SECONDS = 10.0
ENOUGH_SECONDS = 5.0
"""After which the remaining time is estimated."""


class PlainProgress(Progress):
    """Lines at the start and at the end of each checkpoint, and one every ten seconds between."""

    def __init__(self, say: Callable[[str], object]) -> None:
        """`say` prints a line."""
        self._say = say
        self._checkpoint, self._total, self._done = "", 0, 0
        self._rate, self._said = Rate(0, 0), 0.0

    def load(self, checkpoint: str) -> None:
        """Print what is loaded."""
        self._checkpoint = checkpoint
        self._say(f"{checkpoint}: loading")

    def start(self, checkpoint: str, *, total: int, done: int, longest: int) -> None:
        """Print what begins."""
        self._checkpoint, self._total, self._done, self._rate = checkpoint, total, done, Rate(total - done, longest)
        self._said = time.monotonic()
        kept = f", {done} already done" if done else ""
        self._say(f"{checkpoint}: {total - done} requests{kept}")

    def underway(self, *, tokens: int) -> None:
        """Print progress every ten seconds."""
        self._rate.underway = tokens
        if time.monotonic() - self._said >= PLAIN_SECONDS:
            self._report(self._rate.remaining())

    def advance(self, *, tokens: int) -> None:
        """Count one request."""
        self._done += 1
        self._rate.add(tokens)
        self.underway(tokens=self._rate.underway)

    def finish(self) -> None:
        """Print where it ended."""
        if self._total:
            self._report("")
        self._total = 0

    def _report(self, more: str) -> None:
        self._said = time.monotonic()
        self._say(f"{self._checkpoint}: {self._done}/{self._total}, {self._rate.text()}{more}")


class Rate:
    """Tokens and requests per second since it was made, and what is left."""

    def __init__(self, requests: int, longest: int) -> None:
        """A rate for so many requests, of which a completion has at most `longest` tokens."""
        self._requests, self._longest = requests, longest
        self._start = time.monotonic()
        self._tokens = self._done = 0
        self.underway = 0
        """Tokens of requests that are not done."""

    def add(self, tokens: int) -> None:
        """Count one request."""
        self._done += 1
        self._tokens += tokens
        self.underway = max(self.underway - tokens, 0)

    def text(self) -> str:
        """The rate, in tokens where they are known."""
        seconds = max(time.monotonic() - self._start, 1e-6)
        if tokens := self._tokens + self.underway:
            return f"{tokens / seconds:.0f} tokens/s"
        return f"{self._done / seconds:.0f} requests/s"

    def tokens_left(self) -> float:
        """Estimated from all tokens so far, because short completions are the first to be done.

        The mean length is that of an exponential distribution of which only the finished lengths are known: all tokens
        by the completions that ended (Epstein and Sobel 1953). No completion is longer than the limit.
        """
        left = self._requests - self._done
        most = self._longest * left - self.underway
        return min((self._tokens + self.underway) / self._done * left, most) if self._done else most

    def remaining(self) -> str:
        """Estimated time for what is left; empty in the first seconds."""
        seconds = time.monotonic() - self._start
        if seconds < ENOUGH_SECONDS:
            return ""
        if tokens := self._tokens + self.underway:
            seconds *= self.tokens_left() / tokens
        elif self._done:
            seconds *= (self._requests - self._done) / self._done
        else:
            return ""
        return f", {seconds / 60:.0f} min left" if seconds >= 90 else f", {seconds:.0f} s left"
