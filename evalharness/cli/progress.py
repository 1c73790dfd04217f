"""Progress of a generation on stderr: a bar with rate and ETA on a terminal, plain lines elsewhere.

While weights are loaded, the bars are those of transformers, which has them for every file and tensor.
"""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from evalharness.cli.terminal import is_plain, say
from evalharness.pipeline.generating import Progress
from evalharness.text import one_line

PLAIN_SECONDS = 10.0
ENOUGH_SECONDS = 5.0
"""After which the remaining time is estimated."""


def make_progress() -> Progress:
    """The display that suits stderr."""
    return PlainProgress() if is_plain(sys.stderr) else BarProgress()


class BarProgress(Progress):
    """A bar for each checkpoint."""

    def __init__(self) -> None:
        self._bars = Bars(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            console=Console(stderr=True),
        )
        self._bar: TaskID | None = None
        self._rate = Rate(0, 0)

    def load(self, checkpoint: str) -> None:
        """Print what is loaded; a second live display would garble the bars of transformers."""
        say(f"{checkpoint}: loading", err=True)

    def start(self, checkpoint: str, *, total: int, done: int, longest: int) -> None:
        """Show a new bar."""
        self._bars.start()
        self._bar = self._bars.add_task(one_line(checkpoint), total=total, completed=done, rate="")
        self._rate = Rate(total - done, longest)

    def underway(self, *, tokens: int) -> None:
        """Show the rate and the time left."""
        self._rate.underway = tokens
        self._update(0)

    def advance(self, *, tokens: int) -> None:
        """Move the bar by one request."""
        self._rate.add(tokens)
        self._update(1)

    def _update(self, requests: int) -> None:
        if self._bar is not None:
            self._bars.update(self._bar, advance=requests, rate=f"{self._rate.text()}{self._rate.remaining()}")

    def finish(self) -> None:
        """Leave the bar at its last position."""
        self._bars.stop()


class PlainProgress(Progress):
    """Lines at the start and at the end of each checkpoint, and one every ten seconds between."""

    def __init__(self) -> None:
        self._checkpoint, self._total, self._done = "", 0, 0
        self._rate, self._said = Rate(0, 0), 0.0

    def load(self, checkpoint: str) -> None:
        """Print what is loaded."""
        self._checkpoint = checkpoint
        say(f"{checkpoint}: loading", err=True)

    def start(self, checkpoint: str, *, total: int, done: int, longest: int) -> None:
        """Print what begins."""
        self._checkpoint, self._total, self._done, self._rate = checkpoint, total, done, Rate(total - done, longest)
        self._said = time.monotonic()
        kept = f", {done} already done" if done else ""
        say(f"{checkpoint}: {total - done} requests{kept}", err=True)

    def underway(self, *, tokens: int) -> None:
        """Print progress every ten seconds."""
        self._rate.underway = tokens
        if time.monotonic() - self._said >= PLAIN_SECONDS:
            self._say(self._rate.remaining())

    def advance(self, *, tokens: int) -> None:
        """Count one request."""
        self._done += 1
        self._rate.add(tokens)
        self.underway(tokens=self._rate.underway)

    def finish(self) -> None:
        """Print where it ended."""
        if self._total:
            self._say("")
        self._total = 0

    def _say(self, more: str) -> None:
        self._said = time.monotonic()
        say(f"{self._checkpoint}: {self._done}/{self._total}, {self._rate.text()}{more}", err=True)


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
