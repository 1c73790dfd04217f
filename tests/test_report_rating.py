"""Blind rating in the report: what is hidden, what is kept, and what is exported."""

import json

from report_pages import FIXTURES, count_calls, in_a_browser
from report_run import SCENES, make_run, three_checkpoints

from evalharness.preferences.labelling import read_labels, turns_of
from evalharness.preferences.ratings import read_ratings
from evalharness.report import unpack

pytestmark = in_a_browser
browser, written, report, show = FIXTURES


def start_rating(page, rater="ann"):
    page.keyboard.press("r")
    page.fill("#rater", rater)
    page.keyboard.press("Enter")


def export(page):
    with page.expect_download() as download:
        page.click("#rating-export")
    return [json.loads(line) for line in download.value.path().read_text(encoding="utf-8").splitlines()]


def test_ratings_say_what_was_preferred_whoever_was_shown_first(show, report):
    page = show(report)
    start_rating(page)
    texts = {
        sample["id"]: {
            side: cell.get("text", "").strip()
            for side, cell in zip(("baseline", "candidate"), sample["cells"], strict=True)
        }
        for sample in unpack(report.read_text(encoding="utf-8"))["samples"]
    }
    first_texts = []
    for key in "abtx":
        first_texts.append(page.locator("#rating-a").inner_text())
        page.keyboard.press(key)
    ratings = export(page)
    assert [set(rating) for rating in ratings] == [
        {"run", "sample_id", "replicate", "preferred", "shown_first", "rater"}
    ] * 4
    for rating, text in zip(ratings, first_texts, strict=True):
        assert texts[rating["sample_id"]][rating["shown_first"]].startswith(text.partition("\n")[0])
    assert ratings[0]["preferred"] == ratings[0]["shown_first"]
    assert {ratings[1]["preferred"], ratings[1]["shown_first"]} == {"baseline", "candidate"}
    assert [rating["preferred"] for rating in ratings[2:]] == ["tie", "both bad"]
    assert {rating["rater"] for rating in ratings} == {"ann"}


def test_the_rating_is_blind(show, report):
    page = show(report)
    start_rating(page)
    shown = page.locator("#rating").inner_text()
    assert "base" not in shown.split()
    assert "instruct" not in shown
    assert page.locator("#rating :is(.chip, .facts, .baseline, .candidate)").count() == 0


def test_ratings_are_kept_and_can_be_taken_back(show, report):
    page = show(report)
    start_rating(page, "ben")
    page.keyboard.press("a")
    page.keyboard.press("a")
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    start_rating(page, "ben")
    assert page.locator("#rating-count").inner_text() == "2 of 16 rated"
    before = export(page)
    page.click("#rating-back")
    page.keyboard.press("t")
    after = export(page)
    assert [rating["preferred"] for rating in before].count("tie") == 0
    assert len(after) == 2
    assert after[1]["preferred"] == "tie"


def test_both_sides_are_shown_first_and_not_in_turn(show, report):
    page = show(report)
    start_rating(page, "cleo")
    for _ in range(16):
        page.keyboard.press("t")
    assert page.locator("#rating-end").is_visible()
    firsts = [rating["shown_first"] for rating in export(page)]
    assert 4 <= firsts.count("baseline") <= 12
    assert firsts != ["baseline", "candidate"] * 8


def test_where_nothing_can_be_kept_rating_goes_on_in_memory(show, report):
    page = show(report)
    page.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('refused'); }; }")
    start_rating(page, "dora")
    page.keyboard.press("a")
    assert "stores nothing" in page.locator("#rating-kept").inner_text()
    assert len(export(page)) == 1


def test_only_listed_pairs_with_two_completions_are_rated(show, report):
    page = show(report)
    page.select_option("#filter-category", label="open")
    start_rating(page, "eve")
    assert page.locator("#rating-count").inner_text().startswith("0 of ")
    total = int(page.locator("#rating-count").inner_text().split()[2])
    pairs = [
        scene
        for scene in SCENES
        if scene.sample.category == "open" and scene.base is not None and scene.instruct is not None
    ]
    assert total == len(pairs)


def test_of_three_checkpoints_the_pair_in_view_is_rated(show, written, tmp_path):
    run = three_checkpoints()
    page = show(written("three", three_checkpoints))
    page.select_option("#side-right", label="base-chat")
    page.click("#rate")
    assert "of base and base-chat" in page.locator("#rating-offer").inner_text()
    page.fill("#rater", "ann")
    page.keyboard.press("Enter")
    page.click("#rate-first")
    page.keyboard.press("t")
    with page.expect_download() as download:
        page.click("#rating-export")
    file = tmp_path / "ratings.jsonl"
    file.write_bytes(download.value.path().read_bytes())
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {(line["baseline"], line["candidate"]) for line in lines} == {("base", "base-chat")}
    assert {rating.candidate for rating in read_ratings(file, run)} == {"base-chat"}


def test_single_completions_are_labelled_blind_with_one_key_each_in_the_order_drawn(show, report, tmp_path):
    run = make_run()
    page = show(report)
    page.keyboard.press("r")
    page.check("#rating-labels")
    assert "drawn at random" in page.locator("#rating-offer").inner_text()
    page.fill("#rater", "ann")
    page.keyboard.press("Enter")
    shown = page.locator("#rating-pair").inner_text()
    assert page.locator("#rating-b").is_hidden()
    assert page.locator("#rating :is(.chip, .facts, .baseline, .candidate)").count() == 0
    assert "instruct" not in shown
    assert page.locator("#rate-first").is_hidden()
    for key in "1345":
        page.keyboard.press(key)
    page.keyboard.press("a")
    page.click("#rating-back")
    page.get_by_role("button", name="refuses and helps").click()
    with page.expect_download() as download:
        page.click("#rating-export")
    assert download.value.suggested_filename == "labels-ann.jsonl"
    labels = read_labels(download.value.path(), run)
    assert [one.label for one in labels] == ["full_refusal", "compliance", "no_answer", "partial_refusal"]
    drawn = [turn.cell for turn in turns_of(run)[:4]]
    assert [(one.checkpoint, one.sample_id, one.replicate) for one in labels] == drawn
    # A page that is loaded again has forgotten which of its functions were called.
    count_calls()
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    start_rating(page)
    assert page.locator("#rating-count").inner_text() == "0 of 16 rated"
