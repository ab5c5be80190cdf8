"""Fits weights of cues, and ridges over all descriptors, to moods; says how well they rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import spearmanr

from jobs.encoders.audio.musicnn.encoder import TAGS

TOWARDS_PRIOR = 0.1
"""Strength by which weights are held at their prior, per track; of .02 to .3 it moved Spearman by .03."""
RIDGE = 0.1  # per track, on standardised descriptors
_LEAST_PROBABILITY = 1e-3

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """The tracks of one world, in one order.

    Attributes:
        cues: by name, each of shape (n_tracks,), in [-1, 1].
        descriptors: standardisable numbers, (n_tracks, n_descriptors).
        moods: planted valence and arousal, by name, (n_tracks,).
        lyrics: what the rules read in the lyrics, by name; NaN without lyrics.
        genres, artists: of each track.
    """

    cues: Mapping[str, Values]
    descriptors: Values
    moods: Mapping[str, Values]
    lyrics: Mapping[str, Values]
    genres: NDArray[np.str_]
    artists: NDArray[np.str_]

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self.genres)

    def where(self, mask: NDArray[np.bool_]) -> Heard:
        """The tracks of a mask."""
        return Heard(
            cues={name: values[mask] for name, values in self.cues.items()},
            descriptors=self.descriptors[mask],
            moods={name: values[mask] for name, values in self.moods.items()},
            lyrics={name: values[mask] for name, values in self.lyrics.items()},
            genres=self.genres[mask],
            artists=self.artists[mask],
        )


def joined(worlds: Sequence[Heard]) -> Heard:
    """All tracks of several worlds."""
    return Heard(
        cues={name: np.concatenate([one.cues[name] for one in worlds]) for name in worlds[0].cues},
        descriptors=np.concatenate([one.descriptors for one in worlds]),
        moods={
            name: np.concatenate([one.moods[name] for one in worlds]) for name in worlds[0].moods
        },
        lyrics={
            name: np.concatenate([one.lyrics[name] for one in worlds]) for name in worlds[0].lyrics
        },
        genres=np.concatenate([one.genres for one in worlds]),
        artists=np.concatenate([one.artists for one in worlds]),
    )


def descriptors_of(rows: pl.DataFrame, cues: Mapping[str, Values]) -> Values:
    """The cues, key, brightness and dynamics of recordings, and the logarithm of every tag."""
    mode = {"major": 1.0, "minor": -1.0}
    measures = [
        np.array([mode.get(one, 0.0) for one in rows["key_mode"]])
        * _numbers(rows["key_confidence"]),
        np.log2(_numbers(rows["spectral_centroid_hz"]) + 1),
        _numbers(rows["beat_strength_ratio"]),
        _numbers(rows["loudness_range_lu"]),
        _numbers(rows["silence_ratio"]),
    ]
    tags = np.array([one or [0.0] * len(TAGS) for one in rows["tag_probabilities"].to_list()])
    return np.column_stack([*cues.values(), *measures, np.log(tags + _LEAST_PROBABILITY)])


def fit_weights(cues: Sequence[Values], mood: Values, prior: Sequence[float]) -> Values:
    """Weights of cues, none below 0, whose sum is 1: least squares that are held at a prior.

    Args:
        cues: each of shape (n_tracks,).
        mood: what to explain, (n_tracks,); its mean does not matter.
        prior: of each cue.
    """
    columns = np.column_stack(cues)
    centred = columns - columns.mean(axis=0)
    hold = np.sqrt(TOWARDS_PRIOR * len(mood)) * centred.std()
    weights, _ = nnls(
        np.vstack([centred, hold * np.eye(len(prior))]),
        np.concatenate([mood - mood.mean(), hold * np.array(prior)]),
    )
    return weights / weights.sum()


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """A ridge regression on standardised descriptors."""

    means: Values
    spreads: Values
    weights: Values
    constant: float

    @classmethod
    def fit(cls, descriptors: Values, mood: Values) -> Ridge:
        """Least squares, shrunk by RIDGE per track."""
        means, spreads = descriptors.mean(axis=0), descriptors.std(axis=0) + 1e-9
        scaled = (descriptors - means) / spreads
        gram = scaled.T @ scaled + RIDGE * len(mood) * np.eye(scaled.shape[1])
        weights = np.linalg.solve(gram, scaled.T @ (mood - mood.mean()))
        return cls(means, spreads, weights, float(mood.mean()))

    def predict(self, descriptors: Values) -> Values:
        """Estimates, (n_tracks,)."""
        return (descriptors - self.means) / self.spreads @ self.weights + self.constant


@dataclass(frozen=True, slots=True)
class Ranked:
    """How well estimates rank and hit a mood.

    Attributes:
        spearman: over all tracks.
        within_genre: mean of Spearman over genres: what is not told by the genre alone.
        rmse: root mean square error.
    """

    spearman: float
    within_genre: float
    rmse: float


def ranked(estimates: Values, world: Heard, dimension: str) -> Ranked:
    """Estimates against the planted mood."""
    mood = world.moods[dimension]
    of_genres = [
        spearman(estimates[world.genres == one], mood[world.genres == one])
        for one in np.unique(world.genres)
    ]
    return Ranked(
        spearman=spearman(estimates, mood),
        within_genre=float(np.mean(of_genres)),
        rmse=float(np.sqrt(np.mean(np.square(estimates - mood)))),
    )


def spearman(estimates: Values, mood: Values) -> float:
    """Spearman's rank correlation; 0 where one side is constant, which ranks nothing."""
    if np.ptp(estimates) == 0 or np.ptp(mood) == 0:
        return 0.0
    return float(spearmanr(estimates, mood).statistic)


def _numbers(values: pl.Series) -> Values:
    """Numbers, 0 for null."""
    return values.cast(pl.Float64).fill_null(0.0).to_numpy()
