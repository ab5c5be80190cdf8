from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.datasets import pairs_of, two_taste_view
from training.data.batches import UserBatch
from training.data.dataset import DataView
from training.models.ranking.ials import IALS, IALSConfig

ALL_USERS = UserBatch(torch.arange(18))
LISTENED = [(0, 0), (0, 3), (1, 0), (1, 1), (2, 3), (4, 2), (4, 3)]
STRENGTH = [0.5, 2.0, 1.0, 3.0, 0.25, 1.0, 4.0]


def view() -> DataView:
    """Seven listens of different strength; tracks from 4 on are unheard."""
    known = two_taste_view()
    listened = replace(pairs_of(LISTENED), weight=torch.tensor(STRENGTH))
    return DataView(replace(known.graph, listened=listened), {})


def test_each_track_is_the_weighted_ridge_solution_over_all_users():
    """(X'CX + l2 I) y = X'Cp for every track, with C = 1 + alpha x weight on listens and 1 elsewhere."""
    model = IALS(IALSConfig(dim=3, n_iterations=4, alpha=2.0, l2=0.7), view())
    users = model.users.double().numpy()
    confidence, heard = np.ones((18, 13)), np.zeros((18, 13))
    for (user, track), strength in zip(LISTENED, STRENGTH, strict=True):
        confidence[user, track], heard[user, track] = 1 + 2.0 * strength, 1

    for track in range(13):
        weighted = users.T * confidence[:, track]
        left, right = weighted @ users + 0.7 * np.eye(3), weighted @ heard[:, track]
        assert model.tracks[track].numpy() == pytest.approx(np.linalg.solve(left, right), abs=1e-4)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    one, again, other = (
        IALS(IALSConfig(dim=3, seed=seed), view()).score(ALL_USERS) for seed in (1, 1, 2)
    )

    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_scores_are_inner_products_and_unheard_tracks_have_none():
    model = IALS(IALSConfig(dim=3), view())

    scores = model.score(UserBatch(torch.tensor([4, 1])))

    assert scores[1, 3] == pytest.approx(float(model.users[1] @ model.tracks[3]), abs=1e-6)
    assert bool((scores[:, 4:] == -torch.inf).all())
