"""core_follows: versions of follows."""

from __future__ import annotations

from feature_store.tables.core import CORE_FOLLOWS
from feature_store.tables.raw import RAW_FOLLOWS
from jobs.core import follows
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, frame, rows_of


def test_a_follow_has_a_row_for_each_day_that_changed_it(spark, night):
    """Begun and ended on one day counts as ended; a repeat is no version, a new start date is one."""
    columns = "user_id followed_user_id followed_from_date is_active"
    found = follows.build(
        frame(
            spark,
            RAW_FOLLOWS,
            f"{columns} arrival_date",
            ("ada", "bo", FEB_28, True, FEB_28),
            ("ada", "bo", FEB_28, False, FEB_28),
            ("bo", "ada", None, True, FEB_28),
            ("cy", "ada", FEB_27, True, FEB_28),
            ("ada", "bo", FEB_29, True, FEB_29),
        ),
        frame(
            spark,
            CORE_FOLLOWS,
            f"{columns} known_from_date",
            ("bo", "ada", None, True, FEB_27),
            ("cy", "ada", None, True, FEB_27),
        ),
        night=night,
    )

    assert rows_of(found, f"{columns} known_from_date") == [
        ("ada", "bo", FEB_28, False, FEB_28),
        ("ada", "bo", FEB_29, True, FEB_29),
        ("cy", "ada", FEB_27, True, FEB_28),
    ]
