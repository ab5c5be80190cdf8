"""What the ranking task asks of its families: scores, and of an ensemble its heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from training.data.batches import TrainingBatch, UserBatch
from training.layers.ensemble import Ensemble, HeadScores


class Recommender(Protocol):
    """What every ranking family offers, as a torch module.

    Attributes:
        node_tables: parameters with one row per node, and the kind of node; a loaded model maps
            the rows by id.
    """

    @property
    def node_tables(self) -> Mapping[str, str]:
        """See above."""

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """Named losses, whose sum is minimised; none for a family that its constructor solves."""

    def score(self, batch: UserBatch) -> Tensor:
        """Score of every track, shape (batch, n_tracks); -inf where the model covers no track.

        The caller may change it.
        """


@runtime_checkable
class EnsembleRecommender(Protocol):
    """A family whose heads are combined by weights that validation selects.

    Attributes:
        head_names: in the order of the heads.
        ensemble: combines the heads' scores.
    """

    ensemble: Ensemble

    @property
    def head_names(self) -> tuple[str, ...]:
        """See above."""

    def head_scores(self, batch: UserBatch) -> HeadScores:
        """Scores and coverage of each head."""
