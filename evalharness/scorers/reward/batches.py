"""Batches of similar length under a token budget, made smaller where memory does not suffice."""

import logging
from collections.abc import Callable, Sequence

from evalharness.scorers.reward.encoding import Encoded
from evalharness.weights.devices import free_memory, is_out_of_memory

log = logging.getLogger(__name__)
Read = Callable[[Sequence[Encoded]], list[float]]


def read_in_batches(items: Sequence[Encoded], read: Read, *, batch_tokens: int, device: str) -> list[float | None]:
    """The rewards of all items, in their order; None where memory did not suffice for an item alone.

    Longest first, so that what does not fit in memory shows early. A batch is counted at its longest item, for the
    others are padded to it.
    """
    rewards: list[float | None] = [None] * len(items)
    waiting = sorted(range(len(items)), key=lambda place: len(items[place].ids), reverse=True)
    budget = batch_tokens
    while waiting:
        batch = waiting[: max(1, budget // len(items[waiting[0]].ids))]
        try:
            result = read([items[place] for place in batch])
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            free_memory(device)
            if len(batch) == 1:
                # One that is too long says nothing about the shorter ones that follow.
                budget, waiting = batch_tokens, waiting[1:]
            else:
                budget = len(items[waiting[0]].ids) * (len(batch) // 2)
                log.warning("a batch of %d did not fit into memory; continuing with %d", len(batch), len(batch) // 2)
            continue
        for place, reward in zip(batch, result, strict=True):
            rewards[place] = reward
        waiting = waiting[len(batch) :]
        log.info("rewards: %d of %d", len(items) - len(waiting), len(items))
    return rewards
