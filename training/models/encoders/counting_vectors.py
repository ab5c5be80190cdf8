"""Which vector of a track counts: the first that it has in an order of kinds.

Vectors of two kinds lie in two cones (the modality gap, Liang et al. 2022, arXiv:2203.02053): a
track without a recording would be near to others without one, whatever they are, and far from the
rest. So vectors of a later kind are moved by the distance between the means of both kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from training.models.protocols import EncodedTracks


def kind_shifts(tracks: EncodedTracks, order: Sequence[str]) -> dict[str, Tensor]:
    """What moves vectors of each kind to where those of the first kind lie, shape (dim,) each.

    The mean difference, over the tracks that have both; zeros where none has.

    Args:
        tracks: with vectors of all kinds in the order.
        order: kinds of vectors.
    """
    first = order[0]
    shifts = {}
    for kind in order:
        both = tracks.has[first] & tracks.has[kind]
        difference = tracks.vectors[first][both] - tracks.vectors[kind][both]
        shifts[kind] = difference.sum(dim=0) / max(1, len(difference))
    return shifts


def counting_vectors(
    tracks: EncodedTracks, order: Sequence[str], shifts: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """The vector of each track that counts, and whether it has any, shapes (n, dim) and (n,).

    Args:
        tracks: with vectors of all kinds in the order.
        order: kinds of vectors.
        shifts: see kind_shifts.
    """
    vectors, has = tracks.vectors[order[0]], tracks.has[order[0]]
    for kind in order[1:]:
        moved = F.normalize(tracks.vectors[kind] + shifts[kind], dim=1)
        vectors = torch.where(has[:, None], vectors, moved)
        has = has | tracks.has[kind]
    return vectors, has
