"""The report in Chromium: nothing is loaded, nothing complains, nothing overflows, and it can be read."""

import shutil

import pytest
from report_run import make_run, many
from test_report import hostile_run

from evalharness.report import render_html

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
]
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
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


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(make_run()), encoding="utf-8")
    return path


@pytest.fixture
def show(browser):
    """Opens a file; fails the test on any console message, page error or request besides the file."""
    seen = []

    def open_page(path, width=1440, scheme="light", fragment=""):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: seen.append(f"dialog: {dialog.message}"))
        address = path.as_uri()
        page.on("request", lambda request: request.url in (address, "data:,") or seen.append(f"request: {request.url}"))
        page.goto(address + fragment)
        return page

    yield open_page
    for context in browser.contexts:
        context.close()
    assert seen == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_nothing_overflows_and_nothing_is_hard_to_read(show, report, width, scheme):
    page = show(report, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []


def test_dark_mode_is_dark(show, report):
    background = "getComputedStyle(document.body).backgroundColor"
    assert show(report, scheme="light").evaluate(background) != show(report, scheme="dark").evaluate(background)


def test_the_filter_works_without_a_script(show, report):
    page = show(report)
    everything = page.locator(".sample:visible").count()
    page.check("#show-differ")
    differing = page.locator(".sample:visible").count()
    page.check("#show-all")
    assert 0 < differing < everything == page.locator(".sample:visible").count()


def test_a_link_to_a_sample_shows_it_even_when_it_is_filtered_out(show, report):
    page = show(report, fragment="#sample-cat-mat")
    page.check("#show-troubled")
    assert page.locator("#sample-cat-mat").is_visible()


def test_a_long_completion_opens_and_a_keyboard_can_do_it(show, report):
    page = show(report)
    long = page.locator("#sample-soup .completion.long")
    before = long.bounding_box()["height"]
    page.locator("#sample-soup .more summary").focus()
    page.keyboard.press("Enter")
    assert long.bounding_box()["height"] > before


def test_the_first_tab_stop_skips_to_the_findings(show, report):
    page = show(report)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#findings")


def test_landmarks_and_one_main_heading_are_there(show, report):
    page = show(report)
    assert [page.locator(one).count() for one in ("main", "body > header", "body > footer", "h1")] == [1, 1, 1, 1]
    assert page.get_by_role("navigation").count() == 2


def test_the_printed_page_has_every_completion(show, report):
    page = show(report)
    page.emulate_media(media="print")
    assert page.locator(".sample:visible").count() == 18
    assert page.locator(".contents").is_hidden()
    heights = page.evaluate("[...document.querySelectorAll('.long')].map(one => [one.clientHeight, one.scrollHeight])")
    assert all(shown == full for shown, full in heights)


@pytest.mark.parametrize("width", [390, 1440])
def test_hostile_text_does_nothing_in_a_browser(show, tmp_path, width):
    path = tmp_path / "report.html"
    path.write_text(render_html(hostile_run()), encoding="utf-8")
    page = show(path, width)
    page.mouse.move(200, 400)
    assert page.locator(".sample").count() == 4
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_thousand_samples_can_be_read(show, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render_html(make_run(many(1_000))), encoding="utf-8")
    page = show(path, fragment="#sample-old-house-989")
    page.locator("#sample-old-house-989").wait_for(state="visible")
