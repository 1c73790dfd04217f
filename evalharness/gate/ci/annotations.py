"""GitHub's workflow commands: an annotation for each rule that did not pass.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

import re
from collections.abc import Iterator

from evalharness.gate.ci.names import named
from evalharness.records import GateReport

DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
PROPERTY = {**DATA, ":": "%3A", ",": "%2C"}
LEVEL = {"fail": "error", "undecided": "warning"}
COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\[)", re.MULTILINE)


def annotations(report: GateReport) -> Iterator[str]:
    """One line for each rule that failed (`::error`) or is undecided (`::warning`)."""
    for result in report.results:
        if result.verdict != "pass":
            title = _escaped(f"gate {result.verdict}: {named(result.rule.title)}", PROPERTY)
            yield f"::{LEVEL[result.verdict]} title={title}::{_escaped(named(result.reason), DATA)}"


def inert(text: str) -> str:
    """`text` for a log that GitHub reads, with nothing in it that would be taken for a workflow command.

    >>> inert("::stop-commands::x"), inert("a ##[error]b"), inert("a :: b")
    (': :stop-commands::x', 'a # #[error]b', 'a :: b')
    """
    return COMMAND.sub(lambda found: f"{found[0]} ", text)


def _escaped(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)
