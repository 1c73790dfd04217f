"""The scenarios of the report's browser tests leave no function of its script uncalled."""

import inspect

import test_report_browser
import test_report_rating
import test_report_samples_browser
import test_report_tokens_browser
from report_pages import CALLS, FIXTURES, RAN, count_calls, in_a_browser

from evalharness.report.assets import read_assets

pytestmark = in_a_browser
browser, written, report, show = FIXTURES
SCENARIOS = [
    scenario
    for module in (test_report_browser, test_report_rating, test_report_samples_browser, test_report_tokens_browser)
    for name, scenario in vars(module).items()
    if name.startswith("test_")
    and "show" in inspect.signature(scenario).parameters
    and {*inspect.signature(scenario).parameters} <= {"show", "report", "written", "tmp_path"}
]


def test_every_function_of_the_script_is_called(request, show):
    for scenario in SCENARIOS:
        if scenario.__name__ not in RAN:
            scenario(**{name: request.getfixturevalue(name) for name in inspect.signature(scenario).parameters})
    count_calls()
    script = read_assets().script
    assert len(CALLS) > script.count("\nfunction ")
    never = sorted(place for place, count in CALLS.items() if not count)
    assert not never, "\n".join(script[start:end].partition("\n")[0] for start, end in never)
