"""What an Ollama server has pulled and loaded."""

from contextlib import closing
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from evalharness.backends.ollama_shown import renderer_of
from evalharness.backends.survey import Check, LocalModel, Report, free_memory
from evalharness.errors import BackendError
from evalharness.formatting import format_bytes
from evalharness.prompting import BARE_TEMPLATE, guess_variant
from evalharness.records import Variant

if TYPE_CHECKING:
    from evalharness.backends.ollama_wire import Server


class OllamaSurvey:
    """The server at `OLLAMA_HOST`, then on this machine."""

    example = None

    def models(self, report: Report) -> list[LocalModel]:
        """What it has pulled; none where it does not answer."""
        if find_spec("httpx") is None:
            return []
        try:
            with closing(_server()) as server:
                tags = server.ask("GET", "/api/tags").get("models", [])
                models = [_from_server(tag, _show(server, tag["name"])) for tag in tags]
        except BackendError as error:
            report(error)
            return []
        return sorted(models, key=lambda model: model.model)

    def checks(self) -> list[Check]:
        """The client, the server, its models, and whether a loaded model is partly offloaded to the CPU."""
        if find_spec("httpx") is None:
            fix = "pip install 'evalharness[ollama]'"
            return [Check(name="Ollama", status="note", found="httpx is not installed", fix=fix)]
        try:
            with closing(_server()) as server:
                version = server.ask("GET", "/api/version")["version"]
                tags, running = server.ask("GET", "/api/tags")["models"], server.ask("GET", "/api/ps")["models"]
        except BackendError as error:
            return [Check(name="Ollama", status="note", found=error.problem, fix=error.fix)]
        there = Check(name="Ollama", status="ok", found=f"{version} at {server.url}")
        memory = free_memory() if server.is_local else None
        return [there, _pulled(tags, memory), *map(_offload, running)]


def _server() -> "Server":
    from evalharness.backends.ollama_wire import Server

    return Server(None, timeout=5.0)


def _show(server: "Server", name: str) -> dict[str, Any]:
    """What the server says of a model; nothing where that model is damaged."""
    try:
        return server.ask("POST", "/api/show", {"model": name})
    except BackendError:
        return {}


def _from_server(tag: dict[str, Any], shown: dict[str, Any]) -> LocalModel:
    name, info = tag["name"].removesuffix(":latest"), shown.get("model_info", {})
    bare = BARE_TEMPLATE.fullmatch(shown.get("template", "")) is not None and not renderer_of(shown)
    hint: Variant = "base" if bare else "instruct"
    evidence = f"it has {'no' if bare else 'a'} chat template, which is a hint, not proof"
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
        served=True,
    )


def _pulled(tags: list[dict[str, Any]], memory: int | None) -> Check:
    if not tags:
        return Check(name="Ollama models", status="missing", found="none", fix="ollama pull llama3.1:8b")
    largest = max(tags, key=lambda tag: int(tag["size"]))
    summary = f"{len(tags)}, the largest {largest['name']} with {format_bytes(largest['size'])}"
    if memory and largest["size"] > memory:
        fix = f"{format_bytes(memory)} of memory are free; without a GPU the model will not fit"
        return Check(name="Ollama models", status="note", found=summary, fix=fix)
    return Check(name="Ollama models", status="ok", found=summary)


def _offload(running: dict[str, Any]) -> Check:
    share = running["size_vram"] / max(running["size"], 1)
    name, place = f"loaded {running['name']}", f"{share:.0%} on the GPU, context {running.get('context_length', '?')}"
    if 0 < share < 1:
        fix = "partly offloaded to the CPU, which is slow: close other programs, or use a smaller quantization"
        return Check(name=name, status="note", found=place, fix=fix)
    return Check(name=name, status="ok", found=place)
