"""Opens reports in Chromium for the tests that look at them there."""

import shutil
from collections import Counter

import pytest
from report_run import make_run

from evalharness.report import render_html

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = shutil.which("chromium")
in_a_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
]
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Writes a run's report once and gives its path."""
    folder, paths = tmp_path_factory.mktemp("report"), {}

    def write(name, run):
        if name not in paths:
            paths[name] = folder / f"{name}.html"
            paths[name].write_text(render_html(run()), encoding="utf-8")
        return paths[name]

    return write


@pytest.fixture(scope="module")
def report(written):
    return written("garden", make_run)


LISTEN = """
window.evil = () => { window.evilRan = true; };
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


RAN, CALLS, WATCHED = set(), Counter(), []
"""Tests that opened a page; how often each function of the script was called; pages whose calls are not counted yet."""


def watch_calls(page, address):
    """Have Chromium count the calls of every function of the page's own script."""
    session = page.context.new_cdp_session(page)
    session.send("Profiler.enable")
    session.send("Profiler.startPreciseCoverage", {"callCount": True, "detailed": False})
    WATCHED.append((page, session, address))


def count_calls():
    """Add up the calls on all pages that are open."""
    while WATCHED:
        page, session, address = WATCHED.pop()
        if page.is_closed():
            continue
        scripts = session.send("Profiler.takePreciseCoverage")["result"]
        for function in (
            function_coverage
            for script in scripts
            if script["url"].startswith(address)
            for function_coverage in script["functions"]
        ):
            [whole] = function["ranges"]
            CALLS[whole["startOffset"], whole["endOffset"]] += whole["count"]


@pytest.fixture
def show(browser, request):
    """Opens a file; fails the test on any console message, page error or request besides the file."""
    seen = []
    RAN.add(request.node.name)

    def open_page(path, width=1440, scheme="light", fragment="", script=True):
        page = browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=script,
            accept_downloads=True,
        )
        page.add_init_script(LISTEN)
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: seen.append(f"dialog: {dialog.message}"))
        address = path.as_uri()
        page.on("request", lambda request: is_own(request.url, address) or seen.append(f"request: {request.url}"))
        if script:
            watch_calls(page, address)
        page.goto(address + fragment)
        if script:
            page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield open_page
    count_calls()
    for context in browser.contexts:
        context.close()
    assert seen == []


def is_own(url, address):
    """The file itself, its empty icon, and an export, which the browser takes out of the page's own memory."""
    return url in (address, "data:,") or url.startswith("blob:")


FIXTURES = (browser, written, report, show)
"""For a test module to take over by name."""


def rows(page):
    """What the browser says of its list."""
    return page.locator("#listed").inner_text().replace("\u00a0", " ")


def chosen(page):
    """The id of the sample in view."""
    return page.locator("#sample-id").inner_text()
