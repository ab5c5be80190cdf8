"""Random generators by name: each artist, track, user and day has one of its own.

No random stream runs through the world, so one more day, track or user changes no other.
"""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """The generator of one thing, for example `generator(seed, "track", 17)`.

    The seed includes the key's length: NumPy pads seeds with zeros, so ("track", 0) would
    otherwise draw the same numbers as ("track",).
    """
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key]
    return np.random.default_rng([seed, len(words), *words])
