"""What CI systems read: JUnit XML, Markdown, annotations. Names are strangers' and must stay names."""

import re
import xml.etree.ElementTree as ET

import pytest
from gating import make_run, rates, rule

from evalharness.formatting import inert
from evalharness.gate import check_gate
from evalharness.gate.ci import annotations, escaped, junit, markdown

HOSTILE = [
    "]]></failure><testcase name='x'/>",
    "a|b\n| c | d |",
    "<script>alert(1)</script>",
    "::error::mine",
    "%0A::stop-commands::x",
    "##[group]x",
    "[click](javascript:alert(1))",
    "\x00\x1b[31m\u202e\ufffe\ud800",
    "@everyone `x` *y* _z_ ~~w~~ &amp; www.example.org https://example.org",
    "x" * 5_000,
]


@pytest.fixture(scope="module")
def three():
    """One rule of each verdict, and the run that it was judged on."""
    run = make_run(rates(200, 180), rates(200, 120))
    rules = [rule(), rule(kind="at_least", bound=0.6), rule(kind="at_least", bound=0.2, name="enough hits")]
    return check_gate(rules, run), run


def hostile(name):
    """A failed gate in which a stranger chose the rule's name, the checkpoints' and the samples'."""
    run = make_run(rates(120, 120), rates(120, 20))
    report = check_gate([rule(name=name)], run)
    [result] = report.results
    against = tuple(item.model_copy(update={"sample_id": name}) for item in result.against[:2])
    result = result.model_copy(update={"against": against, "n_against": 2})
    return report.model_copy(update={"results": (result,), "baseline": name, "candidate": name}), run


# ----------------------------------------------------------------------------------------------- JUnit


def assert_is_junit(text):
    """The rules of the schema that Jenkins publishes (junit-10.xsd), as far as they concern what is written here."""
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    [suite] = root
    assert suite.tag == "testsuite"
    assert {"name", "tests", "failures", "errors", "skipped", "time"} <= set(suite.attrib)
    cases = suite.findall("testcase")
    assert [element.tag for element in suite] == ["properties", *["testcase"] * len(cases)]
    assert {"name", "value"} == {key for element in suite.iter("property") for key in element.attrib}
    assert len(cases) == int(suite.attrib["tests"]) == int(root.attrib["tests"])
    assert len(suite.findall("testcase/failure")) == int(suite.attrib["failures"]) == int(root.attrib["failures"])
    for case in cases:
        assert {"name", "classname", "time"} == set(case.attrib)
        assert [element.tag for element in case] in (["failure"], ["system-out"])
        assert all({"type", "message"} == set(text.attrib) for text in case.findall("failure"))
    return cases


def test_a_rule_is_a_test_case_and_only_a_pass_is_green(three):
    report, _ = three
    failed, undecided, passed = assert_is_junit(junit(report))
    assert failed.find("failure").attrib["type"] == "fail"
    assert undecided.find("failure").attrib["type"] == "undecided"
    assert passed.find("failure") is None
    assert passed.attrib["name"] == "enough hits"


def test_the_samples_that_got_worse_are_in_the_text_with_both_values(three):
    report, _ = three
    text = assert_is_junit(junit(report))[0].find("failure").text
    assert "60 of 200 pairs got worse:" in text
    assert "  s120: 1 -> 0" in text
    assert text.rstrip().endswith("and 40 more")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_of_strangers_stay_names_in_xml(name):
    report, _ = hostile(name)
    [case] = assert_is_junit(junit(report))
    assert len(case.attrib["name"]) <= 301
    assert not set(case.attrib["name"]) & set("\x00\x1b\u202e\ufffe\n")


# -------------------------------------------------------------------------------------------- Markdown


def test_the_summary_begins_with_the_verdict_and_names_every_rule(three):
    report, run = three
    text = markdown(report, run.comparison)
    assert text.startswith("## The gate failed: 1 rule is broken.\n")
    assert text.count("| ❌ fail |") == text.count("| ❔ undecided |") == text.count("| ✅ pass |") == 1
    assert "| <code>s120</code> | 1 | 0 |" in text
    assert "| and 40 more | | |" in text
    assert re.search(r"<code>s&#46;hit</code> \| 90 % \| 60 % \| -30 points \|", text)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_of_strangers_become_no_markup_in_markdown(name):
    report, run = hostile(name)
    text = markdown(report, run.comparison)
    tags = {"code", "/code", "details", "/details", "summary", "/summary", "!-- evalharness gate --"}
    assert set(re.findall(r"<([^>]*)>", text)) <= tags
    assert not re.search(r"[`\[\]@\\]|https?:|www\.", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} <= {4, 8}


def test_every_character_that_markdown_could_take_for_markup_is_an_entity():
    assert escaped("*a* 5.2 % <b>.") == "&#42;a&#42; 5.2 % &#60;b&#62;."


# ----------------------------------------------------------------------------------------- annotations


def test_a_failed_rule_is_an_error_an_undecided_one_a_warning_and_a_pass_is_silent(three):
    report, _ = three
    error, warning = annotations(report)
    assert error.startswith("::error title=gate fail%3A s.hit no_regression 0.05::-30 points (95 %25 interval")
    assert warning.startswith("::warning title=gate undecided%3A s.hit at_least 0.6::")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_of_strangers_start_no_workflow_command(name):
    report, _ = hostile(name)
    [line] = annotations(report)
    assert "\n" not in line and "\r" not in line
    title, _, message = line.removeprefix("::error title=").partition("::")
    assert not set(title) & set(":,")
    assert message.startswith("-83.3 points")
    assert not re.search(r"^\s*::|##\[", inert(name), re.MULTILINE)
