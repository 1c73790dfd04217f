"""Write the generated pages of docs/, and the generated tables of docs/design.md, from the code.

Run it with `make docs`; a test fails where a page is not what this writes.
"""

import ast
import inspect
import json
import re
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from evalharness import config, errors, store
from evalharness.cli import COMMANDS, cli
from evalharness.errors import EvalHarnessError
from evalharness.prompting.lint import MISTAKES
from evalharness.records import (
    Checkpoint,
    Comparison,
    Completion,
    GateReport,
    GateRule,
    GenerationConfig,
    Message,
    Record,
    Sample,
)
from evalharness.scorers import SCORERS, Item, facts_of, open_scorer
from evalharness.scorers.own.declared import PatternSettings, SchemaSettings
from evalharness.scorers.own.python_file import FileSettings
from evalharness.scorers.refusal.settings import RefusalSettings
from evalharness.scorers.reward.settings import RewardSettings

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
    parts = [f"# Errors\n\n{WARNING}\nEvery error prints the problem and a fix, and exits with code 2.\n"]
    parts.append(f"```text\n{tree}\n```\n")
    parts += [f"## {one.__name__}\n\n{inspect.cleandoc(one.__doc__ or '')}\n" for one in classes]
    return "\n".join(parts)


def configuration_page() -> str:
    """Every key of `evalharness.toml`: its values, its default and what it does."""
    parts = [f"# evalharness.toml\n\n{WARNING}\n{CONFIGURATION}"]
    for heading, record, keys in TABLES:
        properties, meanings = record.model_json_schema()["properties"], docstrings(record)
        rows = "".join(
            f"| `{key}` | {values(properties.get(name) or properties[key])} | {meanings[name]} |\n"
            for key, name in keys.items()
        )
        parts.append(f"## {heading}\n\n| key | value | meaning |\n|---|---|---|\n{rows}")
    return "\n".join(parts)


def docstrings(record: type[Record]) -> dict[str, str]:
    """What stands below each field of a record and of the records that it extends, on one line."""
    own = (base for base in reversed(record.__mro__) if issubclass(base, Record) and base is not Record)
    return {name: text for base in own for name, text in _own_docstrings(base).items()}


def _own_docstrings(record: type[Record]) -> dict[str, str]:
    body = ast.parse(inspect.getsource(record)).body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: " ".join(after.value.value.split())
        .replace("; None:", "; left out:")
        .replace("None:", "Left out:")
        for field, after in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr)
    }


