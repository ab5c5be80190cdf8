"""The plane of valence and arousal: positions of values, and the cells that it is cut into.

Values of different sources have different spreads, and most lie near the middle. A position is the
share of a night's tracks below a value, so that the cells of a row or column hold about as many
tracks each. Spark jobs, training and commands place values by the functions of this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CELLS_PER_SIDE = 5
DIMENSIONS = ("valence", "arousal")
EMOTION_SOURCES = ("audio", "lyrics")
BOTH_SOURCES = "both"

VALENCE_WORDS = ("very sad", "sad", "", "happy", "very happy")
AROUSAL_WORDS = ("very calm", "calm", "", "lively", "very lively")
"""Words for the cells of a dimension, 0 to 4; the middle one needs none."""
MIDDLE_WORDS = "neither sad nor happy, neither calm nor lively"

N_KNOTS = 101
MIN_FITTED_TRACKS = 25
VALUE_STEPS = 100_000
"""Values are rounded to whole steps of 1 / VALUE_STEPS before they are compared. At most 200,001
lie in -1..1, so exact quantiles need little memory, whatever the number of tracks."""
POSITION_DECIMALS = 6

_MIN_SD = 0.005  # half the distance between two knots: no estimate of a position is surer than that


class MoodPlaneError(ValueError):
    """The rows of a map contradict its contract."""


@dataclass(frozen=True, slots=True)
class MoodPlane:
    """A night's map from values to positions.

    Attributes:
        knots: by (source, dimension), quantiles in ascending order, shape (N_KNOTS,). A pair that
            is missing has had no tracks, and maps as `straight_knots` do.
    """

    knots: Mapping[tuple[str, str], NDArray[np.float64]]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> MoodPlane:
        """The map of rows of feat_mood_plane of one day; of none, straight lines.

        Raises:
            MoodPlaneError: a row has another number of knots, or descending ones.
        """
        return cls({(row["emotion_source"], row["dimension"]): _checked_knots(row) for row in rows})

    def source_positions(
        self, source: str, dimension: str, values: ArrayLike
    ) -> NDArray[np.float64]:
        """Positions of a source's values among its tracks, shape of `values`; NaN stays NaN.

        Args:
            source: audio or lyrics.
            dimension: valence or arousal.
            values: in [-1, 1].
        """
        return positions_among(values, self._knots_of(source, dimension))

    def combined_positions(
        self,
        dimension: str,
        values: Mapping[str, NDArray[np.float64]],
        sds: Mapping[str, NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        """What the sources give together before the last step, shape (n_tracks,).

        The mean of the sources' positions, weighted by 1 / sd²; of one source its position; NaN
        without any. Weights are equal where the sd of a source is unknown.

        Args:
            dimension: valence or arousal.
            values: by source, shape (n_tracks,); NaN where the track lacks the source.
            sds: by source, standard deviation of the values' estimates; NaN where unknown.
        """
        positions = np.stack(
            [self.source_positions(source, dimension, values[source]) for source in EMOTION_SOURCES]
        )  # (n_sources, n_tracks)
        position_sds = np.stack(
            [
                self._position_sds(source, dimension, values[source], sds[source])
                for source in EMOTION_SOURCES
            ]
        )
        is_there = ~np.isnan(positions)
        is_known = ~(np.isnan(position_sds) & is_there).any(axis=0)
        weights = np.where(is_there, np.where(is_known, position_sds, 1.0) ** -2, 0.0)
        totals = weights.sum(axis=0)
        sums = (weights * np.nan_to_num(positions)).sum(axis=0)
        combined = np.full(sums.shape, np.nan)
        np.divide(sums, totals, out=combined, where=totals > 0)
        return combined

    def positions_of_combined(self, dimension: str, combined: ArrayLike) -> NDArray[np.float64]:
        """Positions on the plane of what the sources give together, shape of `combined`."""
        found = positions_among(combined, self._knots_of(BOTH_SOURCES, dimension))
        return np.round(found, POSITION_DECIMALS)

    def text_position(self, valence: float, arousal: float) -> tuple[float, float]:
        """(valence_position, arousal_position) of a text, placed as the lyrics of a track are.

        Args:
            valence: as the model of texts reads it, in [-1, 1].
            arousal: likewise.
        """
        found = [
            self.positions_of_combined(dimension, self.source_positions("lyrics", dimension, value))
            for dimension, value in zip(DIMENSIONS, (valence, arousal), strict=True)
        ]
        return float(found[0]), float(found[1])

    def _position_sds(
        self,
        source: str,
        dimension: str,
        values: NDArray[np.float64],
        sds: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Half the distance between the positions of value - sd and value + sd."""
        above, below = (
            self.source_positions(source, dimension, values + sign * sds) for sign in (1, -1)
        )
        return np.maximum((above - below) / 2, _MIN_SD)

    def _knots_of(self, source: str, dimension: str) -> NDArray[np.float64]:
        found = self.knots.get((source, dimension))
        return straight_knots(source) if found is None else found


