"""All errors that the user can fix.

    EvalHarnessError
    ├── ConfigError            evalharness.toml or a flag asks for something impossible
    ├── SuiteError             a suite on disk is not valid
    ├── PromptFormatError      a checkpoint cannot be prompted as asked
    ├── StoreError             a run directory cannot be read or written
    │   ├── RunInUse           another process is writing to it
    │   └── FormatVersionError the run was written by another version of evalharness
    ├── BackendError           a checkpoint cannot be loaded or reached
    │   ├── MissingExtra       an optional dependency is not installed
    │   ├── UnknownModel       no such model, folder or file
    │   └── UnsafeCheckpoint   loading it would execute code from the checkpoint
    ├── ScorerError            the scorer does not exist or cannot be set up
    └── SharingError           ratings cannot be read, or an export or redacted report cannot be written

Every error has a problem (what is wrong, with the file, line or flag) and a fix (what to type or change). A failure on
one sample is never raised past its stage: it becomes a `Failure` or a `failed` `Score`.
"""

import difflib
from collections.abc import Iterable
from importlib import import_module
from typing import Any

LONGEST_LINE = 600
"""Longest line of a message, in characters; longer lines come from quoting a value of a file in full."""


class EvalHarnessError(Exception):
    """Base class of all errors that the user can fix; the command line prints problem and fix and exits with 2."""

    def __init__(self, problem: str, *, fix: str) -> None:
        self.problem = _shortened(problem)
        self.fix = _shortened(fix)
        super().__init__(self.problem)

    def within(self, place: str) -> "EvalHarnessError":
        """The same error with the file that it is of; the same one if there is none."""
        return type(self)(f"{place}: {self.problem}", fix=self.fix) if place else self


def _shortened(message: str) -> str:
    """The message with the middle of every overlong line removed."""
    lines = message.split("\n")
    half = LONGEST_LINE // 2
    return "\n".join(line if len(line) <= LONGEST_LINE else f"{line[:half]} [...] {line[-half:]}" for line in lines)


class ConfigError(EvalHarnessError):
    """The configuration file or a flag asks for something impossible."""


class SuiteError(EvalHarnessError):
    """A suite on disk is missing or not valid; the message names the file and the line."""


class PromptFormatError(EvalHarnessError):
    """A checkpoint cannot be prompted as asked, or `auto` has no safe answer."""


class StoreError(EvalHarnessError):
    """A run directory cannot be read or written; earlier files stay intact."""


class RunInUse(StoreError):
    """Another process is writing to this run directory."""


class FormatVersionError(StoreError):
    """The run directory was written in a format that this version does not read."""


class BackendError(EvalHarnessError):
    """A checkpoint cannot be loaded or reached."""


class MissingExtra(BackendError):
    """An optional dependency is not installed; the fix is the install command."""


class UnknownModel(BackendError):
    """The model, folder or file does not exist."""


class UnsafeCheckpoint(BackendError):
    """Loading the checkpoint would execute code it carries (a pickle file, or custom modelling code)."""


class ScorerError(EvalHarnessError):
    """The scorer does not exist or cannot be set up."""


class SharingError(EvalHarnessError):
    """Ratings cannot be read, an export cannot be made, or a redacted report still holds what was to be removed."""


def near(given: str, known: Iterable[str], otherwise: str) -> str:
    """The fix for a misspelt name: to write the known name with that last part or nearly that spelling, or `otherwise`.

    >>> [near(name, ["style.loop", "style.words"], "see the list") for name in ("loop", "style.wrds", "x")]
    ["write 'style.loop'", "write 'style.words'", 'see the list']
    """
    names = list(known)
    ends = [full for full in names if full.rpartition(".")[2] == given]
    close = ends if len(ends) == 1 else difflib.get_close_matches(given, names, n=1)
    return f"write {close[0]!r}" if close and close[0] != given else otherwise


def load_extra(module: str, what: str, extra: str) -> Any:
    """The module, which `what` needs and an extra of evalharness installs.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError:
        problem = f"{what} needs {module}, which is not installed"
        raise MissingExtra(problem, fix=f"pip install 'evalharness[{extra}]'") from None
