"""Tag embeddings: a vector per tag, and per track the mean over its tags in a view.

The tables hold feat_track_tags too, made of all tags. Training makes the same vectors itself, from
the taggers of the view: a listener who tagged a held-out track knows that track.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from feature_store.tables.features import FEAT_TAGS
from training.data.content import Modality, Vectors, read_vectors, without_emotion
from training.data.graph import csr

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from torch import Tensor

    from training.data.graph import Edges
    from training.data.nodes import IdList


def read_tag_vectors(
    lake: str, as_of: date, tags: IdList, features: Mapping[str, str] | None = None
) -> Vectors:
    """A row per tag, in the order of `tags`; a tag without an embedding has none."""
    keys = [str(tag) for tag in tags.ids]
    return read_vectors(lake, as_of, FEAT_TAGS, "tag", "tag_embedding", keys, features)


def tags_modality(vectors: Vectors, tagged: Edges, tagger_count: Tensor, n_tracks: int) -> Modality:
    """Each track's tags as one vector, by the formula of feat_track_tags.

    embedding = sum of tagger_count x vector over the sum of tagger_count, for tags with a vector.
    Example: rock (1, 0) by two and slow (0, 1) by one: (2/3, 1/3).

    Args:
        vectors: of tags, embedding of shape (n_tags, dim).
        tagged: track to tag, n edges, each once.
        tagger_count: users who gave the tag, shape (n,), at least 1.
        n_tracks: rows of the result.
    """
    has_vector = vectors.has[tagged.target]
    read, weight = tagged.where(has_vector), tagger_count[has_vector].double()
    shape = (n_tracks, len(vectors.has))
    total = csr(read.source, read.target, weight, shape) @ vectors.embedding.double()
    weight_sum = torch.zeros(n_tracks, dtype=torch.float64).index_add(0, read.source, weight)
    has = weight_sum > 0
    means = total / torch.where(has, weight_sum, 1)[:, None]  # (n_tracks, dim)
    return without_emotion(Vectors(vectors.encoder, means.float(), has))