def positions_among(values: ArrayLike, knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the knots' distribution below each value, in [0, 1], shape of `values`.

    Interpolated between the two knots around the value; a value that equals several knots gets the
    middle of their shares; one outside all knots 0 or 1; NaN stays NaN. Example: among the knots
    0, 1, 1, 3 (shares 0, 1/3, 2/3, 1) the value 1 has position 1/2 and the value 2 has 5/6.
    """
    rounded = np.rint(np.asarray(values, dtype=np.float64) * VALUE_STEPS) / VALUE_STEPS
    below = np.searchsorted(knots, rounded, side="left")  # knots below the value
    up_to = np.searchsorted(knots, rounded, side="right")
    lower = knots[np.clip(below - 1, 0, len(knots) - 1)]
    upper = knots[np.clip(below, 0, len(knots) - 1)]
    gap = np.where(upper > lower, upper - lower, 1.0)
    between = below - 1 + (rounded - lower) / gap
    outside = np.where(below == 0, 0.0, len(knots) - 1.0)
    equal = (below + up_to - 1) / 2
    is_outside = (below == 0) | (below == len(knots))
    steps = np.where(up_to > below, equal, np.where(is_outside, outside, between))
    return np.where(np.isnan(rounded), np.nan, steps / (len(knots) - 1))


def straight_knots(source: str) -> NDArray[np.float64]:
    """Knots of a map by a straight line: from the scale of the source's values to [0, 1].

    Args:
        source: audio or lyrics, whose values lie in [-1, 1], or both, whose values are positions.
    """
    return np.linspace(0.0 if source == BOTH_SOURCES else -1.0, 1.0, N_KNOTS)


def cells_of(positions: ArrayLike) -> NDArray[np.int32]:
    """Fifth of the plane that each position lies in, 0 to 4, shape of `positions`."""
    fifths = np.floor(np.asarray(positions, dtype=np.float64) * CELLS_PER_SIDE)
    return np.clip(fifths, 0, CELLS_PER_SIDE - 1).astype(np.int32)


def mood_words(valence_cell: int, arousal_cell: int) -> str:
    """A cell in plain English, for example "calm and very happy": compared with the catalogue."""
    words = (AROUSAL_WORDS[arousal_cell], VALENCE_WORDS[valence_cell])
    return " and ".join(word for word in words if word) or MIDDLE_WORDS


def _checked_knots(row: Mapping[str, Any]) -> NDArray[np.float64]:
    named = f"feat_mood_plane, {row['emotion_source']}, {row['dimension']}"
    found: Sequence[float] = row["knots"]
    if len(found) != N_KNOTS:
        raise MoodPlaneError(
            f"{named}: {len(found)} knots, {N_KNOTS} are needed; run the task feat_mood_plane again"
        )
    knots = np.asarray(found, dtype=np.float64)
    if not (np.diff(knots) >= 0).all():  # also of NaN
        raise MoodPlaneError(
            f"{named}: the knots do not ascend; run the task feat_mood_plane again"
        )
    return knots
