"""feat_mood_plane and feat_track_mood: quantiles of available tracks, and the cells that they give."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from feature_store.tables.features import FEAT_MOOD_PLANE, FEAT_TRACK_EMOTION
from jobs.features import mood_plane, track_mood
from tests.jobs.features.worlds import frame, tracks

MARCH_1 = date(2026, 3, 1)


def estimate(track_id, source, valence, arousal, sd=0.1):
    return {
        "as_of_date": MARCH_1,
        "track_id": track_id,
        "emotion_source": source,
        "valence": valence,
        "arousal": arousal,
        "valence_sd": sd,
        "arousal_sd": sd,
    }


def plane_and_moods(spark, night, catalogue, estimates):
    """Rows of both tables; the plane by (source, dimension), the moods by track."""
    emotions = frame(spark, FEAT_TRACK_EMOTION, estimates)
    plane = mood_plane.build(catalogue, emotions, night=night)
    rows = plane.toArrow().to_pylist()
    stored = frame(spark, FEAT_MOOD_PLANE, rows)
    moods = track_mood.build(emotions, stored, night=night).toArrow().to_pylist()
    by_pair = {(row["emotion_source"], row["dimension"]): row for row in rows}
    by_track = {row["track_id"]: row for row in moods}
    assert (len(by_pair), len(by_track)) == (len(rows), len(moods))
    return by_pair, by_track


def test_each_row_and_column_of_cells_holds_a_fifth_of_the_tracks(spark, night):
    """26 tracks from audio, 25 from lyrics that are all sadder and calmer: 51 tracks in fifths of 10 or 11.

    The audio values are the squares of 0, .04, ... 1, crowded at 0, and fall as arousal rises.
    """
    heard = [estimate(f"t{i}", "audio", (i / 25) ** 2, 1 - (i / 25) ** 2) for i in range(26)]
    read = [estimate(f"t{26 + i}", "lyrics", -1 + i / 100, -1 + i / 50) for i in range(25)]
    catalogue = tracks(spark, night, *[{}] * 51)

    plane, moods = plane_and_moods(spark, night, catalogue, [*heard, *read])

    assert plane["audio", "valence"]["knots"][:9:4] == pytest.approx([0, 0.0016, 0.0064])
    assert plane["lyrics", "arousal"]["knots"][::50] == pytest.approx([-1, -0.76, -0.52])
    assert {pair: row["track_count"] for pair, row in plane.items()} == {
        ("audio", "valence"): 26,
        ("audio", "arousal"): 26,
        ("lyrics", "valence"): 25,
        ("lyrics", "arousal"): 25,
        ("both", "valence"): 51,
        ("both", "arousal"): 51,
    }
    assert all(row["is_fitted"] for row in plane.values())
    for name in ("valence_cell", "arousal_cell"):
        counts = Counter(row[name] for row in moods.values())
        assert sorted(counts) == [0, 1, 2, 3, 4]
        assert set(counts.values()) <= {10, 11}
    assert (moods["t25"]["valence_cell"], moods["t25"]["arousal_cell"]) == (4, 0)
    assert moods["t25"]["emotion_sources"] == "audio"
    assert {row["as_of_date"] for row in moods.values()} == {night.as_of}


def test_a_few_tracks_lie_on_straight_lines(spark, night):
    """One track alone has its value, halved and moved by .5; a track with both sources their mean."""
    catalogue = tracks(spark, night, {}, {})
    estimates = [
        estimate("t0", "audio", -0.5, 1.0),
        estimate("t1", "audio", 0.0, 0.2),
        estimate("t1", "lyrics", 0.6, 0.4),
    ]

    plane, moods = plane_and_moods(spark, night, catalogue, estimates)

    assert not any(row["is_fitted"] for row in plane.values())
    assert plane["lyrics", "valence"]["knots"][:2] == pytest.approx([-1, -0.98])
    assert plane["both", "valence"]["knots"][:2] == pytest.approx([0, 0.01])
    assert [
        (row["valence_position"], row["arousal_position"], row["emotion_sources"])
        for row in (moods["t0"], moods["t1"])
    ] == [(0.25, 1.0, "audio"), (pytest.approx(0.65), pytest.approx(0.65), "audio+lyrics")]
    assert (moods["t1"]["valence_cell"], moods["t1"]["arousal_cell"]) == (3, 3)


def test_tracks_that_are_gone_bend_no_map_and_yet_have_a_place(spark, night):
    """25 available tracks from -.48 to .48; 25 others, all at 1, lie at the happy end of those."""
    catalogue = tracks(spark, night, *[{}] * 25, *[{"is_available": False}] * 25)
    estimates = [estimate(f"t{i}", "audio", (i - 12) / 25, 0.0) for i in range(25)]
    gone = [estimate(f"t{25 + i}", "audio", 1.0, 0.0) for i in range(25)]

    plane, moods = plane_and_moods(spark, night, catalogue, [*estimates, *gone])

    assert plane["audio", "valence"]["track_count"] == 25
    assert plane["audio", "valence"]["knots"][-1] == pytest.approx(0.48)
    assert moods["t12"]["valence_position"] == pytest.approx(0.5)
    assert (moods["t30"]["valence_position"], moods["t30"]["valence_cell"]) == (1.0, 4)
    assert moods["t30"]["arousal_position"] == pytest.approx(0.5)  # all tracks are equally calm


def test_equal_values_from_spark_are_equal_to_the_knots_that_they_give(spark, night):
    """20 of 30 tracks have valence 2/3, from place 5 to 24 of 0 to 29: knots 18 % to 82 %, middle 50 %."""
    values = [0.0] * 5 + [2 / 3] * 20 + [0.9] * 5
    estimates = [estimate(f"t{i}", "audio", value, value) for i, value in enumerate(values)]

    plane, moods = plane_and_moods(spark, night, tracks(spark, night, *[{}] * 30), estimates)

    assert plane["audio", "valence"]["knots"].count(0.66667) == 65
    assert moods["t7"]["valence_position"] == pytest.approx(0.5)
    assert len({row["valence_position"] for row in moods.values()}) == 3
