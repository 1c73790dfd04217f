"""What this machine has: the rows of `evalharness list`, and a configuration made of the models."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from evalharness.backends.survey import LocalModel, local_models, surveys
from evalharness.cli.terminal import say
from evalharness.errors import EvalHarnessError
from evalharness.prompting import BASE_NAME, INSTRUCT_NAME
from evalharness.scorers import facts_of, scorer_kinds
from evalharness.store import RunStore
from evalharness.suites import list_suites, load_suite

REPORTS = Path("reports")
Rows = list[dict[str, object]]
Pair = tuple[LocalModel, LocalModel]


def suites() -> Rows:
    """The shipped suites."""
    loaded = [load_suite(folder) for folder in list_suites()]
    return [
        {"suite": suite.name, "samples": len(suite.samples), "version": suite.version, "description": suite.description}
        for suite in loaded
    ]


def models() -> Rows:
    """Models on this machine, with the variant that each name suggests."""
    return [model.model_dump() for model in local_models(_not_looked_at)]


def _not_looked_at(error: EvalHarnessError) -> None:
    say(f"not listed: {error.problem}; {error.fix}", err=True)


def scorers() -> Rows:
    """All scorers with their metrics."""
    return [
        {"scorer": name, "metric": metric.name, "measures": metric.description}
        for name in scorer_kinds()
        for metric in facts_of(name).metrics
    ]


def runs() -> Rows:
    """Runs under `reports/`, oldest first."""
    paths = sorted(manifest.parent for manifest in REPORTS.glob("*/manifest.json"))
    manifests = [(path, RunStore(path).read_manifest()) for path in paths]
    return [
        {"run": str(path), "created": manifest.created, "command": manifest.command} for path, manifest in manifests
    ]


# -------------------------------------------------------------------------------------------- configuration


def likely_pairs(models: list[LocalModel]) -> list[Pair]:
    """Base and instruct checkpoints whose names differ in the instruct mark alone."""
    stems = {_stem(model.model): model for model in models if model.variant != "instruct"}
    pairs = [(stems.get(_stem(model.model)), model) for model in models if model.variant == "instruct"]
    return [(base, instruct) for base, instruct in pairs if base is not None]


def _stem(model: str) -> str:
    """The common part of the names of a base and its instruct checkpoint: without training stage and quantization.

    >>> {_stem(f"server/llama3.1:8b{mark}") for mark in ("", "-text-q4_K_M", "-instruct-fp16")}
    {'server/llama3.1:8b'}
    """
    without = re.sub(r"-(?:i?q\d\w*|fp16|bf16|f16|f32)$", "", model.lower())
    without = BASE_NAME.sub("-", INSTRUCT_NAME.sub("-", without))
    return re.sub(r"-+", "-", without).rstrip("-")


CONFIG = """\
# One experiment: which suites go to which checkpoints. Run it with `evalharness run {path}`.
suite = {suites}   # names (`evalharness list suites`) or folders
baseline = "base"
candidate = "instruct"
seed = 0

[checkpoint.base]
model = "{base}"
variant = "base"
prompt_format = "raw"           # raw: the text as it is; chat: its own template; icl: a few-shot scaffold; auto

[checkpoint.instruct]
model = "{instruct}"
variant = "instruct"
prompt_format = "chat"
# options = {{ dtype = "bfloat16", device = "cpu" }}

[compare]
margin = 0.05                   # rates that differ by less are equivalent

[generation]
max_tokens = 256
temperature = 0.0               # greedy
{others}"""


NO_PAIR = "# no two model names here form a pair: check that these are the models you want to compare"


def config_text(path: Path, suites: Sequence[str]) -> str:
    """A commented `evalharness.toml` for the most likely pair on this machine, with other pairs listed below.

    Pulled models come before cached ones, and those before bundled ones; if no names of pulled models form a pair, the
    first base and the first instruct model are used, with a comment.
    """
    models = local_models()
    pairs = likely_pairs(models)
    chosen = _first_of_each([model for model in models if model.served])
    by_name = [pair for pair in pairs if chosen is None or pair[0].served]
    base, instruct = (by_name or [chosen or _example()])[0]
    remarks = [
        f'# also on this machine: "{pair[0].model}" and "{pair[1].model}"' for pair in pairs if pair != (base, instruct)
    ]
    if not by_name:
        remarks.insert(0, NO_PAIR)
    others = "".join(f"\n{remark}" for remark in remarks) + "\n"
    return CONFIG.format(path=path, suites=json.dumps(suites), base=base.model, instruct=instruct.model, others=others)


def _first_of_each(models: list[LocalModel]) -> Pair | None:
    """Prefer a model without a system prompt of its own, which would affect only one side."""
    plain = sorted(models, key=lambda model: model.system_prompt is True)
    base, instruct = (next((model for model in plain if model.variant == side), None) for side in ("base", "instruct"))
    return (base, instruct) if base and instruct else None


def _example() -> Pair:
    return next(survey.example for survey in surveys(lambda _: None) if survey.example)
