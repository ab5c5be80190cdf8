"""Popularity in every mood: recommends the tracks with the most listeners, whatever is asked for.

The baseline of `mood` that knows neither the listener nor the mood.
Differs from the paper: there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from training.data.mood import MoodView
    from training.models.mood_protocol import MoodQueries


@dataclass(frozen=True, slots=True)
class MoodPopularityConfig:
    """Nothing to set."""


class MoodPopularity(nn.Module):
    """score(query, track) = number of distinct listeners of the track."""

    node_tables: Mapping[str, str] = MappingProxyType({})
    listeners: Tensor

    def __init__(self, config: MoodPopularityConfig, view: MoodView) -> None:  # noqa: ARG002
        super().__init__()
        self.register_buffer("listeners", view.ranking.graph.listener_count(), persistent=False)

    def score(self, queries: MoodQueries, tracks: Tensor) -> Tensor:
        """Score of some tracks for each query, shape (batch, n)."""
        return self.listeners[tracks].repeat(len(queries.users), 1)
