"""Checks of this machine: what a run needs, whether it is there, and what to type where it is not."""

import os
import platform
import shutil
from contextlib import closing, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from evalharness.backends import INSTALL
from evalharness.errors import BackendError
from evalharness.machine.inventory import demo_is_installed, local_models
from evalharness.records import Record
from evalharness.text import format_bytes


class Check(Record):
    """One thing that was looked at."""

    name: str
    status: Literal["ok", "missing", "note"]
    found: str
    fix: str = ""


def examine() -> list[Check]:
    """All checks, in the order in which a new user meets them."""
    return [_python(), _hf_extra(), _device(), _memory(), _disk(), _bundled(), _models(), _hub(), *_ollama()]


def _python() -> Check:
    return Check(
        name="evalharness", status="ok", found=f"{version('evalharness')} on Python {platform.python_version()}"
    )


def _hf_extra() -> Check:
    missing = [name for name in ("torch", "transformers", "accelerate", "gguf", "peft") if find_spec(name) is None]
    if missing:
        return Check(
            name="hf extra", status="missing", found=f"no {', '.join(missing)}", fix="pip install 'evalharness[hf]'"
        )
    found = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    return Check(name="hf extra", status="ok", found=found)


def _device() -> Check:
    if find_spec("torch") is None:
        return Check(name="device", status="note", found="unknown without torch", fix="pip install 'evalharness[hf]'")
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        found = f"{torch.cuda.get_device_name()}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        return Check(name="device", status="ok", found=found)
    if torch.backends.mps.is_available():
        return Check(name="device", status="ok", found="Apple GPU (MPS)")
    fix = "nothing; on a machine with a GPU install the torch build for it"
    return Check(name="device", status="note", found=f"CPU with {torch.get_num_threads()} threads", fix=fix)


def _memory() -> Check:
    free = _free_memory()
    if free is None:
        return Check(name="memory", status="note", found="unknown on this system")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Check(name="memory", status="ok", found=f"{format_bytes(free)} of {format_bytes(total)} free")


def _free_memory() -> int | None:
    """Bytes that a program could have; on Linux the page cache counts as free."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, AttributeError):
        return None


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free
    if free < 2**30:
        return Check(name="disk", status="missing", found=f"{free / 2**20:.0f} MiB free here", fix="free some space")
    return Check(name="disk", status="ok", found=f"{free / 2**30:.1f} GiB free here")


def _bundled() -> Check:
    if demo_is_installed():
        return Check(name="bundled pair", status="ok", found="demo/base and demo/instruct")
    return Check(name="bundled pair", status="missing", found="not installed", fix=" and ".join(INSTALL["demo"]))


def _models() -> Check:
    cached = [model for model in local_models() if model.model.startswith("hf/")]
    if not cached:
        fix = "nothing; a model named as hf/org/name is downloaded on first use"
        return Check(name="cached models", status="note", found="none in the Hugging Face cache", fix=fix)
    return Check(name="cached models", status="ok", found=f"{len(cached)} in the Hugging Face cache")


def _hub() -> Check:
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    found = "offline: only cached models" if offline else "not tried; downloads are allowed (HF_HUB_OFFLINE is not set)"
    return Check(name="Hugging Face Hub", status="note", found=found)


def _ollama() -> list[Check]:
    """The client, the server, its models, and whether a loaded one is partly off the GPU."""
    if find_spec("httpx") is None:
        found = "httpx is not installed"
        return [Check(name="Ollama", status="note", found=found, fix="pip install 'evalharness[ollama]'")]
    from evalharness.backends.ollama_wire import Server

    try:
        with closing(Server(None, timeout=5.0)) as server:
            version = server.ask("GET", "/api/version")["version"]
            tags, running = server.ask("GET", "/api/tags")["models"], server.ask("GET", "/api/ps")["models"]
    except BackendError as error:
        return [Check(name="Ollama", status="note", found=error.problem, fix=error.fix)]
    there = Check(name="Ollama", status="ok", found=f"{version} at {server.url}")
    memory = _free_memory() if server.is_local else None
    return [there, _pulled(tags, memory), *(_offload(one) for one in running)]


def _pulled(tags: list[dict[str, Any]], memory: int | None) -> Check:
    if not tags:
        return Check(name="Ollama models", status="missing", found="none", fix="ollama pull llama3.1:8b")
    largest = max(tags, key=lambda tag: int(tag["size"]))
    found = f"{len(tags)}, the largest {largest['name']} with {format_bytes(largest['size'])}"
    if memory and largest["size"] > memory:
        fix = f"{format_bytes(memory)} of memory are free; without a GPU it will not fit"
        return Check(name="Ollama models", status="note", found=found, fix=fix)
    return Check(name="Ollama models", status="ok", found=found)


def _offload(running: dict[str, Any]) -> Check:
    share = running["size_vram"] / max(running["size"], 1)
    name, found = f"loaded {running['name']}", f"{share:.0%} on the GPU, context {running.get('context_length', '?')}"
    if 0 < share < 1:
        fix = "a part runs on the CPU and slows it down: close other programs, or take a smaller quantization"
        return Check(name=name, status="note", found=found, fix=fix)
    return Check(name=name, status="ok", found=found)
