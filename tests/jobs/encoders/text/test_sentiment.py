"""VADER over lines."""

from __future__ import annotations

import pytest

from jobs.encoders.text import sentiment


def test_happy_and_sad_lines_lie_on_their_sides():
    assert sentiment.read("I love this wonderful happy day").compound > 0.5
    assert sentiment.read("I hate this terrible sad day").compound < -0.5


def test_lines_are_read_one_by_one():
    """A happy and a neutral line: half of the happy line's compound, whichever comes first."""
    happy = sentiment.read("wonderful").compound
    assert sentiment.read("wonderful\nthe table").compound == pytest.approx(happy / 2)
    assert sentiment.read("the table\nwonderful").compound == pytest.approx(happy / 2)


def test_load_is_the_share_of_words_that_carry_feeling():
    """A line of nothing but a loaded word has load 1, two lines without one 0: the mean is 1/3."""
    assert sentiment.read("love\nthe table\nthe chair").load_ratio == pytest.approx(1 / 3)


def test_lines_without_a_letter_do_not_count():
    assert sentiment.read("love\n\n...\n") == sentiment.read("love")
