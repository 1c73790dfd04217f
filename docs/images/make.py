"""The pictures in this folder, made from a report: `python docs/images/make.py reports/example/report.html`."""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent
DESKTOP, PHONE = (1280, 900), (390, 844)


def overview(page: Page) -> None:
    """The first screen, as it is."""


def samples(page: Page) -> None:
    """One sample side by side, with its prompt as sent."""
    page.locator("#sample .side-candidate .fine summary").first.click()
    page.evaluate("document.getElementById('panel').scrollIntoView()")


def rating(page: Page) -> None:
    """The second pair of a blind rating."""
    page.keyboard.press("r")
    page.fill("#rater", "ann")
    page.keyboard.press("Enter")
    page.keyboard.press("a")


def endings(page: Page) -> None:
    """The colours of the endings as a reader with deuteranopia sees them."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setEmulatedVisionDeficiency", {"type": "deuteranopia"})
    page.evaluate("document.getElementById('states').scrollIntoView()")


def printed(page: Page) -> None:
    """The first printed page."""
    page.emulate_media(media="print")


PICTURES = {
    "report-light": (overview, DESKTOP, "light"),
    "report-dark": (overview, DESKTOP, "dark"),
    "report-phone": (overview, PHONE, "light"),
    "report-samples": (samples, DESKTOP, "light"),
    "report-rating": (rating, DESKTOP, "dark"),
    "report-deuteranopia": (endings, DESKTOP, "light"),
    "report-print": (printed, (794, 1123), "light"),
}


def main() -> None:
    """Write every picture of one report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--sample", default="", help="id of the sample to show")
    given = parser.parse_args()
    fragment = f"#sample={given.sample}" if given.sample else ""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (prepare, (width, height), scheme) in PICTURES.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(given.report.resolve().as_uri() + (fragment if prepare is samples else ""))
            page.wait_for_selector("html[data-ready]", state="attached")
            prepare(page)
            page.screenshot(path=FOLDER / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
