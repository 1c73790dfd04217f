"""The observation table of a run: every value measured on each completion, or the reason why it is missing.

Checkpoints x replicates x samples x metrics, as columns of numbers; a request is a cell. Whatever is compared, judged,
drawn or exported is taken from here. Samples are in the order of their ids, so that no number depends on the order in
which samples, requests or scores come; `suite_order` leads back to the order of the suites.
"""

from evalharness.observations.labels import NO_SCORE, SCORED, UNSCORED, Labels, Mask
from evalharness.observations.making import observe
from evalharness.observations.table import Observations, averaged

__all__ = ["NO_SCORE", "SCORED", "UNSCORED", "Labels", "Mask", "Observations", "averaged", "observe"]
