"""Nearest on the plane: recommends the tracks whose mood is nearest to the one that is asked for.

Knows no listener; a baseline of `mood`. Tracks at the same distance are ranked by their listeners.
Differs from the paper: there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from training.models.ranking.mood_crosses import popularity_of

if TYPE_CHECKING:
    from training.data.mood import MoodView
    from training.models.mood_protocol import MoodQueries

STEPS = 10_000
"""Of a distance of 1: tracks of one step are equally near."""
_NOWHERE = 2.0
"""Distance of a track without a mood: beyond every other one, of which the greatest is 1.42."""


@dataclass(frozen=True, slots=True)
class NearestMoodConfig:
    """Nothing to set."""


class NearestMood(nn.Module):
    """score = -distance in steps, plus the track's popularity as a share of a step."""

    node_tables: Mapping[str, str] = MappingProxyType({})
    positions: Tensor
    has: Tensor
    popularity: Tensor

    def __init__(self, config: NearestMoodConfig, view: MoodView) -> None:  # noqa: ARG002
        super().__init__()
        self.register_buffer("positions", view.moods.positions, persistent=False)
        self.register_buffer("has", view.moods.has, persistent=False)
        self.register_buffer("popularity", popularity_of(view).double() / 2, persistent=False)

    def score(self, queries: MoodQueries, tracks: Tensor) -> Tensor:
        """Score of some tracks for each query, shape (batch, n) float64."""
        apart = queries.contexts[:, None] - self.positions[tracks]  # (batch, n, 2)
        distance = torch.linalg.vector_norm(apart, dim=2)
        distance = distance.where(self.has[tracks], _NOWHERE)
        scores: Tensor = self.popularity[tracks] - (distance * STEPS).round()
        return scores
