"""The sample browser of the report: filters, search, order, links, keys, the word diff, and three checkpoints."""

from report_pages import FIXTURES, chosen, in_a_browser, rows
from report_run import make_run, many, rewarded, three_checkpoints, unusual

from evalharness.report import unpack
from evalharness.report.samples import anchor_of

pytestmark = in_a_browser
browser, written, report, show = FIXTURES


def test_every_sample_is_listed_and_the_first_is_shown(show, report):
    page = show(report)
    assert rows(page) == "18 samples"
    assert chosen(page) == "poem-nature"
    assert "The trees are green" in page.locator("#sample").inner_text()


def test_a_search_finds_words_of_ids_prompts_and_completions(show, report):
    page = show(report)
    for text, result in (
        ("poem-nature", "1 of 18 samples"),
        ("BLACKBIRD waking", "1 of 18 samples"),
        ("zzz", "0 of 18 samples"),
    ):
        page.fill("#filter-text", text)
        assert rows(page) == result
    assert page.locator("#none-listed").is_visible()
    page.click('button[type="reset"]')
    assert rows(page) == "18 samples"


def flipped(run):
    """On how many samples the labels of any scorer differ."""
    labels = {}
    for request in run.plan.requests:
        results = {(score.scorer, score.label) for score in run.scores_of(request.id) if score.label}
        labels.setdefault(request.sample_id, []).append(results)
    return sum(before != after for before, after in labels.values())


def test_filters_by_category_state_and_flip_go_together(show, report):
    page = show(report)
    page.select_option("#filter-category", label="open")
    in_category = rows(page)
    page.select_option("#filter-left", label="loops")
    both = rows(page)
    page.select_option("#filter-left", label="any ending")
    assert rows(page) == in_category == "5 of 18 samples"
    assert both == "1 of 18 samples"
    page.click('button[type="reset"]')
    page.click("#quick >> text=scored differently")
    assert rows(page) == f"{flipped(make_run())} of 18 samples"


def test_a_metric_says_which_samples_are_better_and_worse(show, report):
    page = show(report)
    assert page.locator("#filter-verdict").is_disabled()
    page.select_option("#filter-metric", label="loops")
    page.select_option("#filter-verdict", label="better only")
    assert rows(page) == "3 of 18 samples"
    assert "loops: 1 → 0 (−1)" in page.locator("#sample").inner_text()
    page.select_option("#filter-verdict", label="worse only")
    assert rows(page) == "0 of 18 samples"


def test_samples_can_be_ordered_by_difference(show, report):
    page = show(report)
    page.select_option("#filter-metric", label="length")
    page.select_option("#filter-order", label="largest difference first")
    differences = page.evaluate(
        "[...document.querySelectorAll('#list .row-id')].slice(0, 5).map((row) => row.textContent)"
    )
    assert differences[0].startswith("poem-nature")


def test_keys_step_through_the_list_and_the_address_follows(show, report):
    page = show(report)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert chosen(page) == "rainy-sunday"
    assert page.url.endswith("#sample=rainy-sunday")
    page.focus("#list")
    page.keyboard.press("End")
    assert page.locator("#place").inner_text() == "18 of 18"
    assert page.locator('#list [aria-selected="true"]').count() == 1


def test_a_filter_shows_its_first_sample_and_keeps_one_that_passes(show, report):
    page = show(report, fragment="#sample=cat-mat")
    page.fill("#filter-text", "soup")
    assert chosen(page) == "soup"
    page.fill("#filter-text", "")
    assert chosen(page) == "soup"


def test_the_slash_searches_and_the_question_mark_helps(show, report):
    page = show(report)
    page.keyboard.press("/")
    page.keyboard.type("soup")
    assert page.locator("#filter-text").input_value() == "soup"
    page.keyboard.press("Escape")
    assert rows(page) == "1 of 18 samples"
    assert page.locator("#filter-text").input_value() == "soup"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()


def test_a_link_opens_its_sample_and_is_brought_into_view(show, report):
    page = show(report, fragment="#sample=cat-mat")
    assert chosen(page) == "cat-mat"
    assert page.locator("#panel").bounding_box()["y"] < 300


def test_the_evidence_of_a_finding_opens_in_the_browser(show, report):
    page = show(report)
    link = page.locator(".claims .size a").nth(1)
    sample = link.inner_text()
    link.click()
    page.locator("#sample-id", has_text=sample).wait_for()
    page.evaluate("scrollTo(0, 0)")
    link.click()
    assert page.locator("#panel").bounding_box()["y"] < 300


