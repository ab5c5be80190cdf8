"""What an audio encoder gives for a recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AudioEncoding:
    """Embedding of a recording, shape (dim,), and the probabilities of MusiCNN's tags.

    Attributes:
        tag_probabilities: shape (50,); None for an encoder that knows no tags.
    """

    embedding: NDArray[np.float32]
    tag_probabilities: NDArray[np.float32] | None
