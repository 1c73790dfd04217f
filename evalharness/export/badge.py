"""The gate's verdict for a badge, as shields.io reads it from an address (https://shields.io/badges/endpoint-badge)."""

import json

from evalharness.errors import SharingError
from evalharness.export import Choices, Exported
from evalharness.store import Run

LOOKS = {"pass": ("passed", "brightgreen"), "fail": ("failed", "red"), "undecided": ("undecided", "yellow")}


def to_badge(run: Run, choices: Choices) -> Exported:
    """One JSON object."""
    del choices
    if run.gate is None:
        raise SharingError("the run has no gate", fix="evalharness gate RUN --config evalharness.toml, then export it")
    message, color = LOOKS[run.gate.verdict]
    badge = {"schemaVersion": 1, "label": "evalharness", "message": message, "color": color}
    return Exported((json.dumps(badge) + "\n").encode())
