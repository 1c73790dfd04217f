"""The script of the report: modules that fit together, one script of them, and the same hidden characters as Python."""

import json
import re
import shutil
import subprocess
import sys
import unicodedata

import pytest

from evalharness.report.assets import EXPORT, IMPORT, bundle, read_modules
from evalharness.report.hidden_characters import MARKS, tamed

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="there is no node: apt-get install nodejs")
FITTING = {
    "main": 'import { b } from "./other.js";\nb();\n',
    "other": "export function b() { return A; }\nconst A = 1;\n",
}
CIRCULAR = {
    "main": FITTING["main"] + "export const c = 1;\n",
    "other": 'import { c } from "./main.js";\nexport function b() { return c; }\n',
}


def in_node(folder, code, text=""):
    """What a program prints that may import every module of the script."""
    for name, source in read_modules().items():
        (folder / f"{name}.js").write_text(source, encoding="utf-8")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "program.js").write_text(code)
    done = subprocess.run([NODE, folder / "program.js"], input=text, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_node
def test_the_modules_are_modules_and_every_import_is_there(tmp_path):
    assert in_node(tmp_path, 'globalThis.window = {}; await import("./main.js"); console.log("linked");') == "linked\n"


@needs_node
def test_python_and_the_script_show_the_same_characters(tmp_path):
    codes = [*range(0x20000), *range(0xE0000, 0xE0200)]
    texts = ["".join(f"e{chr(code) * 10}" for code in codes[at : at + 128]) for at in range(0, len(codes), 128)]
    program = """
        import { readFileSync } from "node:fs";
        import { tamed } from "./safe_text.js";
        console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map((text) => tamed(text, Infinity))));
    """
    shown = json.loads(in_node(tmp_path, program, json.dumps(texts)))
    assert shown == [tamed(text) for text in texts]


def test_every_combining_mark_of_any_script_counts():
    assert tamed("\u0915" + "\u0902" * 20).endswith("[12 more marks]"), "Devanagari"
    mark = re.compile(f"[{MARKS}]")
    for code in range(sys.maxunicode + 1):
        assert (mark.match(chr(code)) is not None) == unicodedata.category(chr(code)).startswith("M"), hex(code)


def test_modules_become_one_script_in_which_each_has_its_own_scope():
    script = bundle(FITTING)
    assert script.index("const $other") < script.index("const $main")
    assert "const { b } = $other;" in script
    assert not re.search(r"^(import|export)", script, re.MULTILINE)


OTHER_FORM = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def problems(modules):
    """Where modules do not fit together."""
    imports = {
        name: {source: re.findall(r"\w+", names) for names, source in IMPORT.findall(text)}
        for name, text in modules.items()
    }
    exported = {(name, export) for name, text in modules.items() for export in EXPORT.findall(text)}
    imported = {(source, name) for by in imports.values() for source, names in by.items() for name in names}
    yield from (
        f"{name}.js does not export {export}, which is imported" for name, export in sorted(imported - exported)
    )
    yield from (f"nothing imports {export} of {name}.js" for name, export in sorted(exported - imported))
    for name, text in modules.items():
        body = IMPORT.sub("", text)
        yield from (f"{name}.js: {line}" for line in OTHER_FORM.findall(EXPORT.sub("", body)))
        used = set(re.findall(r"\w+", body))
        yield from (
            f"{name}.js does not use {export}"
            for names in imports[name].values()
            for export in names
            if export not in used
        )


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"other": "function b() {}"}, "other.js does not export b"),
        ({"main": 'import { b } from "./another.js";\nb();'}, "another.js does not export b"),
        ({"main": 'import { b } from "./other.js";\n'}, "main.js does not use b"),
        ({"other": FITTING["other"] + "export const C = 2;"}, "nothing imports C of other.js"),
        ({"main": FITTING["main"] + 'import * as all from "./other.js";'}, "main.js: import"),
        ({"other": FITTING["other"] + "export default 1;"}, "other.js: export default"),
    ],
)  # fmt: skip
def test_modules_that_do_not_fit_together_are_noticed(changed, problem):
    assert any(text.startswith(problem) for text in problems(FITTING | changed))


def test_modules_that_import_each_other_are_refused():
    with pytest.raises(ValueError, match="cycle"):
        bundle(FITTING | CIRCULAR)


def test_the_modules_of_the_page_fit_together():
    assert list(problems(FITTING)) == []
    assert list(problems(read_modules())) == []


def test_what_a_module_calls_of_another_it_imports():
    modules = read_modules()
    exported = {name_exported: name for name, text in modules.items() for name_exported in EXPORT.findall(text)}
    for name, text in modules.items():
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", IMPORT.sub("", text), flags=re.DOTALL)
        calls = {text for text in re.findall(r"(?<![.\w])(\w+)\(", code) if exported.get(text, name) != name}
        imported = {imported_name for names, _ in IMPORT.findall(text) for imported_name in re.findall(r"\w+", names)}
        assert calls <= imported, name
