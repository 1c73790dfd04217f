"""Batches keep to their budget, and become smaller where memory does not suffice."""

import pytest

from evalharness.scorers.reward.batches import read_in_batches
from evalharness.scorers.reward.encoding import Encoded


def make_encoded(length):
    return Encoded(ids=(7,) * length, types=None, prompt=(0, 1), completion=(1, length))


class Memory:
    """A device on which only so many tokens fit, padding included; its reward is the length."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.batches = []

    def read(self, batch):
        if max(len(encoded.ids) for encoded in batch) * len(batch) > self.tokens:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.batches.append([len(encoded.ids) for encoded in batch])
        return [float(len(encoded.ids)) for encoded in batch]


LENGTHS = [5, 50, 20, 10, 40, 30, 5, 15]


def read(memory, lengths=LENGTHS, batch_tokens=200):
    return read_in_batches(
        [make_encoded(length) for length in lengths], memory.read, batch_tokens=batch_tokens, device="cpu"
    )


def test_the_rewards_come_in_the_order_of_the_items():
    assert read(Memory(10_000)) == LENGTHS


@pytest.mark.parametrize("batch_tokens", [1, 60, 100, 1_000])
def test_no_batch_of_several_items_is_over_the_budget(batch_tokens):
    memory = Memory(10_000)
    assert read(memory, batch_tokens=batch_tokens) == LENGTHS
    assert all(len(batch) == 1 or max(batch) * len(batch) <= batch_tokens for batch in memory.batches)


def test_the_longest_are_read_first_and_batches_are_of_similar_length():
    memory = Memory(10_000)
    read(memory, batch_tokens=100)
    assert [length for batch in memory.batches for length in batch] == sorted(LENGTHS, reverse=True)


def test_a_batch_that_does_not_fit_is_halved_until_it_does():
    memory = Memory(60)
    assert read(memory) == LENGTHS
    assert all(max(batch) * len(batch) <= 60 for batch in memory.batches)


def test_an_item_that_does_not_fit_alone_has_no_reward_and_the_others_have_theirs():
    assert read(Memory(30)) == [None if length > 30 else length for length in LENGTHS]


def test_another_error_is_not_taken_for_a_lack_of_memory():
    def broken(batch):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        read_in_batches([make_encoded(3)], broken, batch_tokens=10, device="cpu")
