"""Gates of rec_mood: rows that must not be published, almost empty cells, a table that must be empty."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from feature_store.publishing.snapshot import Event, Pin, Snapshot
from feature_store.settings import ListSettings, Night
from feature_store.tables.core import CORE_FEEDBACK, CORE_TRACKS, CORE_USERS
from feature_store.tables.features import FEAT_TRACK_MOOD
from feature_store.tables.recommendations import REC_MOOD, REC_SIMILAR_TRACKS, REC_TOPK
from jobs.publishing.mood_rules import mood_cell_ratio
from jobs.publishing.row_rules import row_metrics, row_violations
from jobs.publishing.table_rules import row_count_ratios
from tests.jobs.core.frames import at, frame

FEB_28 = date(2026, 2, 28)
ROW = "user_id valence_cell arousal_cell rank track_id artist_id"


@pytest.fixture
def broken(spark, settings, night):
    """By rule of rec_mood, how many violations these rows have; a list may have 2 tracks of an artist."""

    def count(*rows):
        of_lists = settings.model_copy(update={"lists": ListSettings(max_per_artist=2)})
        violations = row_violations(
            frame(spark, REC_TOPK, "user_id"),
            frame(spark, REC_SIMILAR_TRACKS, "track_id"),
            frame(spark, REC_MOOD, ROW, *rows),
            frame(
                spark,
                CORE_TRACKS,
                "track_id is_available",
                *[(name, name != "gone") for name in ("t1", "t2", "t3", "hidden", "gone")],
            ),
            frame(spark, CORE_USERS, "user_id is_opted_out", ("ada", False), ("bo", True)),
            frame(
                spark,
                CORE_FEEDBACK,
                "user_id track_id feedback_action given_at_utc known_from_date",
                ("ada", "hidden", "hide", at(FEB_28, "10:00:00"), FEB_28),
            ),
            Night(night.as_of, "r", of_lists),
        )
        found = row_metrics(violations)
        assert len(found) == 15
        assert {one.table_name for one in found if one.rule.endswith("_mood")} == {"rec_mood"}
        return {one.rule: one.value for one in found if one.value}

    return count


def test_the_same_track_may_stand_in_the_lists_of_two_cells(broken):
    """Ranks begin at 1 in each list, and the limit of an artist holds for a list."""
    assert (
        broken(
            ("ada", 0, 0, 1, "t1", "a"),
            ("ada", 0, 0, 2, "t2", "a"),
            ("ada", 0, 4, 1, "t2", "a"),
            ("ada", 4, 0, 1, "t1", "a"),
        )
        == {}
    )


def test_each_rule_finds_its_row(broken):
    """Cell (0, 0) has t1 twice and three tracks of artist a; (1, 0) begins at rank 2; bo opted out."""
    assert broken(
        ("ada", 0, 0, 1, "t1", "a"),
        ("ada", 0, 0, 2, "t1", "a"),
        ("ada", 0, 0, 3, "t3", "a"),
        ("ada", 1, 0, 2, "t1", "a"),
        ("ada", 2, 0, 1, "gone", "a"),
        ("ada", 3, 0, 1, "hidden", "a"),
        ("bo", 0, 0, 1, "t1", "a"),
    ) == {
        "duplicate_keys_mood": 1,
        "tracks_over_artist_limit_mood": 1,
        "rank_holes_mood": 1,
        "unavailable_tracks_mood": 1,
        "hidden_tracks_mood": 1,
        "opted_out_or_unknown_people_mood": 1,
    }


def cell_ratio(spark, night, calm, others, *, gone=0, rows=(("ada", 0, 0, 1, "t0", "a"),)):
    """The metric of `calm` tracks of arousal_cell 0 and `others` of each other; valences are even.

    `gone` further calm tracks are not available.
    """
    arousals = [0] * calm + [cell for cell in range(1, 5) for _ in range(others)]
    placed = [(f"t{number}", number % 5, arousal) for number, arousal in enumerate(arousals)]
    withdrawn = [(f"gone{number}", 0, 0) for number in range(gone)]
    return mood_cell_ratio(
        frame(spark, FEAT_TRACK_MOOD, "track_id valence_cell arousal_cell", *placed, *withdrawn),
        frame(
            spark,
            CORE_TRACKS,
            "track_id is_available",
            *[(track_id, not track_id.startswith("gone")) for track_id, _, _ in placed + withdrawn],
        ),
        frame(spark, REC_MOOD, ROW, *rows),
        night,
    )


def test_the_emptiest_row_or_column_of_cells_is_judged(spark, night):
    """8 of 120 available tracks are calm; 20 calm ones that are gone do not help."""
    metric = cell_ratio(spark, night, calm=8, others=28, gone=20)

    assert metric.value == pytest.approx(8 / 120)
    assert (metric.low, metric.high, metric.is_absolute) == (0.1, None, False)
    assert metric.examples == "arousal 0: 8 of 120 tracks"


@pytest.mark.parametrize(
    ("calm", "rows", "value"),
    [(4, (("ada", 0, 0, 1, "t0", "a"),), 0.04), (3, (("ada", 0, 0, 1, "t0", "a"),), 1), (4, (), 1)],
)
def test_99_tracks_and_a_night_without_lists_are_not_judged(spark, night, calm, rows, value):
    """96 tracks are not calm: with 4 calm ones there are 100, of which 4 % are calm."""
    assert cell_ratio(spark, night, calm=calm, others=24, rows=rows).value == value


@pytest.mark.parametrize(("without", "ratio"), [((), 0.0), (("rec_mood",), 1.0)])
def test_a_table_whose_training_is_off_loses_its_rows_without_a_block(night, without, ratio):
    """Readers saw 250 rows of moods and 80 of rec_topk; tonight there are none and 40."""

    def pins(of_moods, topk):
        return (Pin("rec_mood", 1, of_moods, ""), Pin("rec_topk", 1, topk, ""))

    seen = Event(
        event_number=1,
        replaces_event=None,
        action="publish",
        run_id="before",
        as_of=FEB_28,
        actor="test",
        reason=None,
        tables=pins(250, 80),
        gates=(),
        inputs=(),
        model_versions=(),
        code_version="",
        contract_version="",
        recorded_at_utc=datetime(2026, 2, 28, tzinfo=UTC),
    )

    found = row_count_ratios(pins(0, 40), Snapshot(night.settings.lake, seen), night, without)

    assert {one.rule: one.value for one in found} == {
        "row_count_ratio_rec_mood": ratio,
        "row_count_ratio_rec_topk": 0.5,
    }
