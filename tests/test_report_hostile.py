"""Hostile texts in Chromium: nothing runs, nothing is loaded, the page stays usable, and the text is shown as text."""

import pytest
from hostile_texts import CHOKING, SHORT
from report_pages import FIXTURES, in_a_browser, rows
from report_run import hostile_run

from evalharness.report.hidden_characters import tamed

pytestmark = in_a_browser
browser, written, report, show = FIXTURES


def step_through(page, count):
    """Every sample once; the text that each completion shows."""
    return page.evaluate(
        """
        (count) => Array.from({ length: count }, () => {
          const text = document.querySelector("#sample .completion").textContent;
          dispatchEvent(new KeyboardEvent("keydown", { key: "j" }));
          return text;
        })
        """,
        count,
    )


@pytest.mark.parametrize("width", [390, 1440])
def test_hostile_texts_are_shown_as_text_and_do_nothing(show, written, width):
    page = show(written("hostile", lambda: hostile_run(SHORT)), width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert step_through(page, len(SHORT)) == [tamed(text) for text in SHORT]
    page.mouse.move(200, 400)
    page.locator("#sample summary").first.click()
    assert page.evaluate("[window.evilRan, ...window.violations]") == [None]
    assert page.evaluate("Object.keys(Object.prototype)") == []


def test_links_to_hostile_ids_work(show, written):
    path = written("hostile", lambda: hostile_run(SHORT))
    page = show(path)
    for number in (0, 20, 100, 150, 200):
        page.evaluate("(at) => { document.querySelector('#list').scrollTop = at * 76; }", number)
        page.locator(f"#row-{number}").click()
        other = show(path, fragment="#" + page.url.partition("#")[2])
        assert other.locator("#place").inner_text() == f"{number + 1} of {len(SHORT)}"
        other.close()


def test_texts_that_choke_leave_the_page_usable(show, written):
    page = show(written("choking", lambda: hostile_run(CHOKING, judged=False)))
    page.set_default_timeout(10_000)
    for number in range(len(CHOKING)):
        assert page.locator("#place").inner_text() == f"{number + 1} of {len(CHOKING)}"
        assert page.locator("#panel").bounding_box()["height"] < 60_000
        page.keyboard.press("d")
        page.keyboard.press("d")
        page.keyboard.press("j")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    page.fill("#filter-text", "aaaa")
    assert rows(page) == "1 of 12 samples"


def test_a_long_text_is_shown_in_parts(show, written):
    page = show(written("choking", lambda: hostile_run(CHOKING, judged=False)))
    shown = page.locator("#sample .completion").first
    before = len(shown.inner_text())
    shown.get_by_role("button").click()
    assert before < 25_000 < 110_000 < len(shown.inner_text())
