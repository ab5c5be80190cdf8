"""Sentiment is VADER's, averaged over lines."""

from __future__ import annotations

import pytest

from jobs.encoders.text import sentiment


def test_happy_lines_are_positive_and_sad_lines_negative():
    assert sentiment.analyse("I love this wonderful happy day").compound > 0.5
    assert sentiment.analyse("I hate this terrible sad day").compound < -0.5


def test_sentiment_is_the_mean_over_lines():
    """A happy and a neutral line: half of the happy line's compound, whichever comes first."""
    happy = sentiment.analyse("wonderful").compound
    assert sentiment.analyse("wonderful\nthe table").compound == pytest.approx(happy / 2)
    assert sentiment.analyse("the table\nwonderful").compound == pytest.approx(happy / 2)


def test_emotional_load_is_the_share_of_emotional_words():
    """A line of nothing but a loaded word has load 1, two lines without one 0: the mean is 1/3."""
    assert sentiment.analyse("love\nthe table\nthe chair").emotional_load_ratio == pytest.approx(
        1 / 3
    )


def test_a_long_line_is_scored_in_pieces():
    """VADER's time grows with the square of a line; 1,000 characters of love are followed by tables."""
    love, tables = " ".join(["love"] * 200), " ".join(["table"] * 166)
    assert sentiment.analyse(f"{love} {tables}") == sentiment.analyse(f"{love}\n{tables}")


def test_lines_without_a_letter_do_not_count():
    assert sentiment.analyse("love\n\n...\n") == sentiment.analyse("love")
