"""Batches of texts: all of them once an epoch, drawn by the generator, of like length."""

from __future__ import annotations

import torch

from training.data.text_batches import BATCHES_TO_SORT, TextBatch, TextBatches


def epoch(batches):
    return [batch.positions.tolist() for batch in batches]


def batches_of(lengths, size=4, seed=1):
    return TextBatches(torch.tensor(lengths), size, torch.Generator().manual_seed(seed))


def test_an_epoch_has_every_text_once_and_the_next_one_another_order():
    batches = batches_of([number % 5 for number in range(18)])

    first, second = epoch(batches), epoch(batches)

    for drawn in (first, second):
        assert sorted(position for batch in drawn for position in batch) == list(range(18))
    assert first != second
    assert len(first) == len(batches) == 5
    assert epoch(batches_of([number % 5 for number in range(18)])) == first


def test_texts_of_like_length_are_together():
    """Two lengths of 8 texts each, all within one block: no batch of 4 has both."""
    lengths = [3, 90] * 8

    for batch in epoch(batches_of(lengths)):
        assert len({lengths[position] for position in batch}) == 1


def test_beyond_a_block_batches_differ_from_epoch_to_epoch():
    """Texts are sorted within blocks alone, so a text meets other ones in the next epoch."""
    n_texts = 3 * 4 * BATCHES_TO_SORT
    batches = batches_of(list(range(n_texts)))

    first, second = ({frozenset(batch) for batch in epoch(batches)} for _ in range(2))

    assert len(first & second) < len(first) / 2


def test_processes_share_a_batch():
    batch = TextBatch(torch.tensor([5, 6, 7]))

    shards = [batch.shard(rank, 4).positions.tolist() for rank in range(4)]

    assert shards == [[5], [6], [7], []]
    assert "5, 6, 7" in batch.describe()
