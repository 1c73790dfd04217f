"""A gate's verdict in the formats of CI systems. `fail` and `undecided` stop a job; neither is ever green."""

from evalharness.gate.ci.annotations import annotations
from evalharness.gate.ci.junit import junit
from evalharness.gate.ci.markdown import markdown

__all__ = ["annotations", "junit", "markdown"]
