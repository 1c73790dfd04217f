"""Progress of a generation on stderr: a bar with rate and ETA on a terminal, plain lines elsewhere.

While weights are loaded, the bars are those of transformers, which has them for every file and tensor.
"""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from evalharness.cli.terminal import is_plain, say
from evalharness.pipeline.generating import Progress
from evalharness.text import one_line

PLAIN_SECONDS = 10.0
ENOUGH = 50
"""The remaining time is estimated after so many requests, or after a tenth of them."""


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
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._bar: TaskID | None = None
        self._rate = Rate()

    def load(self, checkpoint: str) -> None:
        """Print what is loaded; a second live display would garble the bars of transformers."""
        say(f"{checkpoint}: loading", err=True)

    def start(self, checkpoint: str, *, total: int, done: int) -> None:
        """Show a new bar."""
        self._bars.start()
        self._bar = self._bars.add_task(one_line(checkpoint), total=total, completed=done, rate="")
        self._rate = Rate()

    def advance(self, *, tokens: int) -> None:
        """Move the bar by one request."""
        self._rate.add(tokens)
        if self._bar is not None:
            self._bars.update(self._bar, advance=1, rate=self._rate.text())

    def finish(self) -> None:
        """Leave the bar at its last position."""
        self._bars.stop()


class PlainProgress(Progress):
    """Lines at the start and at the end of each checkpoint, and one every ten seconds between."""

    def __init__(self) -> None:
        self._checkpoint, self._total, self._done = "", 0, 0
        self._rate, self._said = Rate(), 0.0

    def load(self, checkpoint: str) -> None:
        """Print what is loaded."""
        self._checkpoint = checkpoint
        say(f"{checkpoint}: loading", err=True)

    def start(self, checkpoint: str, *, total: int, done: int) -> None:
        """Print what begins."""
        self._checkpoint, self._total, self._done, self._rate = checkpoint, total, done, Rate()
        self._said = time.monotonic()
        kept = f", {done} already done" if done else ""
        say(f"{checkpoint}: {total - done} requests{kept}", err=True)

    def advance(self, *, tokens: int) -> None:
        """Count one request, and print progress every ten seconds."""
        self._done += 1
        self._rate.add(tokens)
        if time.monotonic() - self._said >= PLAIN_SECONDS:
            self._say(self._rate.remaining(self._total - self._done))

    def finish(self) -> None:
        """Print where it ended."""
        if self._total:
            self._say("")
        self._total = 0

    def _say(self, more: str) -> None:
        self._said = time.monotonic()
        say(f"{self._checkpoint}: {self._done}/{self._total}, {self._rate.text()}{more}", err=True)


class Rate:
    """Tokens and requests per second since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._tokens = self._requests = 0

    def add(self, tokens: int) -> None:
        """Count one request."""
        self._requests += 1
        self._tokens += tokens

    def text(self) -> str:
        """The rate, in tokens where they are known."""
        seconds = max(time.monotonic() - self._start, 1e-6)
        if self._tokens:
            return f"{self._tokens / seconds:.0f} tokens/s"
        return f"{self._requests / seconds:.0f} requests/s"

    def remaining(self, requests: int) -> str:
        """Estimated time for the remaining requests; empty until enough are done.

        The rows of a batch end together, so the first of them tells nothing about the rate.
        """
        if self._requests < min(ENOUGH, requests / 10):
            return ""
        seconds = (time.monotonic() - self._start) / max(self._requests, 1) * requests
        return f", {seconds / 60:.0f} min left" if seconds >= 90 else f", {seconds:.0f} s left"
