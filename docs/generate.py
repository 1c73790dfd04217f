"""Write the generated pages of docs/: the commands as `--help` prints them, and the errors as the code defines them.

Run it with `make docs`; a test fails where a page is not what this writes.
"""

import inspect
import json
import sys
from functools import partial
from pathlib import Path

import click
from click.testing import CliRunner

from evalharness import errors
from evalharness.cli import COMMANDS, cli
from evalharness.errors import EvalHarnessError
from evalharness.records import Comparison, GateReport, Record

DOCS = Path(__file__).parent
WARNING = "<!-- Written by docs/generate.py (`make docs`); do not edit. -->\n"


def commands_page() -> str:
    """The help text of every command."""
    parts = [f"# Commands\n\n{WARNING}"]
    for command in command_paths():
        result = CliRunner().invoke(cli, [*command, "--help"], prog_name="evalharness", terminal_width=100)
        parts.append(f"## {' '.join(['evalharness', *command])}\n\n```text\n{result.output.rstrip()}\n```\n")
    return "\n".join(parts)


def command_paths() -> list[list[str]]:
    """The words of every command: the top, each command, and after a group its own commands."""
    context = click.Context(cli)
    paths: list[list[str]] = [[]]
    for name in COMMANDS:
        paths.append([name])
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            paths += [[name, below] for below in command.commands]
    return paths


def errors_page() -> str:
    """The exception tree and each class with its sentence."""
    tree = inspect.cleandoc(errors.__doc__ or "")
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, EvalHarnessError)]
    parts = [f"# Errors\n\n{WARNING}\nEvery error prints what is wrong and the mend, and ends with exit code 2.\n"]
    parts.append(f"```text\n{tree}\n```\n")
    parts += [f"## {one.__name__}\n\n{inspect.cleandoc(one.__doc__ or '')}\n" for one in classes]
    return "\n".join(parts)


def schema(record: type[Record]) -> str:
    """The JSON schema of a run file, as it is written."""
    found = record.model_json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **found}, indent=2) + "\n"


PAGES = {
    "commands.md": commands_page,
    "errors.md": errors_page,
    "schemas/comparison.schema.json": partial(schema, Comparison),
    "schemas/gate.schema.json": partial(schema, GateReport),
}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
        sys.stderr.write(f"wrote docs/{name}\n")


if __name__ == "__main__":
    main()
