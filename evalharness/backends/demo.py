"""The bundled pair: `demo/base` is Gemma 3 270M, `demo/instruct` is SmolLM2-135M-Instruct, both from packages."""

from evalharness.backends.hf import HfBackend
from evalharness.errors import UnknownModel
from evalharness.weights import files, loading
from evalharness.weights.bundled import LOCATE

NOT_ONE_FAMILY = (
    "The bundled checkpoints are from different model families: they show contrasts, not the effect of tuning."
)
NOTES = {
    "base": ("Gemma 3 270M (pre-trained), under the Gemma Terms of Use.", NOT_ONE_FAMILY),
    "instruct": ("SmolLM2-135M-Instruct, Apache-2.0.", NOT_ONE_FAMILY),
}


class DemoBackend(HfBackend):
    """An `hf` backend whose weights come from installed packages."""

    def notes(self) -> tuple[str, ...]:
        """Licences, and that the two are from different families."""
        return NOTES[self.checkpoint.model_name]

    def locate(self) -> files.Source:
        """The GGUF file of the package.

        Raises:
            MissingExtra: a package is not installed.
        """
        if self.checkpoint.model_name not in LOCATE:
            raise UnknownModel(f"there is no {self.checkpoint.model}", fix=f"use demo/{' or demo/'.join(LOCATE)}")
        return loading.find_source(str(LOCATE[self.checkpoint.model_name]()))
