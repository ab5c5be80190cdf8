"""core_listen_counts: totals replace earlier totals."""

from __future__ import annotations

from feature_store.tables.core import CORE_LISTEN_COUNTS
from feature_store.tables.raw import RAW_LISTEN_COUNTS
from jobs.core import listen_counts
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, MAR_1, catalogue, frame, rows_of


def test_the_newest_count_replaces_the_earlier(spark, night):
    """A count is a total: the last received of a day counts, and an equal total is no version."""
    columns = "user_id track_id listen_count"
    raw = frame(
        spark,
        RAW_LISTEN_COUNTS,
        f"{columns} arrival_date",
        ("ada", "hymn", 5, FEB_28),
        ("ada", "hymn", 7, FEB_28),
        ("ada", "hymn", 7, FEB_29),
        ("ada", "hymn", 9, MAR_1),
        ("bo", "hymn", 3, FEB_28),
        ("bo", "new", 2, FEB_27),
    )

    found = listen_counts.build(
        raw.where(f"arrival_date >= '{FEB_28}'"),
        raw,
        catalogue(spark, ("new", MAR_1)),
        catalogue(spark, ("hymn", FEB_27)),
        frame(spark, CORE_LISTEN_COUNTS, f"{columns} known_from_date", ("bo", "hymn", 3, FEB_27)),
        night=night,
    )

    assert found.columns == CORE_LISTEN_COUNTS.column_names
    assert rows_of(found, f"{columns} known_from_date") == [
        ("ada", "hymn", 7, FEB_28),
        ("ada", "hymn", 9, MAR_1),
        ("bo", "new", 2, MAR_1),
    ]
