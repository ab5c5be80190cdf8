"""What someone plays next in the sample world.

A repeat of something finished lately, something that the people they follow finished the day
before, something the radio chose, or (when none of these) a draw over the available tracks from

    softmax(taste · latent + FAME_PULL * fame + FRESH_PULL * exp(-age_days / FRESH_DAYS))
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
REPEAT_FIT = 0.5  # repeats go by habit more than by taste
FAME_PULL = 0.6
FRESH_PULL = 1.5
FRESH_DAYS = 8.0


@dataclass(frozen=True, slots=True)
class Shelf:
    """The tracks that can be played on a day, and the odds of each for every taste.

    Attributes:
        positions: of the available tracks, shape (n_available,).
        is_available: shape (n_tracks,), over all tracks.
        running_odds: a person's odds summed up along the shelf, each (n_tastes, n_available).
        running_radio: the radio's odds summed up likewise, shape (n_available,).
    """

    positions: NDArray[np.int64]
    is_available: NDArray[np.bool_]
    running_odds: list[NDArray[np.float64]]
    running_radio: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """A track's position, and whether the person chose it themselves."""

    position: int
    is_organic: bool


def fill_shelf(
    tracks: Sequence[Track], fits: Sequence[NDArray[np.float64]], gone: set[int], day: date
) -> Shelf:
    """The shelf of a day; `fits` has each person's (n_tastes, n_tracks), `gone` was withdrawn."""
    is_available = np.array(
        [track.announced_day <= day and track.position not in gone for track in tracks]
    )
    positions = np.flatnonzero(is_available)
    pull = np.array([_pull(tracks[position], day) for position in positions.tolist()])
    return Shelf(
        positions=positions,
        is_available=is_available,
        running_odds=[_running_odds(fit[:, positions] + pull) for fit in fits],
        running_radio=_running_odds(pull),
    )


@dataclass(frozen=True, slots=True)
class Mood:
    """Somebody about to choose, in the mood of one of their tastes.

    Attributes:
        fit: how tracks meet that taste, shape (n_tracks,).
        running_odds: that taste's row of the shelf, shape (n_available,).
        finished: positions the person finished lately, each as often as they did.
        friends_finished: positions that those they follow finished the day before.
    """

    fit: NDArray[np.float64]
    running_odds: NDArray[np.float64]
    finished: Sequence[int]
    friends_finished: Sequence[int]


def choose(shelf: Shelf, mood: Mood, chance: np.random.Generator) -> Choice:
    """The next track."""
    turn = chance.random()
    if turn < REPEAT_RATIO:
        again = [position for position in mood.finished if shelf.is_available[position]]
        if again:
            return Choice(_by_fit(again, REPEAT_FIT * mood.fit, chance), is_organic=True)
    elif turn < REPEAT_RATIO + SOCIAL_RATIO:
        heard_of = [position for position in mood.friends_finished if shelf.is_available[position]]
        if heard_of:
            return Choice(_by_fit(heard_of, mood.fit, chance), is_organic=True)
    elif turn >= 1 - RADIO_RATIO:
        return Choice(_draw(shelf, shelf.running_radio, chance), is_organic=False)
    return Choice(_draw(shelf, mood.running_odds, chance), is_organic=True)


def _pull(track: Track, day: date) -> float:
    age_days = (day - track.released_date).days
    return float(FAME_PULL * track.fame + FRESH_PULL * np.exp(-age_days / FRESH_DAYS))


def _running_odds(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax along the last axis, summed up along it."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    running: NDArray[np.float64] = np.cumsum(odds / odds.sum(axis=-1, keepdims=True), axis=-1)
    return running


def _draw(shelf: Shelf, running: NDArray[np.float64], chance: np.random.Generator) -> int:
    place = int(np.searchsorted(running, chance.random(), side="right"))
    return int(shelf.positions[min(place, len(shelf.positions) - 1)])  # sums may end below 1


def _by_fit(
    candidates: Sequence[int], logits: NDArray[np.float64], chance: np.random.Generator
) -> int:
    """One of a few candidates with odds e^logit; Gumbel noise and the largest do that."""
    noisy = logits[list(candidates)] + chance.gumbel(size=len(candidates))
    return int(candidates[int(np.argmax(noisy))])
