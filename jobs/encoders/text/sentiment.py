"""Sentiment of lyrics by the VADER lexicon (Hutto and Gilbert 2014), mean over lines.

VADER is made for short English texts, so each line is scored as one text; a line without a word of
the lexicon is neutral.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from statistics import fmean
from typing import Any

MAX_LINE_CHARACTERS = 1_000  # VADER's time grows with the square: a minute for 50,000


@dataclass(frozen=True, slots=True)
class Sentiment:
    """Mean sentiment of a text's lines.

    Attributes:
        compound: from negative (-1) to positive (1).
        emotional_load_ratio: share of positive and negative words, in [0, 1].
    """

    compound: float
    emotional_load_ratio: float


def analyse(text: str) -> Sentiment:
    """Mean over the lines that hold a letter; `text` must have at least one.

    VADER splits each line into positive, negative and neutral shares that sum to 1.
    """
    pieces = (piece for line in text.splitlines() for piece in _pieces(line))
    lines = [piece for piece in pieces if any(letter.isalpha() for letter in piece)]
    scores = [_analyzer().polarity_scores(line) for line in lines]
    return Sentiment(
        compound=fmean(score["compound"] for score in scores),
        emotional_load_ratio=fmean(1 - score["neu"] for score in scores),
    )


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {"revision": 2, "piece": MAX_LINE_CHARACTERS, "vader": version("vaderSentiment")}


def _pieces(line: str) -> list[str]:
    """The line, cut between words where it is longer than MAX_LINE_CHARACTERS."""
    if len(line) <= MAX_LINE_CHARACTERS:
        return [line]
    return textwrap.wrap(line, MAX_LINE_CHARACTERS)


@cache
def _analyzer() -> Any:
    """VADER with its lexicon, loaded once per process."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
