"""The report's section on tokens, and completions as strips of tokens in the sample browser."""

import pytest
from report_run import BASE, make_run
from token_run import EVIL, with_tokens

from evalharness.records.tokens import class_of
from evalharness.report import render_html, unpack
from evalharness.report.token_strips import MOST_STRIPS, MOST_TOKENS
from evalharness.sharing.redaction import redact

RUN = with_tokens()


@pytest.fixture(scope="module")
def html():
    return render_html(RUN)


def test_the_section_is_there_only_if_the_tokens_were_read(html):
    assert 'id="tokens"' in html and RUN.tokens.sentences[0].split(" at ")[0] in html
    assert 'id="depth"' in html and "Continuations that failed: 1." in html
    plain = render_html(make_run())
    assert 'id="tokens"' not in plain and 'id="depth"' not in plain and "tokenTexts" not in unpack(plain)


def test_every_strip_has_the_classes_and_the_texts_of_its_facts(html):
    data = unpack(html)
    strips = [cell["strip"] for sample in data["samples"] for cell in sample["cells"] if "strip" in cell]
    assert len(strips) == len(RUN.token_facts) > 20
    expected = sorted(
        "".join(str(class_of(rank)) for rank in one.other.ranks[:MOST_TOKENS]) for one in RUN.token_facts.values()
    )
    assert sorted(strip["kinds"] for strip in strips) == expected
    texts = sorted(
        "".join(RUN.tokens.texts[token] for token in one.ids[:MOST_TOKENS]) for one in RUN.token_facts.values()
    )
    assert sorted("".join(data["tokenTexts"][place] for place in strip["ids"]) for strip in strips) == texts


def test_strips_are_bounded(html, monkeypatch):
    assert MOST_STRIPS == 600
    monkeypatch.setattr("evalharness.report.token_strips.MOST_STRIPS", 5)
    data = unpack(render_html(RUN))
    assert sum("strip" in cell for sample in data["samples"] for cell in sample["cells"]) == 5


def test_no_token_is_markup_and_no_hidden_character_is_left(html):
    page = html.partition('id="data"')[0]
    assert EVIL not in html and "<script>evil" not in html and "\u202e" not in page


@pytest.mark.parametrize("profile", ["harmful", "completions", "prompts"])
def test_redaction_of_texts_removes_the_tokens(profile):
    redacted = redact(RUN, [profile]).run
    assert redacted.tokens is None and not redacted.token_facts and redacted.depth is None
    assert 'id="tokens"' not in render_html(redacted)


def test_redaction_of_names_keeps_the_tokens_without_the_names():
    checkpoint = BASE.checkpoint.model_copy(update={"name": "acme-secret"})
    run = with_tokens(make_run(base=BASE.model_copy(update={"checkpoint": checkpoint})))
    assert "acme-secret" in " ".join(run.tokens.sentences)
    named = redact(run, ["identity"]).run
    assert named.tokens.shifts == run.tokens.shifts and named.depth.points == run.depth.points
    assert "acme-secret" not in render_html(named) and 'id="tokens"' in render_html(named)
