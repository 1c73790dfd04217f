"""Whether the bundled pair is installed."""

from importlib.util import find_spec

from evalharness.backends.survey import Check, LocalModel, Report
from evalharness.weights.bundled import INSTALL, PACKAGES


class DemoSurvey:
    """The bundled checkpoints."""

    example = None

    def models(self, report: Report) -> list[LocalModel]:
        """All, or none where a package is missing."""
        if not _is_installed():
            return []
        return [
            LocalModel(model="demo/base", variant="base", evidence="Gemma 3 270M, bundled"),
            LocalModel(model="demo/instruct", variant="instruct", evidence="Gemma 3 270M with an adapter, bundled"),
            LocalModel(model="demo/smollm2", variant="instruct", evidence="SmolLM2-135M-Instruct, bundled"),
        ]

    def checks(self) -> list[Check]:
        """Whether they are installed."""
        if _is_installed():
            return [Check(name="bundled checkpoints", status="ok", found="demo/base, demo/instruct and demo/smollm2")]
        return [Check(name="bundled checkpoints", status="missing", found="not installed", fix=" and ".join(INSTALL))]


def _is_installed() -> bool:
    return all(find_spec(package) is not None for package in PACKAGES.values())
