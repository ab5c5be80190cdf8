"""Maps external ids (strings) to positions (rows of tensors), and back.

A position is the index of an id in the sorted list of ids, so it depends only on which ids there
    are: two lakes with the same listeners and tracks give the same tensors, in whatever order the
    nights were run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
        ids: shape (n,); the position of an id is its index here.
    """

    kind: str
    ids: NDArray[np.str_]

    @classmethod
    def of(cls, kind: str, ids: Iterable[str] | pa.ChunkedArray) -> IdList:
        """Sort and de-duplicate `ids`."""
        return cls(kind, np.unique(_column(ids).to_numpy(zero_copy_only=False).astype(np.str_)))

    def __len__(self) -> int:
        """Number of nodes."""
        return len(self.ids)

    def find(self, ids: Iterable[str] | pa.ChunkedArray) -> Tensor:
        """Position of each id, shape (n,) int64; -1 for null and for an id that is not listed.

        Columns are looked up as Arrow holds them: of 10^8 rows Python could not keep the strings.
        """
        column = _column(ids)
        indices = pc.index_in(column, value_set=pa.array(self.ids, column.type))
        found = pc.fill_null(indices, -1).to_numpy(zero_copy_only=False)
        return torch.from_numpy(found.astype(np.int64))

    def positions(self, ids: Iterable[str] | pa.ChunkedArray, table: str) -> Tensor:
        """Position of each id, shape (n,) int64.

        Args:
            ids: repeated or not, in any order.
            table: where they come from, for the message.

        Raises:
            DanglingIdError: an id is not in the list.
        """
        column = _column(ids)
        found = self.find(column)
        is_unknown = (found < 0).numpy()
        if is_unknown.any():
            if not len(self):
                raise DanglingIdError(
                    f"graph_nodes: it has no {self.kind} on this date, and {table} names some; the "
                    "graph of a date is written by its night: run evensong night --as-of DATE"
                )
            missing = IdList.of(self.kind, column.filter(pa.array(is_unknown)))
            raise DanglingIdError(
                f"{table}: {len(missing)} ids are no {self.kind} in graph_nodes, "
                f"first {str(missing.ids[0])!r}; run the graph jobs of this night again"
            )
        return found

    def intersection(self, other: IdList) -> tuple[Tensor, Tensor]:
        """Positions here, and positions in `other`, of the ids that both lists have."""
        found = other.find(pa.chunked_array([pa.array(self.ids, pa.string())]))
        is_in_both = found >= 0
        return torch.nonzero(is_in_both).squeeze(1), found[is_in_both]


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


def _column(ids: Iterable[str] | pa.ChunkedArray) -> pa.ChunkedArray:
    """The ids as Arrow holds a column."""
    if isinstance(ids, pa.ChunkedArray):
        return ids
    return pa.chunked_array([pa.array(list(ids), pa.string())])
