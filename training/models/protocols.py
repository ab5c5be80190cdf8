"""The Recommender protocol: what every ranking family offers to training and scoring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from training.data.batches import TrainingBatch, UserBatch
from training.layers.ensemble import Ensemble, HeadScores


class Recommender(Protocol):
    """What every family offers, as a torch module.

    Attributes:
        head_names: names of its heads; a family without heads has one, "collaborative".
        ensemble: combines the heads' scores by weights selected on validation; of one head it
            keeps the order.
        node_tables: parameters with one row per node, and the kind of node; a loaded model maps
            the rows by id.
    """

    ensemble: Ensemble

    @property
    def head_names(self) -> tuple[str, ...]:
        """See above."""

    @property
    def node_tables(self) -> Mapping[str, str]:
        """See above."""

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """Named losses, whose sum is minimised; none for a family that its constructor solves."""

    def head_scores(self, batch: UserBatch) -> HeadScores:
        """Scores and coverage of each head."""

    def score(self, batch: UserBatch) -> Tensor:
        """Score of every track, shape (batch, n_tracks); -inf where no head covers the track.

        The caller may change it.
        """
