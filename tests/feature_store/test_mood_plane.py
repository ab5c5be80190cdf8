"""Positions on the plane of valence and arousal: shares of a night's tracks, ties, two sources."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.mood_plane import (
    N_KNOTS,
    MoodPlane,
    MoodPlaneError,
    cells_of,
    positions_among,
)

NAN = float("nan")


def row(source, dimension, knots):
    return {"emotion_source": source, "dimension": dimension, "knots": list(knots)}


def ramp(low, high):
    return np.linspace(low, high, N_KNOTS)


def test_a_position_is_the_share_of_the_knots_below_the_value():
    """Knots -.8, 0, .2, .6, 1 are 0 %, 25 %, 50 %, 75 %, 100 %: -.4 is half way through the first quarter.

    .5 lies three quarters between .2 and .6, so at 50 % + .75 x 25 %; what lies outside has 0 or 1.
    """
    knots = np.array([-0.8, 0.0, 0.2, 0.6, 1.0])

    found = positions_among([-1.0, -0.8, -0.4, 0.0, 0.5, 1.0, 1.2, NAN], knots)

    assert found == pytest.approx([0, 0, 0.125, 0.25, 0.6875, 1, 1, NAN], nan_ok=True)


def test_equal_values_get_the_middle_of_their_range():
    """Three of five knots are 0, from 25 % to 75 %: the middle is 50 %. Ties at an end likewise."""
    assert positions_among([0.0], np.array([-1, 0, 0, 0, 1.0])) == pytest.approx([0.5])
    assert positions_among([0, 1.0], np.array([0, 0, 0, 1, 1.0])) == pytest.approx([0.25, 0.875])
    assert positions_among([0, 0.3, -0.3], np.zeros(5)) == pytest.approx([0.5, 1, 0])


def test_a_value_equals_a_knot_when_five_decimals_agree():
    """Knots are stored rounded: 2/3 must still be tied with the two knots that it gave."""
    assert positions_among([2 / 3], np.array([0, 0.66667, 0.66667, 1.0])) == pytest.approx([0.5])


def test_two_sources_count_by_the_certainty_of_their_positions():
    """Straight lines: audio 0 ± .2 has position .5 ± .1, lyrics .6 ± .4 have .8.

    .6 + .4 = 1 and .6 - .4 = .2 have positions 1 and .6: sd .2. Weights 100 and 25 give (50 + 20) / 125.
    Without audio's sd both count alike: .65. A track with one source has its position.
    """
    combined = MoodPlane({}).combined_positions(
        "valence",
        {"audio": np.array([0, 0, 0, NAN, NAN]), "lyrics": np.array([0.6, 0.6, NAN, 0.6, NAN])},
        {"audio": np.array([0.2, NAN, 0.2, NAN, NAN]), "lyrics": np.array([0.4, 0.4, NAN, NAN, NAN])},
    )  # fmt: skip

    assert combined == pytest.approx([0.56, 0.65, 0.5, 0.8, NAN], nan_ok=True)


def test_each_source_and_dimension_has_its_own_map():
    """Audio's valence runs from 0 to 1 and lyrics' from -1 to 0, so .2 and -.8 mean the same place."""
    plane = MoodPlane.from_rows(
        [row("audio", "valence", ramp(0, 1)), row("lyrics", "valence", ramp(-1, 0))]
    )

    assert plane.source_positions("audio", "valence", 0.2) == pytest.approx(0.2)
    assert plane.source_positions("lyrics", "valence", -0.8) == pytest.approx(0.2)
    assert plane.source_positions("audio", "arousal", 0.2) == pytest.approx(0.6)


def test_a_text_is_placed_by_the_lyrics_and_then_by_both():
    """Valence -.75 has .25 among the lyrics, and both, whose knots run from 0 to .5, make .5 of it.

    Arousal has no rows, so -.5 lies at .25 on the straight line.
    """
    plane = MoodPlane.from_rows(
        [row("lyrics", "valence", ramp(-1, 0)), row("both", "valence", ramp(0, 0.5))]
    )

    assert plane.text_position(-0.75, -0.5) == pytest.approx((0.5, 0.25))


def test_cells_are_fifths_and_the_happiest_track_lies_in_the_last():
    assert cells_of([0, 0.19, 0.2, 0.59, 0.6, 0.99, 1]).tolist() == [0, 0, 1, 2, 3, 4, 4]


@pytest.mark.parametrize(
    ("knots", "says"),
    [(ramp(0, 1)[:-1], "100 knots, 101 are needed"), (ramp(1, 0), "do not ascend")],
)
def test_knots_that_are_no_quantiles_are_refused(knots, says):
    """The message names table, source, dimension and the next step."""
    with pytest.raises(MoodPlaneError, match=f"feat_mood_plane, audio, arousal: .*{says}.*again"):
        MoodPlane.from_rows([row("audio", "arousal", knots)])
