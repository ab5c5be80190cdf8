"""Landing rows of labelled texts, and the scale to which every source's ratings are brought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from feature_store.tables.raw import RAW_EMOTION_TEXTS
from jobs.sources.landing_rows import landing_schema, landing_table

_DECIMALS = 6


class EmotionTextRow(NamedTuple):
    """A labelled text as it lands: the columns of raw_emotion_texts in their order."""

    text_id: str
    perspective: str
    emotion_text: str
    valence: float
    arousal: float
    valence_rating_sd: float | None
    arousal_rating_sd: float | None
    rater_count: int | None
    source_split: str | None


def emotion_texts_table(rows: Sequence[EmotionTextRow]) -> pa.Table:
    """The Arrow table of a landing file."""
    return landing_table(landing_schema(RAW_EMOTION_TEXTS), rows)


def to_common_scale(rating: float) -> float:
    """Bring a rating of 1 to 5 to [-1, 1]: 3 becomes 0, 5 becomes 1; six decimals."""
    return round((rating - 3) / 2, _DECIMALS)


def sd_to_common_scale(rating_sd: float) -> float:
    """Bring the standard deviation of ratings of 1 to 5 to the scale [-1, 1]; six decimals."""
    return round(rating_sd / 2, _DECIMALS)
