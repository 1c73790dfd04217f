"""Several tests at once."""


def smallest_p(n_groups: int) -> float:
    """The smallest two-sided p-value that so many groups can give, were all to differ in one direction.

    >>> [smallest_p(n) for n in (5, 6)]
    [0.0625, 0.03125]
    """
    return min(1.0, 2.0 ** (1 - n_groups))
