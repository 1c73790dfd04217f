"""A gate's verdict in the forms that CI systems read. Only `fail` and `undecided` end a job; neither is ever green."""

from evalharness.ci.annotations import annotations, inert
from evalharness.ci.junit import junit
from evalharness.ci.markdown import markdown

__all__ = ["annotations", "inert", "junit", "markdown"]
