"""The report of many samples: how long writing it takes, how large it is, how soon Chromium can use it.

Completions are 800 characters of made-up prose, each another, so that they pack like text and not like repetition.
Writing is `render_html` alone. Usable means: every sample is unpacked, the list and the first sample are drawn. A
filter's time ends when the list shows its result. The time is given as a ratio to a fixed piece of pure Python, too.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from conditions import conditions

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from report_run import SCENES, Scene, make_run

from evalharness.records import Score
from evalharness.report import render_html
from evalharness.store import Run

CHARACTERS = 800
SYLLABLES = "ba de fi go lu ma ne pi ro su ta ve wi xo zu cha sto bri lan mer"
FILTERS: dict[str, tuple[str, str]] = {
    "a common word": ("filter-text", "malan"),
    "a rare word": ("filter-text", "zzyzx"),
    "scored differently": ("quick", ""),
    "a category": ("filter-category", "1"),
    "sort by length": ("filter-metric", "style.words"),
}
FILTER = """
([id, value]) => {
  const control = document.getElementById(id);
  const start = performance.now();
  if (id === "quick") control.lastElementChild.click();
  else {
    control.value = value;
    control.dispatchEvent(new Event(control.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
  }
  if (id === "filter-metric") {
    document.getElementById("filter-order").value = "size";
    document.getElementById("filter-order").dispatchEvent(new Event("change", { bubbles: true }));
  }
  document.getElementById("list").getBoundingClientRect();
  const taken = performance.now() - start;
  document.getElementById("filters").reset();
  return taken;
}
"""


def prose(rng: random.Random) -> str:
    """`CHARACTERS` of text whose words are drawn from a vocabulary as skewed as that of a language."""
    syllables = SYLLABLES.split()
    words: list[str] = []
    length = 0
    while length < CHARACTERS:
        # A Pareto draw: few words are frequent, many are rare, as in any language.
        rank = int(rng.paretovariate(0.6)) % 20_000
        word = "".join(syllables[(rank * 7 + step * (rank + 3)) % 20] for step in range(1 + rank % 3))
        words.append(word)
        length += len(word) + 1
    return " ".join(words)[:CHARACTERS].capitalize() + "."


def many_scenes(count: int) -> tuple[Scene, ...]:
    """Samples in the categories of the test run, with completions of their own."""
    rng = random.Random(0)
    made = []
    for number in range(count):
        like = SCENES[number % len(SCENES)]
        sample = like.sample.model_copy(update={"id": f"sample-{number}", "group": str(number)})
        base, instruct = prose(rng), prose(rng)
        made.append(Scene(sample, base, instruct if number % 5 else base, number % 3 == 0, True))
    return tuple(made)


def big_run(count: int) -> Run:
    """A run of `count` samples: the scores of a small run's scorers in shape, without the time to judge each."""
    small = make_run()
    scenes = many_scenes(count)
    unscored = make_run(scenes, judged=False)
    like: dict[str, list[Score]] = {"base": [], "instruct": []}
    sides = {request.id: request.checkpoint for request in small.plan.requests}
    for score in small.scores:
        if score.request_id == next(iter(sides)) or score.request_id == list(sides)[len(SCENES)]:
            like[sides[score.request_id]].append(score)
    scores = tuple(
        score.model_copy(update={"request_id": request.id, "spans": ()})
        for request in unscored.plan.requests
        for score in like[request.checkpoint]
    )
    return replace(unscored, scores=scores, comparison=small.comparison)


def yardstick() -> float:
    """Seconds for two million steps of pure Python."""
    start = time.process_time()
    sum(number % 7 for number in range(2_000_000))
    return time.process_time() - start


def in_browser(path: Path) -> tuple[float, dict[str, float]]:
    """Milliseconds until the page is usable, and for each of `FILTERS`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(path.as_uri(), wait_until="commit")
        page.wait_for_selector("html[data-ready]", state="attached")
        usable = time.perf_counter() - start
        page.wait_for_selector("html[data-ready=searchable]", state="attached")
        taken = {name: float(page.evaluate(FILTER, list(which))) for name, which in FILTERS.items()}
        browser.close()
    return usable, taken


def measure(count: int, folder: Path, unit: float) -> None:
    """Write and open one report; print what it took."""
    run = big_run(count)
    start = time.perf_counter()
    text = render_html(run)
    written = time.perf_counter() - start
    path = folder / f"report-{count}.html"
    path.write_text(text, encoding="utf-8")
    shell = len(text) - len(packed(text))
    print(f"{count:,} samples x 2: written in {written:.1f} s ({written / unit:.0f} x the yardstick of {unit:.3f} s)")
    print(f"  {path.stat().st_size / 1e6:.1f} MB, of which the page itself {shell / 1e3:.0f} KB")
    usable, filters = in_browser(path)
    print(
        f"  usable in Chromium after {usable:.2f} s; "
        + ", ".join(f"{name} {ms:.0f} ms" for name, ms in filters.items())
    )


def packed(text: str) -> str:
    """The compressed part of a report."""
    from evalharness.report.embedded import EMBEDDED

    match: Any = EMBEDDED.search(text)
    return str(match[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[5_000, 20_000])
    parser.add_argument("--report", type=Path, help="open this report too")
    given = parser.parse_args()
    counts = given.samples
    print(conditions("jinja2", "playwright"))
    if given.report:
        usable, _ = in_browser(given.report.resolve())
        print(f"{given.report}: usable in Chromium after {usable:.2f} s")
    unit = min(yardstick() for _ in range(5))
    with tempfile.TemporaryDirectory() as scratch:
        for count in counts:
            measure(count, Path(scratch), unit)


if __name__ == "__main__":
    main()
