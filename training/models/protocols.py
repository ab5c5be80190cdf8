"""What tasks ask of their families: scores, heads of an ensemble, vectors of tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


TEXT_METRIC = "text_mrr"
"""How well texts find recordings, among the figures of a family whose tracks have both."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedTracks:
    """Vectors of some tracks.

    Attributes:
        vectors: unit vectors by their name, shape (n, dim) each.
        has: which tracks have one, likewise, shape (n,) bool; other rows mean nothing.
    """

    vectors: Mapping[str, Tensor]
    has: Mapping[str, Tensor]

    def rows(self, rows: Tensor) -> EncodedTracks:
        """Some of the tracks, by their rows here."""
        return EncodedTracks(
            {name: one[rows] for name, one in self.vectors.items()},
            {name: one[rows] for name, one in self.has.items()},
        )


class TrackEncoder(Protocol):
    """What a family of similar tracks offers."""

    def encode(self, tracks: Tensor) -> EncodedTracks:
        """Vectors of tracks at positions, shape (n,); unit length, on the CPU."""

    def similarity(
        self, queries: EncodedTracks, tracks: EncodedTracks, *, by_audio: bool
    ) -> Tensor:
        """How alike, shape (queries, tracks); -inf for a pair that cannot be compared.

        Args:
            queries: some tracks.
            tracks: those they are compared with.
            by_audio: by sound alone.
        """
