"""The bundled checkpoints: `demo/base`, its adapters `demo/instruct` and `demo/regressed`, and `demo/smollm2`."""

from evalharness.backends.hf import HfBackend
from evalharness.errors import UnknownModel
from evalharness.records import Checkpoint
from evalharness.weights import files, loading
from evalharness.weights.bundled import ADAPTERS, LOCATE, demo_folder

GEMMA = "Gemma 3 270M (pre-trained), under the Gemma Terms of Use."
NOTES = {
    "base": (GEMMA,),
    "instruct": (GEMMA, "With an adapter that was trained for this demo; it is no product."),
    "regressed": (GEMMA, "With an adapter that was trained to refuse too much, as an example of a regression."),
    "smollm2": ("SmolLM2-135M-Instruct, Apache-2.0.",),
}


class DemoBackend(HfBackend):
    """An `hf` backend whose weights come from installed packages."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        if checkpoint.model_name not in NOTES:
            raise UnknownModel(f"there is no {checkpoint.model}", fix=f"use demo/{', demo/'.join(NOTES)}")
        super().__init__(checkpoint)
        if checkpoint.model_name in ADAPTERS:
            adapter = demo_folder() / checkpoint.model_name
            self.options = self.options.model_copy(update={"adapter": adapter})

    def notes(self) -> tuple[str, ...]:
        """What it is, and its licence."""
        return NOTES[self.checkpoint.model_name]

    def locate(self) -> files.Source:
        """The GGUF file of the package.

        Raises:
            MissingExtra: a package is not installed.
        """
        name = self.checkpoint.model_name
        return loading.find_source(str(LOCATE["base" if name in ADAPTERS else name]()))
