"""Where a sentence lies on the night's plane of valence and arousal, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from feature_store.distress import GENTLE_CONTEXT
from feature_store.mood_plane import (
    AROUSAL_WORDS,
    VALENCE_WORDS,
    MoodPlane,
    cells_of,
    mood_words,
)

UNSURE_CELLS = 3
"""An interval that reaches into so many cells of a side says nearly nothing."""

_MIDDLE_WORDS = {"valence": "neither sad nor happy", "arousal": "neither calm nor lively"}
_WORDS = {"valence": VALENCE_WORDS, "arousal": AROUSAL_WORDS}


@dataclass(frozen=True, slots=True)
class AxisPosition:
    """A position on one dimension of the plane.

    Attributes:
        dimension: valence or arousal.
        position: in [0, 1].
        low, high: positions of value - sd and value + sd, in [0, 1].
    """

    dimension: str
    position: float
    low: float
    high: float

    @property
    def cell(self) -> int:
        """The fifth that the position lies in, 0 to 4."""
        return _cell(self.position)

    @property
    def is_unsure(self) -> bool:
        """Whether the interval reaches into UNSURE_CELLS cells or more."""
        return _cell(self.high) - _cell(self.low) + 1 >= UNSURE_CELLS

    @property
    def numbers(self) -> str:
        """Such as `valence 0.62 (0.35 to 0.81)`."""
        return f"{self.dimension} {self.position:.2f} ({self.low:.2f} to {self.high:.2f})"

    @property
    def range_words(self) -> str:
        """Such as `from sad to very happy`."""
        return f"from {self._words(_cell(self.low))} to {self._words(_cell(self.high))}"

    def _words(self, cell: int) -> str:
        return _WORDS[self.dimension][cell] or _MIDDLE_WORDS[self.dimension]


@dataclass(frozen=True, slots=True)
class MoodPosition:
    """A position on the plane.

    Attributes:
        is_read: whether a model read it in a sentence; False for the gentle position that a
            statement of distress gets, which has no uncertainty.
    """

    valence: AxisPosition
    arousal: AxisPosition
    is_read: bool

    @property
    def cell(self) -> tuple[int, int]:
        """Cell of valence and of arousal, 0 to 4 each."""
        return self.valence.cell, self.arousal.cell

    @property
    def words(self) -> str:
        """The cell in plain English, for example `calm and happy`."""
        return mood_words(*self.cell)

    @property
    def unsure(self) -> str:
        """What the sentence leaves open, such as `valence from sad to very happy`; may be empty."""
        return ", ".join(
            f"{axis.dimension} {axis.range_words}"
            for axis in (self.valence, self.arousal)
            if axis.is_unsure
        )


def position_of(plane: MoodPlane, emotion: Mapping[str, float]) -> MoodPosition:
    """The position of a text's emotion on a night's plane.

    Args:
        plane: the night's map.
        emotion: valence, arousal, valence_sd, arousal_sd, the first two in [-1, 1].
    """
    valence, arousal = emotion["valence"], emotion["arousal"]
    valence_sd, arousal_sd = emotion["valence_sd"], emotion["arousal_sd"]
    positions = plane.text_position(valence, arousal)
    lows = plane.text_position(valence - valence_sd, arousal - arousal_sd)
    highs = plane.text_position(valence + valence_sd, arousal + arousal_sd)
    return MoodPosition(
        AxisPosition("valence", positions[0], lows[0], highs[0]),
        AxisPosition("arousal", positions[1], lows[1], highs[1]),
        is_read=True,
    )


def gentle_position() -> MoodPosition:
    """The position that a statement of distress gets, whatever its words are."""
    valence, arousal = GENTLE_CONTEXT.valence_position, GENTLE_CONTEXT.arousal_position
    return MoodPosition(
        AxisPosition("valence", valence, valence, valence),
        AxisPosition("arousal", arousal, arousal, arousal),
        is_read=False,
    )


def _cell(position: float) -> int:
    return int(cells_of(position))
