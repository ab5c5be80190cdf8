from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.worlds import pairs_of, two_taste_evidence
from training.data.batches import UserBatch
from training.data.dataset import Evidence
from training.models.ranking.ials import IALS, IALSConfig

EVERYBODY = UserBatch(torch.arange(18))
HEARD = [(0, 0), (0, 3), (1, 0), (1, 1), (2, 3), (4, 2), (4, 3)]
STRENGTH = [0.5, 2.0, 1.0, 3.0, 0.25, 1.0, 4.0]


def evidence() -> Evidence:
    """Seven listens of different strength; nobody heard the tracks from 4 on."""
    known = two_taste_evidence()
    listened = replace(pairs_of(HEARD), weight=torch.tensor(STRENGTH))
    return Evidence(replace(known.graph, listened=listened), {})


def test_each_track_is_the_weighted_ridge_solution_over_all_people():
    """(X'CX + l2 I) y = X'Cp for every track, with C = 1 + alpha x weight on listens and 1 elsewhere."""
    model = IALS(IALSConfig(dim=3, n_iterations=4, alpha=2.0, l2=0.7), evidence())
    people = model.users.double().numpy()
    trust, heard = np.ones((18, 13)), np.zeros((18, 13))
    for (user, track), strength in zip(HEARD, STRENGTH, strict=True):
        trust[user, track], heard[user, track] = 1 + 2.0 * strength, 1

    for track in range(13):
        by_trust = people.T * trust[:, track]
        left, right = by_trust @ people + 0.7 * np.eye(3), by_trust @ heard[:, track]
        assert model.tracks[track].numpy() == pytest.approx(np.linalg.solve(left, right), abs=1e-4)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    one, again, other = (
        IALS(IALSConfig(dim=3, seed=seed), evidence()).score(EVERYBODY) for seed in (1, 1, 2)
    )

    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_scores_are_inner_products_and_unheard_tracks_have_none():
    model = IALS(IALSConfig(dim=3), evidence())

    scores = model.score(UserBatch(torch.tensor([4, 1])))

    assert scores[1, 3] == pytest.approx(float(model.users[1] @ model.tracks[3]), abs=1e-6)
    assert bool((scores[:, 4:] == -torch.inf).all())
