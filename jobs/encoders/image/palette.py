"""Finds the colours of a picture by k-means in CIE Lab, from a fixed start.

Colours are counted in 32 steps of each channel first, so that the work does not depend on the
picture's size. The first centre is the most frequent colour, each further one the colour with the
largest count times squared distance to the centres so far: k-means++ (Arthur and Vassilvitskii
2007) with the likeliest draw in place of a random one. Lloyd's steps follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.image.colour_space import lab_of

N_COLOURS = 5
MAX_STEPS = 30
_BITS = 3  # dropped of each channel


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a picture, the most frequent first.

    Attributes:
        lab: CIE Lab of each colour, shape (N_COLOURS, 3), rounded to 2 decimals.
        weights: share of the pixels of each colour, shape (N_COLOURS,); they sum to 1. A picture
            with fewer colours repeats its first one, with weight 0.
    """

    lab: NDArray[np.float64]
    weights: NDArray[np.float64]


def palette_of(rgb: NDArray[np.uint8]) -> Palette:
    """The palette of sRGB pixels, shape (n_pixels, 3), at least one."""
    colours, counts = _counted(rgb)
    centres = _first_centres(colours, counts)
    for _ in range(MAX_STEPS):
        moved = _means(colours, counts, _nearest(colours, centres))
        if np.array_equal(moved, centres):
            break
        centres = moved
    nearest = _nearest(colours, centres)
    shares = np.bincount(nearest, counts, minlength=len(centres)) / counts.sum()
    order = np.argsort(-shares, kind="stable")
    n_lacking = N_COLOURS - len(order)
    filled = np.concatenate([order, np.repeat(order[:1], n_lacking)])
    weights = np.concatenate([shares[order], np.zeros(n_lacking)])
    return Palette(centres[filled].round(2) + 0.0, weights)  # 0.0 turns -0.0 into 0.0


def _counted(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean Lab and number of the pixels of each step, (n_steps, 3) and (n_steps,)."""
    red, green, blue = (rgb >> _BITS).astype(np.int64).T
    step = (red << 10) + (green << 5) + blue
    _, position, counts = np.unique(step, return_inverse=True, return_counts=True)
    return _means(lab_of(rgb), np.ones(len(rgb)), position), counts


def _first_centres(colours: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Up to N_COLOURS different colours to start from, shape (n_centres, 3)."""
    centres = colours[[np.argmax(counts)]]
    while len(centres) < N_COLOURS:
        spread = counts * _squared_distances(colours, centres).min(axis=1)
        if not spread.any():
            break
        centres = np.concatenate([centres, colours[[np.argmax(spread)]]])
    return centres


def _nearest(colours: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the nearest centre of each colour, shape (n_steps,)."""
    nearest: NDArray[np.int64] = np.argmin(_squared_distances(colours, centres), axis=1)
    return nearest


def _squared_distances(
    colours: NDArray[np.float64], centres: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared distance of each colour to each centre, (n_steps, n_centres)."""
    squared: NDArray[np.float64] = ((colours[:, None] - centres[None]) ** 2).sum(axis=2)
    return squared


def _means(
    colours: NDArray[np.float64],
    counts: NDArray[np.float64] | NDArray[np.int64],
    position: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Mean of the colours at each position that has any, weighted by counts, shape (n_means, 3)."""
    _, position = np.unique(position, return_inverse=True)
    sums = [np.bincount(position, counts * channel) for channel in colours.T]
    return np.stack(sums, axis=1) / np.bincount(position, counts)[:, None]
