"""What an audio encoder gives for a recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AudioEncoding:
    """Mean and maximum over a recording of what an encoder gives for each piece of it.

    Attributes:
        embedding: mean of the vectors, shape (dim,).
        embedding_max: their maximum in each dimension, shape (dim,).
        tag_probabilities: mean probabilities of MusiCNN's tags, shape (50,); None for an encoder
            that knows no tags.
        tag_probabilities_max: their maxima, shape (50,) or None.
    """

    embedding: NDArray[np.float32]
    embedding_max: NDArray[np.float32]
    tag_probabilities: NDArray[np.float32] | None
    tag_probabilities_max: NDArray[np.float32] | None

    @classmethod
    def of(
        cls, vectors: NDArray[np.float32], tag_probabilities: NDArray[np.float32] | None = None
    ) -> AudioEncoding:
        """The encoding from the vectors (n_pieces, dim) and tags (n_pieces, 50) of all pieces."""
        embedding, embedding_max = _mean_and_max(vectors)
        if tag_probabilities is None:
            return cls(embedding, embedding_max, None, None)
        return cls(embedding, embedding_max, *_mean_and_max(tag_probabilities))


def _mean_and_max(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.asarray(rows.mean(axis=0), dtype=np.float32), np.asarray(rows.max(axis=0))
