"""GitHub's workflow commands: an annotation for each rule that did not pass.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from collections.abc import Iterator

from evalharness.gate.ci.printable import named
from evalharness.records import GateReport

DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
PROPERTY = {**DATA, ":": "%3A", ",": "%2C"}
LEVEL = {"fail": "error", "undecided": "warning"}


def annotations(report: GateReport) -> Iterator[str]:
    """One line for each rule that failed (`::error`) or is undecided (`::warning`)."""
    for result in report.results:
        if result.verdict != "pass":
            title = _escaped(f"gate {result.verdict}: {named(result.title)}", PROPERTY)
            yield f"::{LEVEL[result.verdict]} title={title}::{_escaped(named(result.reason), DATA)}"


def _escaped(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)
