"""Statistics on plain numbers: intervals, paired tests, multiplicity. Pure, seeded and independent of records.

Every function raises ValueError if it has no result, and none returns NaN.
"""

from evalharness.statistics.estimates import (
    Constant,
    Difference,
    Estimate,
    Mean,
    RateDifference,
    Share,
    means_of,
    rate_difference,
    share,
)
from evalharness.statistics.means import resample
from evalharness.statistics.quantiles import Z95, Floats, beta_quantile, t_quantile, t_tail
from evalharness.statistics.rates import cohens_g, effective_size, mcnemar, smallest_p, tango, wilson
from evalharness.statistics.sequential import Betting, betting

__all__ = [
    "Z95",
    "Betting",
    "Constant",
    "Difference",
    "Estimate",
    "Floats",
    "Mean",
    "RateDifference",
    "Share",
    "beta_quantile",
    "betting",
    "cohens_g",
    "effective_size",
    "mcnemar",
    "means_of",
    "rate_difference",
    "resample",
    "share",
    "smallest_p",
    "t_quantile",
    "t_tail",
    "tango",
    "wilson",
]
