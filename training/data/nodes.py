"""Ids and their positions: what an id is outside (a string) and inside a tensor (a row).

Positions are places in the sorted list of ids, so they depend on which ids there are and on nothing
    else: two lakes that know the same people and tracks give the same tensors, in whatever order
    the nights were run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor


class DanglingIdError(ValueError):
    """A row names a node that graph_nodes does not list."""


@dataclass(frozen=True, slots=True, eq=False)
class IdList:
    """The ids of one kind of node, sorted and unique.

    Attributes:
        ids: shape (n,); the position of an id is its place here.
    """

    kind: str
    ids: NDArray[np.str_]

    @classmethod
    def of(cls, kind: str, ids: Iterable[str]) -> IdList:
        """Sort and de-duplicate `ids`."""
        return cls(kind, np.unique(np.array(list(ids), dtype=np.str_)))

    def __len__(self) -> int:
        """Number of nodes."""
        return len(self.ids)

    def positions(self, wanted: Iterable[str], table: str) -> Tensor:
        """Position of each wanted id, shape (n,) int64.

        Args:
            wanted: ids, repeated or not, in any order.
            table: where they come from, for the message.

        Raises:
            DanglingIdError: an id is not in the list.
        """
        names = np.array(list(wanted), dtype=np.str_)
        places = np.searchsorted(self.ids, names)
        is_known = self._is_at(places, names)
        if not is_known.all():
            missing = np.unique(names[~is_known])
            raise DanglingIdError(
                f"{table}: {len(missing)} ids are no {self.kind} in graph_nodes, "
                f"first {str(missing[0])!r}; run the graph jobs of this night again"
            )
        return torch.from_numpy(places.astype(np.int64))

    def shared_with(self, other: IdList) -> tuple[Tensor, Tensor]:
        """Positions here, and positions in `other`, of the ids that both lists have."""
        places = np.searchsorted(other.ids, self.ids)
        is_shared = other._is_at(places, self.ids)
        return (
            torch.from_numpy(np.flatnonzero(is_shared)),
            torch.from_numpy(places[is_shared].astype(np.int64)),
        )

    def _is_at(self, places: NDArray[np.intp], names: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Whether each name really stands at its place."""
        if not len(self.ids):
            return np.zeros(len(names), dtype=bool)
        found: NDArray[np.bool_] = self.ids[np.minimum(places, len(self.ids) - 1)] == names
        return found


@dataclass(frozen=True, slots=True)
class Nodes:
    """Every node that an edge may connect, by kind."""

    users: IdList
    tracks: IdList
    artists: IdList
    tags: IdList
    albums: IdList

    def of_kind(self, kind: str) -> IdList:
        """The list of one kind: user, track, artist, tag or album."""
        return {
            "user": self.users,
            "track": self.tracks,
            "artist": self.artists,
            "tag": self.tags,
            "album": self.albums,
        }[kind]
