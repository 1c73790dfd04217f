"""`check`: whether the files of a run are whole and agree."""

from pathlib import Path

import click

from evalharness.cli.terminal import say, say_json

NOT_WHOLE = 5


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(run: Path, as_json: bool) -> None:
    """Check whether the files of a run are whole and agree.

    Reads every file, and writes none. Exit codes: 0 the run is whole, 2 it is no run or its manifest cannot be read,
    5 something is damaged, missing, or made from an earlier state of the run; each such thing is printed with what to
    do about it.
    """
    from evalharness.store.check import check_run

    checked = check_run(run)
    if as_json:
        say_json(checked.model_dump_json(indent=2))
    else:
        for one in checked.problems:
            say(f"{one.kind}: {one.message}")
            say(f"  Fix: {one.fix}")
        state = "whole" if checked.whole else f"not whole, problems: {len(checked.problems)}"
        say(f"{run}: {state}; {checked.outcomes:,} of {checked.requests:,} requests have an outcome")
    click.get_current_context().exit(0 if checked.whole else NOT_WHOLE)
