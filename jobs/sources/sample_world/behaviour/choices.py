"""Choice of the next track of a session in the sample world.

A listener repeats a track finished recently, plays a track that followed users finished the day
before, hears the radio, or else samples an available track from

    softmax(taste · latent + POPULARITY_WEIGHT * popularity
            + RECENCY_WEIGHT * exp(-age_days / RECENCY_DECAY_DAYS))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from jobs.sources.sample_world.catalogue import Track

REPEAT_RATIO = 0.42
SOCIAL_RATIO = 0.14
RADIO_RATIO = 0.10
REPEAT_AFFINITY_FACTOR = 0.5  # repeats follow habit more than taste
POPULARITY_WEIGHT = 0.6
RECENCY_WEIGHT = 1.5
RECENCY_DECAY_DAYS = 8.0


@dataclass(frozen=True, slots=True)
class DayCatalogue:
    """Tracks available on a day, with the probability of each for every taste.

    Attributes:
        positions: of the available tracks, shape (n_available,).
        is_available: shape (n_tracks,), over all tracks.
        cumulative_probabilities: by user, over the available tracks, each (n_tastes, n_available).
        radio_cumulative_probabilities: of the radio, shape (n_available,).
    """

    positions: NDArray[np.int64]
    is_available: NDArray[np.bool_]
    cumulative_probabilities: list[NDArray[np.float64]]
    radio_cumulative_probabilities: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChoiceContext:
    """What a listener's choice depends on during one session, which has one taste.

    Attributes:
        affinity: taste · latent of every track, shape (n_tracks,).
        cumulative_probabilities: the taste's row of the day's catalogue, shape (n_available,).
        finished: positions that the listener finished recently, with repetitions.
        finished_by_followed: positions that followed users finished the day before.
    """

    affinity: NDArray[np.float64]
    cumulative_probabilities: NDArray[np.float64]
    finished: Sequence[int]
    finished_by_followed: Sequence[int]


@dataclass(frozen=True, slots=True)
class Choice:
    """A track's position, and whether the listener chose it (False for the radio)."""

    position: int
    is_organic: bool


def build_day_catalogue(
    tracks: Sequence[Track],
    affinities: Sequence[NDArray[np.float64]],
    withdrawn: set[int],
    day: date,
) -> DayCatalogue:
    """The catalogue of a day.

    Args:
        tracks: all tracks, by position.
        affinities: taste · latent by user, each (n_tastes, n_tracks).
        withdrawn: positions withdrawn up to `day`.
        day: the day.
    """
    is_available = np.array(
        [track.available_from <= day and track.position not in withdrawn for track in tracks]
    )
    positions = np.flatnonzero(is_available)
    base_logits = np.array([_base_logit(tracks[position], day) for position in positions.tolist()])
    return DayCatalogue(
        positions=positions,
        is_available=is_available,
        cumulative_probabilities=[
            _cumulative_softmax(affinity[:, positions] + base_logits) for affinity in affinities
        ],
        radio_cumulative_probabilities=_cumulative_softmax(base_logits),
    )


def choose_track(
    catalogue: DayCatalogue, context: ChoiceContext, rng: np.random.Generator
) -> Choice:
    """The next track."""
    branch = rng.random()
    if branch < REPEAT_RATIO:
        repeats = [track for track in context.finished if catalogue.is_available[track]]
        if repeats:
            logits = REPEAT_AFFINITY_FACTOR * context.affinity
            return Choice(_sample_candidate(repeats, logits, rng), is_organic=True)
    elif branch < REPEAT_RATIO + SOCIAL_RATIO:
        social = [track for track in context.finished_by_followed if catalogue.is_available[track]]
        if social:
            return Choice(_sample_candidate(social, context.affinity, rng), is_organic=True)
    elif branch >= 1 - RADIO_RATIO:
        radio = catalogue.radio_cumulative_probabilities
        return Choice(_sample_available(catalogue, radio, rng), is_organic=False)
    own = context.cumulative_probabilities
    return Choice(_sample_available(catalogue, own, rng), is_organic=True)


def _base_logit(track: Track, day: date) -> float:
    """The part of a track's logit that no taste changes."""
    age_days = (day - track.released_date).days
    recency = np.exp(-age_days / RECENCY_DECAY_DAYS)
    return float(POPULARITY_WEIGHT * track.popularity + RECENCY_WEIGHT * recency)


def _cumulative_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative sums of the softmax along the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    cumulative: NDArray[np.float64] = np.cumsum(odds / odds.sum(axis=-1, keepdims=True), axis=-1)
    return cumulative


def _sample_candidate(
    candidates: Sequence[int], logits: NDArray[np.float64], rng: np.random.Generator
) -> int:
    """One of a few candidates with odds e^logit, by the Gumbel-max trick."""
    noisy = logits[list(candidates)] + rng.gumbel(size=len(candidates))
    return int(candidates[int(np.argmax(noisy))])


def _sample_available(
    catalogue: DayCatalogue, cumulative: NDArray[np.float64], rng: np.random.Generator
) -> int:
    nth = int(np.searchsorted(cumulative, rng.random(), side="right"))
    return int(catalogue.positions[min(nth, len(catalogue.positions) - 1)])  # sums may end below 1
