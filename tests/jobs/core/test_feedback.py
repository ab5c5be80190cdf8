"""core_feedback: the last action of each pair."""

from __future__ import annotations

from feature_store.tables.raw import RAW_FEEDBACK
from jobs.core import feedback
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, at, catalogue, frame, rows_of


def test_the_last_action_of_a_pair_counts_and_pairs_do_not_mix(spark, night):
    """Like and unlike are one pair, hide is of another; given_at_utc decides, not arrival.

    The like of a new track enters with its track; the like of an unknown track stays out.
    """
    columns = "user_id track_id feedback_action"
    raw = frame(
        spark,
        RAW_FEEDBACK,
        f"{columns} given_at_utc arrival_date",
        ("ada", "hymn", "unlike", at(FEB_29, "12:00:00"), FEB_29),
        ("ada", "hymn", "like", at(FEB_29, "11:00:00"), FEB_29),
        ("ada", "hymn", "hide", at(FEB_29, "10:00:00"), FEB_29),
        ("bo", "never", "like", at(FEB_29, "10:00:00"), FEB_29),
        ("bo", "new", "like", at(FEB_28, "10:00:00"), FEB_28),
    )

    found = feedback.build(
        raw.where(f"arrival_date = '{FEB_29}'"),
        raw,
        catalogue(spark, ("new", FEB_29), ("hymn", FEB_29)),
        catalogue(spark, ("hymn", FEB_27)),
        night=night,
    )

    assert rows_of(found, f"{columns} known_from_date") == [
        ("ada", "hymn", "hide", FEB_29),
        ("ada", "hymn", "unlike", FEB_29),
        ("bo", "new", "like", FEB_29),
    ]
