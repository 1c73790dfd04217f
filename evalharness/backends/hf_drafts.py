"""What rows that loop would write next: checked in one pass, a draft saves as many passes as it has tokens."""

from collections.abc import Sequence

from evalharness.backends.hf_batch import Batch

MOST_DRAFTED = 16
TOKENS_A_PASS = 64
"""Of all rows: a pass over so few costs little more than one over a token each."""
LONGEST_PERIOD = 64
REPEATED = 16
"""Tokens of a row that must have repeated."""


def drafts_of(batch: Batch) -> list[list[int]] | None:
    """As many tokens for each row, or None if an unfinished row does not loop or its tokens are drawn."""
    unfinished = [row for row in batch.rows if row.finish_reason is None]
    room = (row.limit - len(row.tokens) for row in unfinished)
    count = min(MOST_DRAFTED, TOKENS_A_PASS // len(batch.rows) - 1, *room)
    if count < 2 or not batch.choose.takes_likeliest or not batch.can_take_back(1 + count):
        return None
    drafts: list[list[int]] = []
    for row in batch.rows:
        draft = repetition(row.tokens, count) if row.finish_reason is None else [0] * count
        if draft is None:
            return None
        drafts.append(draft)
    return drafts


def repetition(tokens: Sequence[int], count: int) -> list[int] | None:
    """The next `count` tokens if the last ones go on repeating; None if they do not repeat.

    >>> repetition([7, *[1, 2, 3] * 7], 4)
    [1, 2, 3, 1]
    """
    for period in range(1, LONGEST_PERIOD + 1):
        length = max(period, REPEATED)
        if len(tokens) < period + length:
            return None
        if tokens[-1] == tokens[-1 - period] and tokens[-length:] == tokens[-length - period : -period]:
            return [tokens[place % period - period] for place in range(count)]
    return None
