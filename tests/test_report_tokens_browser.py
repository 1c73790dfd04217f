"""Completions as strips of tokens in the sample browser."""

from report_pages import FIXTURES, in_a_browser
from token_run import with_tokens

pytestmark = in_a_browser
browser, written, report, show = FIXTURES
STYLE = "one => { const s = getComputedStyle(one); return s.textDecorationLine + s.textDecorationStyle; }"


def test_tokens_show_what_the_other_checkpoint_expects_on_hover_focus_and_tap(show, written):
    page = show(written("tokens", with_tokens))
    page.click("#as-tokens")
    shifted = page.locator("#panel .tok.t2")
    facts = page.locator("#panel .token-facts")
    assert "Point at a token" in facts.first.inner_text()
    for act in (shifted.first.hover, shifted.nth(1).focus, shifted.nth(2).click):
        act()
        said = " ".join(facts.all_inner_texts())
        assert "below its third choice (rank " in said and "expects" in said and " 50.0\u00a0%" in said
    page.locator("#panel .tok.t0").first.hover()
    assert "first choice" in " ".join(facts.all_inner_texts())
    page.click("#as-tokens")
    assert page.locator("#panel .tok").count() == 0


def test_what_is_said_of_a_token_is_in_view_on_a_phone(show, written):
    page = show(written("tokens", with_tokens), 390)
    page.set_viewport_size({"width": 390, "height": 260})
    page.locator("#as-tokens").click()
    cell = page.locator("#panel .completion:has(.tok)").first
    cell.evaluate("one => { one.style.paddingBottom = '40rem'; one.scrollIntoView(); scrollBy(0, -60); }")
    cell.locator(".tok").first.click()
    said = page.locator("#panel .token-facts").filter(has_text="expects").bounding_box()
    assert said["y"] + said["height"] <= 261


def test_the_classes_differ_in_more_than_colour(show, written):
    page = show(written("tokens", with_tokens))
    styles = [page.locator(f"#tokens .hint .tok.t{kind}").evaluate(STYLE) for kind in range(3)]
    assert "dotted" in styles[1] and "solid" in styles[2] and "underline" not in styles[0]


def test_a_page_without_tokens_offers_none(show, report):
    assert not show(report).locator("#as-tokens").is_visible()
