"""Progress of a generation on stderr: a bar with rate and ETA on a terminal, plain lines elsewhere.

While weights are loaded, the bars are those of transformers, which has them for every file and tensor.
"""

import sys
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from evalharness.cli.terminal import is_plain, say
from evalharness.formatting import one_line
from evalharness.pipeline.generating import Progress
from evalharness.pipeline.progress import PlainProgress, Rate


def make_progress() -> Progress:
    """The display that suits stderr."""
    return PlainProgress(partial(say, err=True)) if is_plain(sys.stderr) else BarProgress()


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
