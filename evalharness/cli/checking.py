"""`check`: whether a run's files are complete and consistent."""

from pathlib import Path

import click

from evalharness.cli.options import JSON, RUN
from evalharness.cli.terminal import say, say_json

NOT_WHOLE = 5


@click.command()
@RUN
@JSON
def check(run: Path, as_json: bool) -> None:
    """Check that a run's files are complete and consistent.

    Reads every file and changes none. Exit codes: 0 the run is complete, 2 not a run or its manifest cannot be read, 5
    a file is damaged, missing or out of date; each problem is printed with a fix.
    """
    from evalharness.store.check import check_run

    checked = check_run(run)
    if as_json:
        say_json(checked.model_dump_json(indent=2))
    else:
        for problem in checked.problems:
            say(f"{problem.kind}: {problem.message}")
            say(f"  Fix: {problem.fix}")
        state = "whole" if checked.whole else f"not whole, problems: {len(checked.problems)}"
        say(f"{run}: {state}; {checked.outcomes:,} of {checked.requests:,} requests have an outcome")
    click.get_current_context().exit(0 if checked.whole else NOT_WHOLE)
