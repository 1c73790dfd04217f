"""Everything that can go wrong and that the user can mend.

    EvalHarnessError
    ├── ConfigError            evalharness.toml or a flag says something that cannot be done
    ├── SuiteError             a suite on disk is not valid
    ├── PromptFormatError      a checkpoint cannot be prompted as asked
    ├── StoreError             a run directory cannot be read or written
    │   ├── RunInUse           another process is writing to it
    │   └── FormatVersionError it was written by another version of evalharness
    ├── BackendError           a checkpoint cannot be loaded or reached
    │   ├── MissingExtra       an optional dependency is not installed
    │   ├── UnknownModel       no such model, folder or file
    │   └── UnsafeCheckpoint   loading it would execute code from the checkpoint
    ├── ScorerError            no such scorer, or it cannot be set up
    └── SharingError           ratings, an export or a redacted report cannot be read, made or passed on

Every error has a problem (what is wrong, naming the file, line or flag) and a fix (what to type or change).
What fails for one sample is never raised past its stage: it becomes a `Failure` or a `failed` `Score`.
"""

LONGEST_LINE = 600
"""Characters of a line of a message; more is a value from a file that was quoted whole."""


class EvalHarnessError(Exception):
    """The root of the tree; the command line prints it as one sentence and the fix, and ends with 2."""

    def __init__(self, problem: str, *, fix: str) -> None:
        self.problem = _shortened(problem)
        self.fix = _shortened(fix)
        super().__init__(self.problem)


def _shortened(message: str) -> str:
    """The message with the middle of every overlong line left out."""
    lines = message.split("\n")
    half = LONGEST_LINE // 2
    return "\n".join(line if len(line) <= LONGEST_LINE else f"{line[:half]} [...] {line[-half:]}" for line in lines)


class ConfigError(EvalHarnessError):
    """The configuration file or a flag asks for something that cannot be done."""


class SuiteError(EvalHarnessError):
    """A suite on disk is missing or not valid; the message names the file and the line."""


class PromptFormatError(EvalHarnessError):
    """A checkpoint cannot be prompted as asked, or `auto` has no safe answer."""


class StoreError(EvalHarnessError):
    """A run directory cannot be read or written; what was written before stays intact."""


class RunInUse(StoreError):
    """Another process is writing to this run directory."""


class FormatVersionError(StoreError):
    """The run directory was written in a format that this version does not read."""


class BackendError(EvalHarnessError):
    """A checkpoint cannot be loaded or reached."""


class MissingExtra(BackendError):
    """An optional dependency is not installed; the fix is the install command."""


class UnknownModel(BackendError):
    """There is no such model, folder or file."""


class UnsafeCheckpoint(BackendError):
    """Loading the checkpoint would execute code it carries (a pickle file, or custom modelling code)."""


class ScorerError(EvalHarnessError):
    """There is no such scorer, or it cannot be set up."""


class SharingError(EvalHarnessError):
    """Ratings cannot be read, an export cannot be made, or a redacted report still holds what was to be removed."""
