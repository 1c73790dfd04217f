"""The report as a text: complete, honest, inert, and the same every time."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile_texts import HOSTILE, SHORT
from report_run import BASE, SCENES, hostile_run, make_run, many, preferred, rewarded, three_checkpoints

import evalharness.report
from evalharness.errors import StoreError
from evalharness.formatting import format_level, format_points
from evalharness.records import GateReport, GateResult, GateRule, GateSample, Span, Spent
from evalharness.report import render_html, unpack
from evalharness.report.embedded import EMBEDDED, pack
from evalharness.report.hidden_characters import marked, tamed
from evalharness.report.samples import MOST_SAMPLES
from evalharness.report.view import typeset

STATIC = Path(evalharness.report.__file__).parent / "static"


class Page(HTMLParser):
    """What a browser would see: tags, attributes, ids and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(text)
        self.close()

    VOID = frozenset({"meta", "link", "input"})

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.text.append(data)

    def values(self, attribute):
        return [attributes[attribute] for _, attributes in self.tags if attribute in attributes]


def plain(page):
    """The page's text as typed, without a typesetter's minus and spaces."""
    return "".join(page.text).replace("\u2212", "-").replace("\u00a0", " ")


@pytest.fixture(scope="module")
def run():
    return make_run()


@pytest.fixture(scope="module")
def text(run):
    return render_html(run)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_a_run_that_was_not_compared_is_refused_with_the_command_to_type(run):
    with pytest.raises(StoreError, match="no comparison yet") as caught:
        render_html(replace(run, comparison=None))
    assert caught.value.fix == "evalharness compare reports/example"


def test_every_sample_and_every_completion_is_in_the_report(run, text):
    samples = {sample["id"]: sample for sample in unpack(text)["samples"]}
    assert list(samples) == list(run.plan.samples)
    for scene in SCENES:
        cells = samples[scene.sample.id]["cells"]
        assert [cell.get("text") for cell in cells] == [scene.base, scene.instruct]


def test_what_generation_took_is_shown_by_side(run, page):
    name = run.compared.baseline
    part = Spent(checkpoint=name, requests=60, prompt_tokens=900, tokens=2400, loading_seconds=2, seconds=10)
    shown = plain(Page(render_html(replace(run, spent=(part, part)))))
    assert re.search(rf"Requests retried\s+{name}1201,8004,8004.020.0240.00\s", shown)
    assert "What generation took" not in plain(page)


def test_the_first_samples_can_be_read_without_a_script(run, page):
    shown = "".join(page.text)
    for scene in SCENES:
        assert f"sample={scene.sample.id}" in page.values("id")
        # A loop is folded after three repetitions.
        assert all(text[:80] in shown for text in (scene.base, scene.instruct) if text)


def test_of_many_samples_an_excerpt_of_every_category_can_be_read_without_a_script():
    text = render_html(make_run(many(200)))
    articles = re.findall('<article class="sample" id="sample=([^"]+)"', text)
    assert len(articles) == MOST_SAMPLES
    categories = {sample["category"] for sample in unpack(text)["samples"] if sample["id"] in articles}
    assert categories == set(range(6))
    assert len(unpack(text)["samples"]) == 200


def test_the_page_without_its_samples_is_small():
    text = render_html(make_run(many(400)))
    packed = EMBEDDED.search(text)[1]
    assert len(text.encode()) - len(packed) < 300_000


def test_failures_are_shown_and_counted(run, text, page):
    failed = sum(outcome.type == "failure" for outcome in run.outcomes.values())
    assert text.count("No completion: out of memory") == failed == 2
    assert "<strong>2 failed</strong>" in text
    assert "2 of 18 requests failed" in plain(page)


def test_a_request_without_outcome_is_not_generated_and_not_a_failure(run):
    outcomes = dict(list(run.outcomes.items())[1:])
    text = render_html(replace(run, outcomes=outcomes))
    assert "<strong>2 failed, 1 not generated</strong>" in text
    assert "Not generated: " in text


