"""The page's stylesheet and script, as plain text: files of the package, and what the script must share with Python.

The script is written as ES modules. A page from disk cannot import any, so they are put into one script here, each in a
scope of its own and after the modules that it imports from.
"""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib.resources import files

from evalharness.report.hidden_characters import STRANGE
from evalharness.report.prompts import NOTES
from evalharness.report.words import WITHOUT_LABEL

STYLES = ("colours", "page", "charts", "trend", "samples", "token_strips", "browser", "rating", "contrast", "print")
IMPORT = re.compile(r'^import \{([\w\s,]+)\} from "\./(\w+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const) (\w+))", re.MULTILINE)


@dataclass(frozen=True)
class Assets:
    """The style and script of every page, with a content policy that allows nothing else."""

    style: str
    script: str
    policy: str


@cache
def read_assets() -> Assets:
    """Read the files once; the policy names their digests, so that no other script or style can run."""
    style, script = "\n".join(_files("css")[name] for name in STYLES), bundle(read_modules())
    policy = (
        f"default-src 'none'; script-src '{_source(script)}'; style-src '{_source(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return Assets(style, script, policy)


def read_modules() -> dict[str, str]:
    """Every module of the script by its name, with `shared`, which is made of what Python and the script agree on."""
    shared = {"NOTES": NOTES, "WITHOUT_LABEL": {name: title for name, (title, _) in WITHOUT_LABEL.items()}}
    lines = [f"export const {name} = {json.dumps(value)};\n" for name, value in shared.items()]
    lines.append(f'export const STRANGE = new RegExp({json.dumps(STRANGE.pattern)}, "gu");\n')
    return {**_files("js"), "shared": "".join(lines)}


def bundle(modules: Mapping[str, str]) -> str:
    """Put modules into one script; they may `import { a, b } from "./name.js";` and export functions and constants.

    A test checks that they fit together: what they import is exported and used, and what they export is imported.
    """
    imports = {
        name: {source: re.findall(r"\w+", names) for names, source in IMPORT.findall(text)}
        for name, text in modules.items()
    }
    order = TopologicalSorter(imports).static_order()
    return "".join(_scoped(name, modules[name], imports[name]) for name in order)


def _scoped(name: str, text: str, imports: Mapping[str, list[str]]) -> str:
    given = "".join(f"const {{ {', '.join(names)} }} = ${source};\n" for source, names in imports.items())
    body = EXPORT.sub("", IMPORT.sub("", text))
    return f"const ${name} = (() => {{\n{given}{body}return {{ {', '.join(EXPORT.findall(text))} }};\n}})();\n"


def _files(ending: str) -> dict[str, str]:
    folder = files("evalharness.report") / "static"
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(f".{ending}")), key=lambda path: path.name)
    return {path.name.removesuffix(f".{ending}"): path.read_text(encoding="utf-8") for path in paths}


def _source(text: str) -> str:
    """The text as a policy names it: by its digest."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
