"""The stages in order: suite, plan, generate, score, compare, report. Reads like the README."""

from evalharness.pipeline.checking_models import reproduce, try_models
from evalharness.pipeline.comparing import load_compared, recompare_locked
from evalharness.pipeline.finished_runs import compare_runs, load_run, read_tokens, recompare, redraw, regate, rescore
from evalharness.pipeline.generating import Progress
from evalharness.pipeline.judging import judge, label
from evalharness.pipeline.planning import foresee, plan, with_preset
from evalharness.pipeline.running import adopt, merge, new_path, new_run_path, run, run_aa_test

__all__ = [
    "Progress",
    "adopt",
    "compare_runs",
    "foresee",
    "judge",
    "label",
    "load_compared",
    "load_run",
    "merge",
    "new_path",
    "new_run_path",
    "plan",
    "read_tokens",
    "recompare",
    "recompare_locked",
    "redraw",
    "regate",
    "reproduce",
    "rescore",
    "run",
    "run_aa_test",
    "try_models",
    "with_preset",
]