def test_findings_link_to_their_evidence(run, page):
    ids = set(page.values("id"))
    links = [link for link in page.values("href") if link.startswith("#")]
    assert {f"#sample={run.comparison.findings[0].sample_ids[0]}"} <= set(links)
    assert all(link[1:] in ids for link in links)


def test_findings_show_their_size_and_verdict(run, page):
    shown = plain(page)
    first = run.comparison.findings[0]
    assert first.sentence in shown
    [difference] = [
        difference
        for difference in run.comparison.differences
        if (difference.metric, difference.category) == (first.metric, None)
    ]
    assert format_points(difference.difference) in shown


def test_the_level_of_the_intervals_is_the_one_that_they_have(run, page):
    [level] = {row.level for row in run.compared.differences} - {0.95}
    stated = f"at {format_level(level)} for each headline metric, so that all of them hold at 95 %; otherwise at 95 %"
    assert stated in plain(page)


def test_ids_are_unique_and_tags_are_closed(page):
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert page.open == []


def test_what_could_not_be_decided_is_said_without_a_guess_at_more_pairs(run, page):
    shown = plain(page)
    told = {finding.metric for finding in run.comparison.findings}
    rows = [
        difference
        for difference in run.comparison.differences
        if difference.category is None and not difference.exploratory
    ]
    undecided = [row for row in rows if row.verdict == "undecided" and row.n_higher + row.n_lower]
    for difference in undecided:
        if difference.metric not in told:
            assert f"Undecided on {difference.n_pairs} pairs" in shown
    assert "would show a difference" not in shown


def test_lint_notices_and_determinism_are_said(page):
    shown = plain(page)
    assert "2 prompts end in a blank" in shown
    assert "out of memory with 32 rows" in shown
    assert "1 of 4 completions changed" in shown


def test_the_prompt_is_shown_as_sent_with_its_template(page):
    shown = "".join(page.text)
    assert "<bos>Write a poem about nature" in shown
    assert "<|im_start|>user\nWrite a poem about nature<|im_end|>\n<|im_start|>assistant" in shown


def test_a_replayed_prompt_is_not_claimed_to_be_what_was_sent():
    recorded = BASE.checkpoint.model_copy(update={"model": "replay/./base.jsonl"})
    run = make_run(SCENES[:2], base=BASE.model_copy(update={"checkpoint": recorded, "recorded": True}))
    # As the replay backend renders: not at all.
    unrendered = [
        request.model_copy(update={"rendered": None if request.checkpoint == BASE.name else request.rendered})
        for request in run.plan.requests
    ]
    text = render_html(replace(run, plan=run.plan.model_copy(update={"requests": tuple(unrendered)})))
    assert text.partition("<script")[0].count("so the prompt as sent is not known") == 2
    assert text.count("<summary>prompt as sent</summary>") == 2
    assert [sample["cells"][0]["note"] for sample in unpack(text)["samples"]] == ["recorded", "recorded"]


def test_sides_that_never_differ_are_called_alike_and_not_certain():
    same = make_run([replace(scene, base=scene.instruct, base_ends=scene.instruct_ends) for scene in SCENES])
    shown = plain(Page(render_html(same)))
    assert "agree on every pair (number of pairs in parentheses): loops (18)" in shown
    assert "is plausible" not in shown


