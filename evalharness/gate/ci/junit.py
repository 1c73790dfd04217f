"""JUnit XML with one test case per rule, for GitLab, Jenkins, Azure and GitHub's test reporters."""

import xml.etree.ElementTree as ET

from evalharness.gate.ci.printable import SHOWN_SAMPLES, named, values
from evalharness.records import GateReport, GateResult

SUITE = "evalharness.gate"


def junit(report: GateReport) -> str:
    """The report as an XML document.

    An undecided rule is a failure of type `undecided`: a skipped test is green in most CI systems, and an undecided
    rule must not be.
    """
    root = ET.Element("testsuites", {"name": SUITE, **_counts(report)})
    suite = ET.SubElement(root, "testsuite", {"name": SUITE, **_counts(report)})
    properties = ET.SubElement(suite, "properties")
    for name, value in (("verdict", report.verdict), ("baseline", report.baseline), ("candidate", report.candidate)):
        ET.SubElement(properties, "property", name=name, value=named(value))
    for result in report.results:
        _case(suite, result)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _counts(report: GateReport) -> dict[str, str]:
    failures = sum(result.verdict != "pass" for result in report.results)
    return {"tests": str(len(report.results)), "failures": str(failures), "errors": "0", "skipped": "0", "time": "0"}


def _case(suite: ET.Element, result: GateResult) -> None:
    where = f"{SUITE}.{named(result.rule.metric)}"
    case = ET.SubElement(suite, "testcase", classname=where, name=named(result.title), time="0")
    if result.verdict == "pass":
        ET.SubElement(case, "system-out").text = _text(result)
    else:
        message = f"{result.verdict}: {named(result.reason)}"
        ET.SubElement(case, "failure", type=result.verdict, message=message).text = _text(result)


def _text(result: GateResult) -> str:
    lines = [named(result.reason)]
    if result.against:
        lines.append(f"{result.headline}:")
    for sample in result.against[:SHOWN_SAMPLES]:
        before, after = values(sample)
        lines.append(f"  {named(sample.sample_id)}: {before} -> {after}")
    rest = result.n_against - len(result.against[:SHOWN_SAMPLES])
    return "\n".join([*lines, f"  and {rest:,} more"] if rest else lines)