def test_every_number_bar_and_cell_opens_its_samples(show, written):
    page = show(written("three", three_checkpoints))
    for selector, listed in (
        (".claims a[data-filter]", "10 of 18 samples"),
        (".forest-row .what a", "3 of 18 samples"),
        (".bar a", "5 of 18 samples"),
        (".legend td:nth-child(4) a", None),
        (".strips td a", None),
        (".matrix:not(.flips) td a", None),
        (".flips td a", None),
    ):
        page.locator(selector).first.click()
        count = int(rows(page).partition(" ")[0])
        assert 0 < count < 18
        assert listed in (None, rows(page)), selector
        assert page.locator("#panel").is_visible()
    assert "#samples?expected=" in page.url
    side = page.locator("#filter-right-name").inner_text()
    page.locator(".legend td:nth-child(4) a").first.click()
    assert (side, page.locator("#filter-right-name").inner_text()) == ("instruct", "base-chat")


def test_each_bar_of_a_histogram_lists_the_completions_in_it(show, written):
    page = show(written("rewarded", rewarded))
    for chart in page.locator(".histogram").all():
        listed = []
        for bar in chart.locator("[data-filter]").all():
            bar.dispatch_event("click")
            listed.append(int(rows(page).partition(" ")[0]))
        assert min(listed) > 0
        assert sum(listed) == int(chart.get_attribute("aria-label").partition(" ")[0])


def test_a_dot_of_reward_against_length_opens_its_sample(show, written):
    page = show(written("rewarded", rewarded))
    dot = page.locator(".scatter [data-opens]").nth(3)
    dot.dispatch_event("click")
    assert dot.get_attribute("data-opens") == f"#sample={chosen(page)}"


def test_a_metric_lists_what_differs_in_it_and_says_when_nothing_does(show, report):
    page = show(report)
    page.select_option("#filter-metric", label="loops")
    assert rows(page) == "3 of 18 samples"
    page.select_option("#filter-verdict", label="worse only")
    assert rows(page) == "0 of 18 samples"
    assert page.locator("#none-listed").is_visible()
    assert page.locator("#panel").is_hidden()


def test_quick_filters_say_how_many_samples_they_list(show, report):
    page = show(report)
    for button in page.locator("#quick button:enabled").all():
        count = button.inner_text().split()[-1]
        button.click()
        assert rows(page) == f"{count} of 18 samples"
        assert page.locator('#quick [aria-pressed="true"]').count() == 1
    page.click('button[type="reset"]')
    assert page.locator('#quick [aria-pressed="true"]').count() == 0


def test_a_loop_is_folded_after_three_repetitions_and_unfolds(show, report):
    page = show(report, fragment="#sample=poem-nature")
    completion = page.locator("#sample .side-baseline .completion")
    assert completion.inner_text().count("The trees are green") == 3
    completion.locator("summary").click()
    assert completion.inner_text().count("The trees are green") > 10


def test_a_link_to_nothing_is_no_accident(show, report):
    page = show(report, fragment="#sample=%E0%A4%A")
    assert chosen(page) == "poem-nature"


def test_the_template_and_the_scores_can_be_opened_and_stay_open(show, report):
    page = show(report)
    page.locator("#sample .side-candidate summary").click()
    assert page.locator("#sample .side-candidate .special").all_inner_texts()[0] == "<|im_start|>"
    page.keyboard.press("j")
    assert page.locator("#sample .side-candidate .sent").is_visible()


def test_the_word_diff_marks_what_only_one_side_has(show, report):
    page = show(report, fragment="#sample=water-boils")
    page.keyboard.press("d")
    assert page.locator("#diff").get_attribute("aria-pressed") == "true"
    assert page.locator("#sample del").all_inner_texts() and page.locator("#sample ins").all_inner_texts()
    assert "100 degrees Celsius" not in "".join(page.locator("#sample :is(del, ins)").all_inner_texts())


def test_of_three_checkpoints_any_two_stand_side_by_side(show, written):
    page = show(written("three", three_checkpoints))
    assert page.locator("#choose-sides").is_visible()
    page.select_option("#side-right", label="base-chat")
    assert page.locator("#sample .who b").all_inner_texts() == ["base", "base-chat"]
    assert "THE TREES ARE GREEN" in page.locator("#sample").inner_text()
    assert page.locator("#filter-right-name").inner_text() == "base-chat"


def test_rewards_are_shown_on_each_side(show, written):
    page = show(written("rewarded", rewarded), fragment="#sample=water-boils")
    assert page.locator("#sample .chip-reward").count() == 2
    assert page.locator(".scatter").is_visible()


