"""How lyrics feel by VADER's word list (Hutto and Gilbert 2014), mean over lines.

VADER was made for short English texts, so each line is a text of its own; a line in a language
that it does not know counts as neutral.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from statistics import fmean
from typing import Any


@dataclass(frozen=True, slots=True)
class Sentiment:
    """`compound` from negative (-1) to positive (1); `load_ratio` of words that carry feeling."""

    compound: float
    load_ratio: float


def read(text: str) -> Sentiment:
    """The mean over the lines that hold a letter; at least one must.

    VADER splits each line into positive, negative and neutral shares that sum to 1.
    """
    lines = [line for line in text.splitlines() if any(letter.isalpha() for letter in line)]
    scores = [_analyzer().polarity_scores(line) for line in lines]
    return Sentiment(
        compound=fmean(score["compound"] for score in scores),
        load_ratio=fmean(1 - score["neu"] for score in scores),
    )


def preprocessing() -> dict[str, object]:
    """What decides these measures, for the identity of the row that they stand in."""
    return {"revision": 1, "vader": version("vaderSentiment")}


@cache
def _analyzer() -> Any:
    """VADER with its word list; reading that takes a moment, so it happens once per process."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
