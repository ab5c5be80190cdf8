"""Chance by name: each artist, track, person and day draws from a generator of its own.

No stream runs through the world, so one more day, track or person leaves all others as they were.
"""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, *key: str | int) -> np.random.Generator:
    """The generator of one thing, for example `generator(seed, "track", 17)`.

    The key's length goes in as well: NumPy pads seeds with zeros, so that ("track", 0) would
    otherwise draw the same numbers as ("track",).
    """
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key]
    return np.random.default_rng([seed, len(words), *words])
