"""The report in Chromium: it loads nothing, complains of nothing, and everyone can read it."""

import pytest
from report_pages import FIXTURES, in_a_browser
from report_run import preferred

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

pytestmark = in_a_browser
browser, written, report, show = FIXTURES
CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b]
    .map((part) => part / 255)
    .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const found = new Set();
  for (const element of document.querySelectorAll("body *:not(svg, svg *)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(rgba(style.color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) found.add(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return [...found];
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_nothing_overflows_and_nothing_is_hard_to_read(show, report, width, scheme):
    page = show(report, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_rating_and_the_help_are_easy_to_read(show, report, scheme):
    page = show(report, 390, scheme)
    page.keyboard.press("?")
    assert page.evaluate(CONTRAST) == []
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_everything_that_can_be_in_a_report_is_easy_to_read(show, written):
    page = show(written("preferred", preferred), 768, "dark")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    assert page.evaluate(CONTRAST) == []


def test_dark_mode_is_dark(show, report):
    background = "getComputedStyle(document.body).backgroundColor"
    assert show(report, scheme="light").evaluate(background) != show(report, scheme="dark").evaluate(background)


def test_without_a_script_findings_charts_and_samples_can_be_read(show, report):
    page = show(report, script=False)
    assert page.locator(".claims li").count() == 3
    assert page.locator(".forest .strip").first.is_visible()
    assert page.locator("article.sample:visible").count() == 18
    assert page.locator("#browser").is_hidden()


def test_a_link_to_a_sample_works_without_a_script(show, report):
    page = show(report, script=False, fragment="#sample=cat-mat")
    assert page.locator('[id="sample=cat-mat"]').bounding_box()["y"] < 900


def test_the_first_tab_stop_skips_to_the_findings(show, report):
    page = show(report)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#findings")


def test_landmarks_and_one_main_heading_are_there(show, report):
    page = show(report)
    assert [page.locator(text).count() for text in ("main", "body > header", "body > footer", "h1")] == [1, 1, 1, 1]
    assert page.get_by_role("navigation").count() == 1
    assert page.get_by_role("listbox", name="Samples").count() == 1


def test_axe_finds_nothing_to_object_to(show, report):
    """Names, roles, landmarks, contrast, tables: the rules of axe-core."""
    page = show(report)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    results = axe.Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_the_printed_page_has_findings_charts_and_whole_samples(show, report):
    page = show(report)
    page.emulate_media(media="print")
    assert page.locator("article.sample:visible").count() == 18
    assert page.locator(".contents").is_hidden()
    assert page.locator("#browser").is_hidden()
    assert page.locator(".forest .strip").first.is_visible()
    assert page.locator("article.sample .completion").first.is_visible()