def test_a_thousand_samples_are_listed_and_only_a_few_rows_exist(show, written):
    page = show(written("thousand", lambda: make_run(many(1_000))), fragment="#sample=old-house-989")
    assert chosen(page) == "old-house-989"
    assert page.locator("#place").inner_text() == "990 of 1,000"
    assert page.locator("#list .row").count() < 40
    assert page.locator("#row-989").is_visible()


def test_the_active_row_is_never_one_that_is_gone(show, written):
    page = show(written("thousand", lambda: make_run(many(1_000))), fragment="#sample=old-house-989")
    named = "document.getElementById('list').getAttribute('aria-activedescendant')"
    assert page.evaluate(named) == "row-989"
    page.evaluate("document.getElementById('list').scrollTop = 0")
    page.locator("#row-0").wait_for()
    assert page.locator("#row-989").count() == 0
    assert page.evaluate(named) is None
    page.focus("#list")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(f"document.getElementById({named}).getAttribute('aria-selected')") == "true"
    page.fill("#filter-text", "old-house-5")
    assert page.evaluate(f"document.getElementById({named}).getAttribute('aria-selected')") == "true"


def test_what_a_colour_says_is_there_in_forced_colours(show, report):
    page = show(report)
    page.emulate_media(forced_colors="active")

    def style(selector, name, before=""):
        return page.evaluate(
            "([selector, name, before]) => getComputedStyle(document.querySelector(selector), before || null)[name]",
            [selector, name, before],
        )

    ground, ink = style("body", "backgroundColor"), style("body", "color")
    assert style('.row[aria-selected="true"]', "backgroundColor") not in (
        ground,
        style(".row + .row", "backgroundColor"),
    )
    assert style("#samples mark", "backgroundColor") != ground
    assert style(".row .chip-worse", "content", "::before") == '"▼"'
    assert style(".plot", "backgroundImage") != "none"
    assert style(".tone-open .whisker", "stroke") == ink != ground


def test_replicates_turns_thinking_and_long_texts_are_shown(show, written):
    path = written("unusual", unusual)
    page = show(path)
    [sample] = unpack(path.read_text(encoding="utf-8"))["samples"]
    page.click("#next", force=True)
    page.keyboard.press("j")
    assert page.url.endswith(f"#{anchor_of(sample['id'])}")
    assert page.locator("#sample .turn").all_inner_texts() == ["user", "assistant", "user"]
    assert page.locator("#sample .hidden-character").first.inner_text() == "[U+202E]"
    assert page.locator("#sample .who", has_text="replicate 2").count() == 2
    page.locator("#sample .thinking summary").first.click()
    assert page.locator("#sample .thought").first.inner_text() == "First, a plan."
    assert "2 attempts" in page.locator("#sample .facts").last.inner_text()
    cell = sample["cells"][0]
    evidence = {cell["text"][start:end] for score in cell["scores"] for start, end, *_ in score.get("spans", ())}
    shown = page.locator("#sample .side-baseline mark").all_inner_texts()
    assert shown and all(any(text in item for item in evidence) for text in shown)
    before = len(page.locator("#sample .side-candidate .completion").first.text_content())
    page.locator("#sample .more-text").first.click()
    assert len(page.locator("#sample .side-candidate .completion").first.text_content()) > before


def test_every_control_has_its_effect(show, report):
    page = show(report)
    page.click("#next")
    assert page.locator("#place").inner_text() == "2 of 18"
    page.click("#previous")
    assert page.locator("#place").inner_text() == "1 of 18"
    page.locator("#list .row").nth(3).click()
    assert page.locator("#place").inner_text() == "4 of 18"
    page.click("#diff")
    assert page.locator("#diff").get_attribute("aria-pressed") == "true"
    page.click("#help-open")
    page.click("#help-close")
    assert page.locator("#help").is_hidden()
    page.keyboard.press("f")
    assert page.get_attribute("#quick >> text=scored differently", "aria-pressed") == "true"
    page.keyboard.press("f")
    page.select_option("#filter-right", index=1)
    assert rows(page) != "18 samples"
    page.focus("#filter-text")
    page.keyboard.press("Enter")
    page.click('button[type="reset"]')
    page.select_option("#filter-metric", label="length")
    firsts = []
    for order in ("size", "best", "worst"):
        page.select_option("#filter-order", order)
        firsts.append(page.locator("#list .row-id").first.inner_text())
    assert len(set(firsts)) > 1
    page.click("#rate")
    page.click("#rating-close")
    assert page.locator("#rating").is_hidden()
