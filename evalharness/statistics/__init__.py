"""Statistics on plain numbers: intervals, paired tests, multiplicity. Pure, seeded, and silent about records.

Every function raises ValueError where there is nothing to say, and none returns NaN.
"""

from evalharness.statistics.distributions import Z95, Floats, beta_quantile, t_quantile, t_tail
from evalharness.statistics.margins import non_inferiority
from evalharness.statistics.means import resample, sign_flips
from evalharness.statistics.multiplicity import holm, smallest_p
from evalharness.statistics.rates import cohens_g, effective_size, mcnemar, tango, wilson

__all__ = [
    "Z95",
    "Floats",
    "beta_quantile",
    "cohens_g",
    "effective_size",
    "holm",
    "mcnemar",
    "non_inferiority",
    "resample",
    "sign_flips",
    "smallest_p",
    "t_quantile",
    "t_tail",
    "tango",
    "wilson",
]