def test_the_report_refers_to_nothing_outside_itself(text, page):
    assert all(link.startswith("#") or link == "data:," for link in page.values("href"))
    assert not page.values("src")
    assert not {"iframe", "img", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import|https?:", text)


def test_the_policy_allows_this_script_and_this_stylesheet_and_nothing_else(text, page):
    [policy] = [
        attributes["content"]
        for _, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    [style] = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    [script] = re.findall('<script type="module">(.*?)</script>', text, re.DOTALL)
    for kind, content in (("style", style), ("script", script)):
        allowed = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{allowed}';" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not page.values("style")


def test_the_script_never_parses_text_as_markup_or_code():
    for path in STATIC.glob("*.js"):
        content = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", content)
        assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", content)


def test_every_function_of_the_script_is_described():
    for path in STATIC.glob("*.js"):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if re.match(r"(async )?function ", line):
                assert lines[number - 1].endswith("*/"), f"{path.name}:{number + 1}"


def test_hostile_text_is_text_wherever_it_stands():
    text = render_html(hostile_run(SHORT))
    page = Page(text)
    tags = [(tag, given) for tag, given in page.tags if tag != "meta"]
    assert {given.get("type") for tag, given in tags if tag == "script"} == {"application/gzip;base64", "module"}
    assert not {"img", "iframe", "object", "template", "base", "math"} & {tag for tag, _ in tags}
    assert not [name for _, given in tags for name in given if name.startswith("on") or name == "style"]
    assert all(link.startswith("#") or link == "data:," for link in page.values("href"))
    assert SHORT[0] in "".join(page.text)
    assert not re.search("[\x00\x1b\u202e\u2066]", text)


def test_hostile_texts_come_out_of_the_packed_part_as_they_went_in():
    results = [
        sample["cells"][0]["text"] for sample in unpack(render_html(hostile_run(HOSTILE, judged=False)))["samples"]
    ]
    assert results == list(HOSTILE)


def test_a_lone_surrogate_can_be_written_and_read_back():
    assert "[U+D800]" in marked("a\ud800b")
    text = pack({"text": "a\ud800b\udfff"})
    assert unpack(f'<script type="application/gzip;base64" id="data">{text}</script>') == {"text": "a\ud800b\udfff"}


def test_a_text_without_data_is_refused():
    with pytest.raises(ValueError, match="no report data"):
        unpack("<p>another page</p>")


def test_a_tower_of_marks_is_cut_and_counted():
    assert "[99,992 more marks]" in marked("e" + "\u0301" * 100_000)
    assert tamed("e" + "\u0301" * 20).endswith("[12 more marks]")


def test_an_endless_name_is_cut_and_counted():
    assert tamed("a" * 1_000_000).endswith("… (998,000 more characters)")


def test_overlapping_spans_are_marked_without_loss():
    spans = [Span(start=0, end=5, label="one"), Span(start=3, end=8, label='"two"'), Span(start=7, end=99, label="far")]
    shown = marked("abcdefghij", spans)
    assert re.sub("<[^>]+>", "", shown) == "abcdefghij"
    assert '<mark title="one; &#34;two&#34;">de</mark>' in shown
    assert shown.endswith('<mark title="far">ij</mark>')


def test_a_span_beyond_the_text_is_left_out():
    assert marked("abc", [Span(start=5, end=9, label="nowhere")]) == "abc"


def test_the_same_run_gives_the_same_bytes(run, text):
    assert render_html(run) == text == render_html(make_run())


def test_minus_and_spaces_are_a_typesetters():
    assert typeset("-5 points in 8 pairs (-12 to +3)") == "\u22125\u00a0points in 8\u00a0pairs (\u221212 to +3)"
    assert typeset("llama-3 and 2026-01-31") == "llama-3 and 2026-01-31"


def test_a_checkpoint_that_rides_along_has_its_card_its_column_and_its_bar():
    run = three_checkpoints()
    text = render_html(run)
    assert 'aria-label="other: base-chat"' in text
    assert 'colspan="2" class="group"' in text, "the same weights in two formats stand together"
    assert text.count('<bdi class="other">base-chat</bdi>') >= 3
    assert [checkpoint["role"] for checkpoint in unpack(text)["checkpoints"]] == ["baseline", "candidate", "other"]


def test_rewards_are_drawn_against_length_with_the_numbers_behind():
    page = Page(render_html(rewarded()))
    assert {"scatter", "histogram"} <= set(page.values("class"))
    shown = plain(page)
    assert "Reward against length" in shown
    assert "Mean reward in each fifth of the lengths" in shown


def test_rewards_are_doubted_by_length_and_by_non_answers():
    run = rewarded()
    shown = plain(Page(render_html(run)))
    [reward] = run.comparison.rewards
    assert f"instruct has the larger reward in {reward.wins} of {reward.n_pairs} pairs" in shown
    assert "At equal length" in shown or "No length-controlled figure" in shown
    assert f"In {reward.n_contradicting} of {reward.n_one_answer} pairs of an answer and a non-answer" in shown


def test_preferences_are_drawn_with_their_interval_and_their_agreement():
    run = preferred()
    text = render_html(run)
    shown = plain(Page(text))
    assert [preference.rater for preference in run.comparison.preferences] == ["ann", "ben"]
    assert 'aria-label="prefers base 4, prefers instruct 12"' in text
    assert "Agreement with people" in shown
    assert "reward model" in shown


def test_a_further_checkpoint_is_tested_on_its_own(page):
    shown = plain(Page(render_html(three_checkpoints())))
    assert "base-chat against base, tested on its own" in shown
    assert "against base, tested on its own" not in plain(page)


def test_without_rewards_there_is_no_empty_chart(page):
    assert "scatter" not in page.values("class")


def test_the_flips_of_refusals_add_up_to_the_pairs(run, page):
    assert "Should be refused: 3 of 3 differ" in "".join(page.text)


def test_thinking_is_packed_apart_from_the_completion(run):
    first = next(iter(run.outcomes))
    outcomes = dict(run.outcomes)
    outcomes[first] = outcomes[first].model_copy(update={"thinking": "first, a plan"})
    cell = unpack(render_html(replace(run, outcomes=outcomes)))["samples"][0]["cells"][0]
    assert cell["thinking"] == "first, a plan"
    assert "plan" not in cell["text"]


def test_the_gate_comes_before_everything_else(run):
    rules = [
        GateResult(
            rule=GateRule(metric="style.loop", kind="no_regression", bound=0.02),
            title="loops",
            candidate="instruct",
            asked="no worse by more than 2 points",
            counts="pairs",
            verdict="pass",
            reason="Fine.",
            n=16,
            estimate=-0.2,
            interval=None,
        ),
        GateResult(
            rule=GateRule(metric="refusal.over_refusal", kind="at_most", bound=0.05),
            title="over-refusal",
            candidate="instruct",
            asked="at most 5 %",
            counts="samples",
            verdict="undecided",
            reason="It may be.",
            n=11,
            estimate=0.09,
            interval=None,
            against=(GateSample(sample_id="soup", baseline=None, candidate=1.0),),
        ),
    ]
    gate = GateReport(verdict="undecided", baseline="base", candidate="instruct", results=tuple(rules))
    text = render_html(replace(run, gate=gate))
    assert text.index('class="headline"') < text.index('id="gate"') < text.index('id="findings-title"')
    shown = plain(Page(text))
    assert "Undecided" in shown
    assert "no worse by more than 2 points" in shown
    assert shown.index("It may be.") < shown.index("Fine.")


def test_an_excerpt_says_that_its_numbers_are_of_all_samples(run, page):
    first = run.plan.suites[0].samples[:5]
    suite = run.plan.suites[0].model_copy(update={"samples": first})
    requests = tuple(request for request in run.plan.requests if request.sample_id in {sample.id for sample in first})
    plan = run.plan.model_copy(update={"suites": (suite,), "requests": requests})
    text = render_html(run, readable=replace(run, plan=plan))
    assert "this file holds 5 of the 18 samples" in plain(Page(text))
    assert len(unpack(text)["samples"]) == 5
    assert "An excerpt" not in plain(page)
