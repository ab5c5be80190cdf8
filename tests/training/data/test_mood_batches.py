"""Batches of listens: each listen once an epoch, negatives by popularity, and how often each was expected."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.training.datasets import CPU
from tests.training.tasks.mood_worlds import two_moods
from training.data.mood_batches import MoodBatches

LISTENS = two_moods().listens
BATCHES = MoodBatches(
    listens=LISTENS,
    listeners=torch.tensor([7.0] + [0.0] * 18 + [100.0]),
    known_mask=torch.arange(20) < 19,
    batch_listens=100,
    min_batches=1,
    n_negatives=6,
    popularity_power=1.0,
    text_dropout=0.25,
    generator=torch.Generator(),
    device=CPU,
)


def batches_of(**changes):
    return replace(BATCHES, generator=torch.Generator().manual_seed(2), **changes)


def test_an_epoch_has_each_listen_once_in_another_order():
    batches = batches_of()
    tracks = torch.cat([batch.positives for batch in batches])

    assert len(batches) == math.ceil(len(LISTENS) / 100)
    assert sorted(tracks.tolist()) == sorted(LISTENS.tracks.tolist())
    assert tracks.tolist() != LISTENS.tracks.tolist()


def test_negatives_are_drawn_by_popularity_among_known_tracks():
    """Track 0 has 7 listeners and the 18 others none: 8 of 26 draws. Track 19 is not known yet."""
    drawn = torch.cat([batch.negatives for batch in batches_of(batch_listens=1)])

    share = float((drawn == 0).float().mean())
    assert share == pytest.approx(8 / 26, abs=0.03)
    assert int(drawn.max()) == 18


def test_each_negative_knows_how_often_it_was_expected():
    """Of six draws track 0 is expected 6 x 8 / 26 times, another one 6 / 26 times."""
    batch = next(iter(batches_of(batch_listens=1_000)))

    expected = torch.where(batch.negatives == 0, 48 / 26, 6 / 26)
    assert batch.log_expected.numpy() == pytest.approx(expected.log().numpy(), abs=1e-6)


def test_a_small_catalogue_is_not_drawn_but_stands_whole():
    batch = next(iter(batches_of(n_negatives=19)))

    assert batch.negatives.tolist() == list(range(19))
    assert not batch.log_expected.any()


def test_a_share_of_the_listens_is_seen_without_text():
    has_text = torch.cat([batch.has_text for batch in batches_of()])

    assert float(has_text.float().mean()) == pytest.approx(0.75, abs=0.06)
    assert all(batch.has_text.all() for batch in batches_of(text_dropout=0.0))


def test_shards_share_the_negatives_and_divide_the_listens():
    batch = next(iter(batches_of()))
    first, second = batch.shard(0, 2), batch.shard(1, 2)

    assert torch.equal(first.negatives, second.negatives)
    both = torch.stack([first.positives, second.positives], dim=1).flatten()
    assert torch.equal(both, batch.positives)
