"""Positions of a sentence, of the ends of its interval, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.distress import GENTLE_CONTEXT
from feature_store.mood_plane import N_KNOTS, MoodPlane
from jobs.search.mood_position import gentle_position, position_of

PLANE = MoodPlane({("lyrics", "valence"): np.linspace(-0.5, 0.5, N_KNOTS)})
"""Of valence -0.5 to 0.5 are 0 to 1, of arousal -1 to 1."""


def position(valence, arousal, valence_sd=0.02, arousal_sd=0.04):
    return position_of(
        PLANE,
        {
            "valence": valence,
            "arousal": arousal,
            "valence_sd": valence_sd,
            "arousal_sd": arousal_sd,
        },
    )


def test_the_night_s_map_places_the_value_and_both_ends():
    found = position(0.2, -0.5, 0.1, 0.2)

    valence, arousal = found.valence, found.arousal
    assert (valence.low, valence.position, valence.high) == pytest.approx((0.6, 0.7, 0.8))
    assert (arousal.low, arousal.position, arousal.high) == pytest.approx((0.15, 0.25, 0.35))
    assert valence.numbers == "valence 0.70 (0.60 to 0.80)"
    assert found.cell == (3, 1)
    assert found.words == "calm and happy"
    assert found.is_read


def test_ends_beyond_the_map_are_its_borders():
    valence = position(0.45, 0, 0.2).valence

    assert (valence.low, valence.high) == (pytest.approx(0.75), 1.0)


def test_an_interval_over_three_cells_is_unsure():
    """From .35 to .79 are the cells 1, 2 and 3; from .41 to .79 two of them."""
    unsure, sure = position(0.07, 0, 0.22), position(0.1, 0, 0.19)

    assert unsure.valence.is_unsure
    assert unsure.unsure == "valence from sad to happy"
    assert not sure.valence.is_unsure
    assert sure.unsure == ""


def test_both_dimensions_may_be_unsure_and_the_middle_has_words():
    assert (
        position(0.0, 0.9, 0.05, 0.9).unsure
        == "arousal from neither calm nor lively to very lively"
    )
    assert position(0.0, 0.0, 0.45, 0.9).unsure == (
        "valence from very sad to very happy, arousal from very calm to very lively"
    )


def test_the_gentle_position_is_sure_and_not_read():
    found = gentle_position()

    assert found.valence.position == GENTLE_CONTEXT.valence_position
    assert found.arousal.position == GENTLE_CONTEXT.arousal_position
    assert found.cell == (3, 1)
    assert found.unsure == ""
    assert not found.is_read
