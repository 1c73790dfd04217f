"""What each backend has on this machine, looked at without loading the backend: for `list models`, `init` and `doctor`.

A survey is a class in `SURVEYS`, or an entry point of another package with the name of its backend.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from evalharness import plugins
from evalharness.errors import BackendError, EvalHarnessError
from evalharness.records import Record, Variant

Report = Callable[[EvalHarnessError], None]
"""Gets the reason where a place cannot be looked at."""


class LocalModel(Record):
    """A model that can be named in a configuration."""

    model: str
    variant: Variant | None
    """As its name suggests; None if the name gives no hint."""
    evidence: str
    size_bytes: int | None = None
    quantization: str | None = None
    context_length: int | None = None
    template: str | None = None
    """`own`, or `none`, where a server would use its own; None where it was not looked at."""
    system_prompt: bool | None = None
    """Whether the model brings one; None where it was not looked at."""
    digest: str | None = None
    """What identifies it to its server, as the server's own list shows it."""
    served: bool = Field(False, exclude=True)
    """Whether a server has it, so that it was chosen on purpose: `init` writes such models first."""


class Check(Record):
    """Something on this machine that a run needs."""

    name: str
    status: Literal["ok", "missing", "note"]
    found: str
    fix: str = ""


class Survey(Protocol):
    """What a backend has on this machine. It must not need the packages that the backend needs."""

    example: tuple[LocalModel, LocalModel] | None
    """A base and an instruct model for a configuration where no model is at hand."""

    def models(self, report: Report) -> list[LocalModel]:
        """The models that a configuration could name."""

    def checks(self) -> list[Check]:
        """What `doctor` says of this backend."""


GROUP = "evalharness.surveys"
SURVEYS = {
    "ollama": "evalharness.backends.ollama_survey:OllamaSurvey",
    "server": "evalharness.backends.server_survey:ServerSurvey",
    "hf": "evalharness.backends.hf_survey:HfSurvey",
    "demo": "evalharness.backends.demo_survey:DemoSurvey",
}


def surveys(report: Report) -> Iterator[Survey]:
    """The surveys of all backends, our own first; one that cannot be imported is reported and left out."""
    for name in plugins.names(GROUP, SURVEYS):
        try:
            yield plugins.load(GROUP, SURVEYS, name, BackendError)()
        except BackendError as error:
            report(error)


def free_memory() -> int | None:
    """Memory available to a program, in bytes; on Linux the page cache counts as free. None where the system does
    not say.
    """
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    with suppress(ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    return None


def local_models(report: Report = lambda _: None) -> list[LocalModel]:
    """The models that each backend has on this machine."""
    return [model for survey in surveys(report) for model in survey.models(report)]
