"""The report as a text: complete, honest, inert, and the same every time."""

import base64
import hashlib
import html
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from report_run import BASE, INSTRUCT, SCENES, make_run, many

from evalharness.errors import StoreError
from evalharness.records import Message, Span
from evalharness.report import render_html
from evalharness.report.samples import anchors
from evalharness.report.visible import marked
from evalharness.text import visible

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>"
    "</style></pre></article>{{ 7 * 7 }}<!-- \u202eevil\u2066 \x00\x1b[31m <a href='javascript:alert(4)'>x</a>"
    "\" onmouseover=alert(5) ' \ud800 &lt; &#x202e;"
)
WITHOUT_SURROGATE = HOSTILE.replace("\ud800", "")


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


@pytest.fixture(scope="module")
def run():
    return make_run()


@pytest.fixture(scope="module")
def text(run):
    return render_html(run)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def hostile_run():
    sample = SCENES[0].sample.model_copy(
        update={
            "id": WITHOUT_SURROGATE,
            "category": WITHOUT_SURROGATE,
            "messages": (Message(role="user", content=WITHOUT_SURROGATE),),
        }
    )
    named = INSTRUCT.checkpoint.model_copy(update={"name": WITHOUT_SURROGATE, "model": f"hf/{WITHOUT_SURROGATE}"})
    return make_run(
        (replace(SCENES[0], sample=sample, base=WITHOUT_SURROGATE, instruct=WITHOUT_SURROGATE), *SCENES[1:4]),
        instruct=INSTRUCT.model_copy(update={"checkpoint": named, "notes": (WITHOUT_SURROGATE,)}),
    )


def test_a_run_that_was_not_compared_is_refused_with_the_command_to_type(run):
    with pytest.raises(StoreError, match="not been compared") as caught:
        render_html(replace(run, comparison=None))
    assert caught.value.fix == "evalharness compare reports/example"


def test_every_sample_and_every_completion_is_in_the_report(run, text, page):
    shown = html.unescape(re.sub("<[^>]+>", "", text))
    for sample in run.plan.samples.values():
        assert f"sample-{sample.id}" in page.values("id")
    for scene in SCENES:
        assert all(completion in shown for completion in (scene.base, scene.instruct) if completion)


def test_failures_are_shown_and_counted(run, text, page):
    failed = sum(outcome.type == "failure" for outcome in run.outcomes.values())
    assert text.count("No completion: out of memory") == failed == 2
    assert "<strong>2 failed</strong>" in text
    assert "2 of 18 requests failed" in "".join(page.text)


def test_a_request_without_outcome_is_not_generated_and_not_a_failure(run):
    outcomes = dict(list(run.outcomes.items())[1:])
    text = render_html(replace(run, outcomes=outcomes))
    assert "<strong>1 not generated</strong>" in text
    assert "Not generated yet" in text


def test_findings_link_to_their_evidence(run, page):
    ids = set(page.values("id"))
    links = [link for link in page.values("href") if link.startswith("#")]
    assert {f"#sample-{run.comparison.findings[0].sample_ids[0]}"} <= set(links)
    assert all(link[1:] in ids for link in links)


def test_ids_are_unique_and_tags_are_closed(page):
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert page.open == []


def test_what_could_not_be_decided_says_how_many_pairs_it_would_need(run, page):
    shown = "".join(page.text)
    told = {finding.metric for finding in run.comparison.findings}
    for difference in run.comparison.differences:
        open_question = difference.verdict in ("no difference shown", "too few pairs") and not difference.exploratory
        if difference.category is None and open_question and difference.pairs_needed and difference.metric not in told:
            assert f"About {difference.pairs_needed} pairs" in shown


def test_lint_notices_and_determinism_are_said(page):
    shown = "".join(page.text)
    assert "2 prompts end in a blank" in shown
    assert "out of memory with 32 rows" in shown
    assert "1 of 4 completions changed" in shown


def test_the_prompt_is_shown_as_sent_with_its_template(page):
    shown = "".join(page.text)
    assert "<bos>Write a poem about nature" in shown
    assert "<|im_start|>user\nWrite a poem about nature<|im_end|>\n<|im_start|>assistant" in shown


def test_a_replayed_prompt_is_not_claimed_to_be_what_was_sent():
    recorded = BASE.checkpoint.model_copy(update={"model": "replay/./base.jsonl"})
    text = render_html(make_run(SCENES[:2], base=BASE.model_copy(update={"checkpoint": recorded})))
    assert text.count("what was sent there is not known") == 2
    assert text.count('<p class="label">Prompt as sent</p>') == 2


def test_sides_that_never_differ_are_called_alike_and_not_certain():
    same = make_run([replace(one, base=one.instruct, base_ends=one.instruct_ends) for one in SCENES])
    shown = "".join(Page(render_html(same)).text)
    assert "alike on all 18 pairs" in shown
    assert "is plausible" not in shown


def test_the_report_refers_to_nothing_outside_itself(text, page):
    assert all(link.startswith("#") or link == "data:," for link in page.values("href"))
    assert not page.values("src")
    assert not {"script", "iframe", "img", "object", "form", "base"} & {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import|https?:", text)


def test_the_policy_allows_this_stylesheet_and_nothing_else(text, page):
    [policy] = [
        attributes["content"]
        for _, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    [style] = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{allowed}'" in policy
    assert policy.startswith("default-src 'none'")
    assert not page.values("style")


def test_hostile_text_is_text_wherever_it_stands():
    text = render_html(hostile_run())
    page = Page(text)
    assert not {"script", "img", "a"} & {tag for tag, given in page.tags if given.keys() - {"href", "class"}}
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not [name for _, given in page.tags for name in given if name.startswith("on")]
    assert all(link.startswith("#") or link == "data:," for link in page.values("href"))
    assert "{{ 7 * 7 }}" in "".join(page.text)
    assert not re.search("[\x00\x1b\u202e\u2066]", text)


def test_a_lone_surrogate_can_be_written_to_a_file():
    assert "[U+D800]" in marked(HOSTILE)
    marked(HOSTILE).encode()
    visible(HOSTILE).encode()


def test_overlapping_spans_are_marked_without_loss():
    spans = [Span(start=0, end=5, label="one"), Span(start=3, end=8, label='"two"'), Span(start=7, end=99, label="far")]
    shown = marked("abcdefghij", spans)
    assert re.sub("<[^>]+>", "", shown) == "abcdefghij"
    assert '<mark title="one; &#34;two&#34;">de</mark>' in shown
    assert shown.endswith('<mark title="far">ij</mark>')


def test_a_span_beyond_the_text_is_left_out():
    assert marked("abc", [Span(start=5, end=9, label="nowhere")]) == "abc"


def test_ids_that_look_alike_get_links_of_their_own():
    assert len(set(anchors(["a b", "a-b", "a/b", "", "<>"], "sample").values())) == 5


def test_the_same_run_gives_the_same_bytes(run, text):
    assert render_html(run) == text == render_html(make_run())


def test_a_checkpoint_that_rides_along_has_its_own_column(run):
    third = BASE.model_copy(update={"checkpoint": BASE.checkpoint.model_copy(update={"name": "third"})})
    plan = run.plan.model_copy(update={"checkpoints": (*run.plan.checkpoints, third)})
    assert 'aria-label="other: third"' in render_html(replace(run, plan=plan))


def test_a_thousand_samples_are_drawn_within_seconds():
    big = make_run(many(1_000))
    start = time.process_time()
    text = render_html(big)
    # A generous bound for slow machines; the benchmark has the figure.
    assert time.process_time() - start < 5
    assert len(re.findall('<article class="sample', text)) == 1_000
