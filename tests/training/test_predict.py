"""Rows of score_candidates from heads whose scores and coverage are written out here."""

from __future__ import annotations

from datetime import date

import torch
from torch import Tensor, nn

from tests.training.datasets import dataset_of, listens_on, nodes_of
from training.data.batches import UserBatch
from training.layers.ensemble import Ensemble, HeadScores
from training.tasks.candidate_rows import candidate_batches
from training.tasks.protocol import ScoringModel

MARCH_1 = date(2026, 3, 1)
SCORING = ScoringModel("four_heads", "v1")
YES_NO = {"x": True, ".": False}

COVERAGE = {  # of t0 to t4, for ann and for bo
    "collaborative": ("xx...", "x...."),
    "audio": ("x.x..", "..xx."),
    "cover": ("xxxx.", ".xxx."),
    "linear": (".x.x.", "....x"),
}


class FourHeads(nn.Module):
    """Every head says 0, 1, 2, 3, 4 of t0 to t4; they differ in the tracks that they cover."""

    head_names = (*COVERAGE,)

    def __init__(self, weights: list[float]) -> None:
        super().__init__()
        self.ensemble = Ensemble(4)
        self.ensemble.weights.copy_(torch.tensor(weights))

    def head_scores(self, batch: UserBatch) -> HeadScores:
        covers = [
            [[YES_NO[mark] for mark in of_user] for of_user in both] for both in COVERAGE.values()
        ]
        mask = torch.tensor(covers)[:, batch.users]
        scores: Tensor = torch.arange(5.0).expand(mask.shape)
        return HeadScores(scores, mask)


def test_a_row_names_the_heads_with_weight_that_cover_its_track(night):
    """Cover has weight 0: it is named only for bo's t1, which it alone covers and which its score lists."""
    nodes = nodes_of(["ann", "bo"], [f"t{n}" for n in range(5)])
    dataset = dataset_of(nodes, listens_on([(0, 0, MARCH_1), (1, 0, MARCH_1)]), MARCH_1)

    [batch] = candidate_batches(
        night, SCORING, FourHeads([1, 2, 0, 0.5]), dataset, torch.tensor([0, 1])
    )

    rows = batch.to_pylist()

    assert {(row["user_id"], row["track_id"]): row["heads"] for row in rows} == {
        ("ann", "t0"): ["collaborative", "audio"],
        ("ann", "t1"): ["collaborative", "linear"],
        ("ann", "t2"): ["audio"],
        ("ann", "t3"): ["linear"],
        ("bo", "t0"): ["collaborative"],
        ("bo", "t1"): ["cover"],
        ("bo", "t2"): ["audio"],
        ("bo", "t3"): ["audio"],
        ("bo", "t4"): ["linear"],
    }
    # Calibrated scores of ann: collaborative -1, 1; audio -1 (t0), 1 (t2); linear -1 (t1), 1 (t3).
    # t0 (-1 - 2) / 3 = -1; t1 (1 - 0.5) / 1.5 = 1/3; t2 1; t3 1, behind t2 by its id.
    ann = [(row["track_id"], round(row["score"], 3)) for row in rows if row["user_id"] == "ann"]
    assert ann == [("t2", 1.0), ("t3", 1.0), ("t1", 0.333), ("t0", -1.0)]
