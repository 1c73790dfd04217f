"""Runs in a notebook: two models compared in one call, frames, and a run that shows its verdict and its chart."""

import sys
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness import pipeline
from evalharness.config import RunConfig, build_config, read_config, sides_of
from evalharness.export.frames import completions_frame, differences_frame
from evalharness.formatting import inert, one_line
from evalharness.pipeline.generating import Progress
from evalharness.pipeline.planning import with_default_scorers
from evalharness.pipeline.progress import PlainProgress
from evalharness.report import render_summary
from evalharness.store import Run

if TYPE_CHECKING:
    import pandas

GENERATION = ("max_tokens", "temperature", "top_p", "top_k", "repeat_penalty", "stop", "context_length")
PAIR = ["sample_id", "category", "replicate", "metric"]


class NotebookRun(Run):
    """A run directory, read, with its tables as pandas frames; the last line of a cell shows its verdict and chart."""

    @classmethod
    def of(cls, run: Run) -> "NotebookRun":
        """The same run."""
        return cls(**{field.name: getattr(run, field.name) for field in fields(run)})

    @cached_property
    def completions(self) -> "pandas.DataFrame":
        """One row a request: the sample, the prompt, the completion, and all labels and values of its scores."""
        return completions_frame(self)

    @cached_property
    def differences(self) -> "pandas.DataFrame":
        """One row a metric (and category) with both means, their difference, its interval and the verdict.

        Raises:
            StoreError: the run was not compared yet.
        """
        return differences_frame(self)

    @cached_property
    def disagreements(self) -> "pandas.DataFrame":
        """One row a completion pair and rate in which baseline and candidate differ, with both texts."""
        rates = [metric.name for metric in self.compared.metrics if metric.kind == "rate"]
        values = self.scores_frame()
        values = values[values["metric"].isin(rates)].set_index(PAIR)
        texts = self.completions.set_index(["sample_id", "replicate"])
        sides = [
            values[values["checkpoint"] == name]["value"].rename(role)
            for role, name in (("baseline", self.plan.baseline), ("candidate", self.plan.candidate))
        ]
        both = sides[0].to_frame().join(sides[1], how="inner")
        both = both[both["baseline"] != both["candidate"]].reset_index()
        for role in ("baseline", "candidate"):
            text = texts[texts["role"] == role]["completion"].rename(f"{role}_completion")
            both = both.join(text, on=["sample_id", "replicate"])
        return both

    def _repr_html_(self) -> str:
        """The verdict, what weakens it, and the chart of differences; one line if there is no comparison yet."""
        return render_summary(self)


def load_run(path: str | Path) -> NotebookRun:
    """Read a run directory."""
    return NotebookRun.of(pipeline.load_run(path))


def run(
    config: RunConfig | str | Path,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> NotebookRun:
    """Run an experiment into a run directory and return it.

    Args:
        config: what to run, or its `evalharness.toml`.
        out: the run directory; a new one under `reports/` by default.
        resume: continue the run in `out`; only missing completions are generated.
        progress: receives each outcome; a few lines on stderr by default, and nothing with `Progress()`.

    Raises:
        EvalHarnessError: an error that the user can fix; files already written stay.
    """
    settled = config if isinstance(config, RunConfig) else with_default_scorers(read_config(config))
    place = None if out is None else Path(out)
    shown = progress or PlainProgress(_print_line)
    done = pipeline.run(settled, out=place, resume=resume, progress=shown)
    if settled.tokens is not None:
        done = pipeline.read_tokens(done.path, settled.tokens, progress=shown)
    return NotebookRun.of(done)


def _print_line(text: str) -> None:
    sys.stderr.write(f"{inert(one_line(text))}\n")
    sys.stderr.flush()


def compare_models(
    baseline: str,
    candidate: str,
    *,
    suite: str | Path | list[str] = "core",
    variants: tuple[str, str] = ("base", "instruct"),
    formats: tuple[str, str] = ("auto", "auto"),
    out: str | Path | None = None,
    resume: bool = False,
    options: dict[str, Any] | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> NotebookRun:
    """Compare two models on a suite and return the run: `compare_models("hf/org/base", "hf/org/tuned")`.

    Args:
        baseline: a model as on the command line, such as `hf/org/name` or `ollama/llama3.1:8b`.
        candidate: another.
        suite: a name under `prompts/`, a folder, or several.
        variants: the training stage of each.
        formats: how each is prompted; `auto` is `raw` for a base and `chat` for an instruct checkpoint.
        out: the run directory; a new one under `reports/` by default.
        resume: continue the run in `out`.
        progress: as in `run`.
        options: of both models' backend, such as `{"device": "cpu"}`.
        settings: other keys of `evalharness.toml`: `limit`, `seed`, `replicates`, `max_tokens`, `temperature`.

    Raises:
        EvalHarnessError: an error that the user can fix; files already written stay.
    """
    data = sides_of((baseline, candidate), variants, formats) | settings
    for table in data["checkpoint"].values():
        table["options"] = options or {}
    data["generation"] = {name: data.pop(name) for name in GENERATION if name in data}
    data["suite"] = [str(name) for name in suite] if isinstance(suite, list) else str(suite)
    config = with_default_scorers(build_config(data, {}, source="compare_models"))
    return run(config, out=out, resume=resume, progress=progress)