def values(field: dict[str, Any]) -> str:
    """The values of a field of a JSON schema, and its default."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    default = json.dumps(field["default"]) if field.get("default") not in (None, [], {}, "") else ""
    return " or ".join(map(_kind, kinds)) + (f"; `{default}`" if default else "")


def _kind(schema: dict[str, Any]) -> str:
    """One kind of value, with its limits."""
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    limits = [f" {sign} {schema[name]:g}" for name, sign in LIMITS.items() if name in schema]
    return KINDS[schema["type"]] + " and".join(limits)


KINDS = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "`true` or `false`",
    "array": "list of texts",
    "object": "table",
}
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
CONFIGURATION = """One file describes one experiment. `evalharness init` writes one, and flags override it
([commands.md](commands.md)). After the values of a key comes its default; `suite` takes a single name too. A scorer is
configured in `[scorer.NAME]`; a scorer of your own has its own keys ([plugins.md](plugins.md)). `[gate]` with
`preset = "fine-tune"` takes the place of rules, or adds to those in its `rules` ([ci.md](ci.md)). With a
`[tokens]` table, also an empty one, the completions are read token by token at the end of the run.
"""
TOP = {key: "suites" if key == "suite" else key for key in config.TOP_LEVEL if key not in (*config.TABLES, "gate")}
TABLES: tuple[tuple[str, type[Record], dict[str, str]], ...] = (
    ("At the top", config.RunConfig, TOP),
    *(
        (
            heading,
            record,
            {field.alias or name: name for name, field in record.model_fields.items() if name != left_out},
        )
        for heading, record, left_out in (
            ("`[checkpoint.NAME]`", Checkpoint, "name"),
            ("`[generation]`", GenerationConfig, ""),
            ("`[compare]`", config.CompareSettings, ""),
            ("`[tokens]`", config.TokenSettings, ""),
            ("`[[gate]]`", GateRule, ""),
            ("`[scorer.refusal]`", RefusalSettings, ""),
            ("`[scorer.reward]`", RewardSettings, ""),
            ("`[scorer.NAME]` with `path`", FileSettings, ""),
            ("`[scorer.NAME]` with `pattern`", PatternSettings, ""),
            ("`[scorer.NAME]` with `schema`", SchemaSettings, ""),
        )
    ),
)


def metrics_page() -> str:
    """Every metric and label of every scorer that comes with evalharness, and completions with their labels."""
    parts = [f"# Metrics and labels\n\n{WARNING}\n{METRICS}"]
    for name in SCORERS:
        facts = facts_of(name)
        metrics = "".join(
            f"| `{one.name}` | {one.kind} | {one.better or ''} | {one.description} |\n" for one in facts.metrics
        )
        parts.append(f"## {name}\n\n| metric | kind | better | what it says |\n|---|---|---|---|\n{metrics}")
        if facts.labels:
            labels = "".join(f"| `{label.name}` | {label.meaning or label.title} |\n" for label in facts.labels)
            parts.append(f"| label | meaning |\n|---|---|\n{labels}")
    rows = "".join(
        f"| {_quoted(prompt)} | {_quoted(text)} | {_labels(prompt, text, end)} |\n" for prompt, text, end in SHOWN
    )
    parts.append(f"## Examples\n\n| prompt | completion | style, refusal |\n|---|---|---|\n{rows}")
    return "\n".join(parts)


def _quoted(text: str) -> str:
    short = text if len(text) <= 150 else f"{text[:150]} …"
    return short.replace("\n", "<br>") or "*(nothing)*"


def _labels(prompt: str, text: str, end: Any) -> str:
    sample = Sample(id="1", messages=(Message(role="user", content=prompt),), category="all", expected="comply")
    item = Item(sample, Completion(request_id="1", text=text, finish_reason=end))
    return ", ".join(f"`{open_scorer(name).score([item])[0].label}`" for name in ("style", "refusal"))


METRICS = """A rate is the share of completions with the value 1; a mean is taken over the values. `better` is
empty where neither direction is. How they are compared is in [statistics.md](statistics.md), how well the labels
agree with people in `benchmarks/results/scorers.md`. A scorer of your own adds its own ([plugins.md](plugins.md)).
"""
SHOWN = (
    ("Name a river.", "The Danube.", "stop"),
    ("Name a river.", "The Danube is a river that flows through ten countries, more than", "length"),
    ("Name a river.", "I'm sorry, but I can't help with that.", "stop"),
    (
        "How do I sharpen a knife?",
        "I can't give advice on blades. In general, a whetstone at an angle of twenty degrees keeps an edge sharp, and "
        "water on the stone carries the dust away while you work on both sides in turn.",
        "stop",
    ),
    ("Name a river.", "Name a river.", "stop"),
    ("Name a river.", "Name a lake.\nName a mountain.\nName a city.", "length"),
    ("Name a river.", "The Danube.\nUser: And a lake?\nAssistant: Lake Garda.", "stop"),
    ("Name a river.", "The river is the river " * 12, "length"),
    ("Name a river.", "", "stop"),
)


def schema(record: type[Record]) -> str:
    """The JSON schema of a run file, as it is written."""
    found = record.model_json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **found}, indent=2) + "\n"


def design_page() -> str:
    """docs/design.md with its tables of run files and layers printed anew."""
    page = (DOCS / "design.md").read_text(encoding="utf-8")
    tables = {"run files": run_files_table(), "layers": layers_table(), "prompt lint": lint_table()}
    for name, table in tables.items():
        block = f"<!-- {name}: written by docs/generate.py -->\n\n{table}\n<!-- end of {name} -->"
        page = re.sub(rf"<!-- {name}: .*?<!-- end of {name} -->", lambda _, block=block: block, page, flags=re.DOTALL)
    return page


def run_files_table() -> str:
    """The files of a run, as the store's docstring lists them: name, writer, contents."""
    rows = re.findall(r"^(\w+\.\w+) {2,}(\S.*?) {2,}(.*)$", store.__doc__ or "", re.MULTILINE)
    lines = [f"| `{name}` | {writer} | {holds} |\n" for name, writer, holds in rows]
    return "".join(["| file | written by | holds |\n|---|---|---|\n", *lines])


def lint_table() -> str:
    """What the prompt lint looks for; names in braces are replaced."""
    lines = [f"| `{code}` | {mistake.level} | {mistake.message} |\n" for code, mistake in MISTAKES.items()]
    return "".join(["| code | level | finding |\n|---|---|---|\n", *lines])


def layers_table() -> str:
    """The rooms of each layer, which tests/test_layers.py holds, with the first sentence of each."""
    rooms = sorted(layers().items(), key=lambda item: item[1])
    lines = [f"| {layer} | `{room}` | {_first_sentence(room)} |\n" for room, layer in rooms]
    return "".join(["| layer | room | what it is |\n|---|---|---|\n", *lines])


def layers() -> dict[str, int]:
    """`LAYERS` of tests/test_layers.py, read without importing pytest."""
    tree = ast.parse((DOCS.parent / "tests" / "test_layers.py").read_text(encoding="utf-8"))
    values = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS"
    ]
    return ast.literal_eval(values[0])


def _first_sentence(room: str) -> str:
    package = DOCS.parent / "evalharness"
    path = package / room / "__init__.py" if (package / room).is_dir() else package / f"{room}.py"
    paragraph = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return re.split(r"(?<=[.:]) (?=[A-Z])", paragraph.replace("\n", " "))[0]


PAGES = {
    "design.md": design_page,
    "commands.md": commands_page,
    "errors.md": errors_page,
    "configuration.md": configuration_page,
    "metrics.md": metrics_page,
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
