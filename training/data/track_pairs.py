"""Pairs of tracks that listeners heard one after the other, from which taste is learned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import torch

from feature_store.lake.arrow_io import exists, read_table
from feature_store.tables.core import CORE_TRACK_PAIRS
from training.data.interactions import Pairs, day_number
from training.data.reading import days_of

if TYPE_CHECKING:
    from torch import Tensor

    from training.data.nodes import Nodes


@dataclass(frozen=True, slots=True, eq=False)
class TrackPairs:
    """A track, and the track that a listener went on to finish; positions, all of shape (n,).

    Attributes:
        users: the listeners.
        triggers: the tracks before.
        tracks: the tracks that were finished.
        day: of the second listen, days since 1970-01-01.
    """

    users: Tensor
    triggers: Tensor
    tracks: Tensor
    day: Tensor

    def __len__(self) -> int:
        """Number of pairs; the same one on another day is another."""
        return len(self.users)

    def where(self, mask: Tensor) -> TrackPairs:
        """The pairs that `mask`, shape (n,), lets through."""
        return TrackPairs(self.users[mask], self.triggers[mask], self.tracks[mask], self.day[mask])

    def before(self, end: date) -> TrackPairs:
        """The pairs of days before `end`."""
        return self.where(self.day < day_number(end))

    def within(self, start: date, end: date) -> TrackPairs:
        """The pairs of [start, end)."""
        return self.where((self.day >= day_number(start)) & (self.day < day_number(end)))

    def distinct(self, n_tracks: int) -> Pairs:
        """Trigger and track of all listeners, each once; the weight counts how often."""
        keys, count = torch.unique(self.triggers * n_tracks + self.tracks, return_counts=True)
        return Pairs(keys // n_tracks, keys % n_tracks, count.float())


def read_track_pairs(lake: str, as_of: date, nodes: Nodes) -> TrackPairs:
    """The pairs that are known as of a day; none where no night has written the table."""
    if not exists(lake, CORE_TRACK_PAIRS):
        none = torch.zeros(0, dtype=torch.int64)
        return TrackPairs(none, none, none, none)
    columns = ["user_id", "trigger_track_id", "track_id", "listened_date"]
    rows = read_table(lake, CORE_TRACK_PAIRS, as_of=as_of, columns=columns)
    return TrackPairs(
        nodes.users.positions(rows["user_id"], CORE_TRACK_PAIRS.name),
        nodes.tracks.positions(rows["trigger_track_id"], CORE_TRACK_PAIRS.name),
        nodes.tracks.positions(rows["track_id"], CORE_TRACK_PAIRS.name),
        days_of(rows, "listened_date"),
    )
