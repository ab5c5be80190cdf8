"""core_users: registered users, and users seen before or without a registration."""

from __future__ import annotations

from feature_store.tables.core import CORE_USERS
from feature_store.tables.raw import (
    RAW_FEEDBACK,
    RAW_FOLLOWS,
    RAW_LISTEN_COUNTS,
    RAW_LISTENS,
    RAW_USERS,
)
from jobs.core import users
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, frame, rows_of

USER = "user_id registered_date is_opted_out is_named_to_others"


def test_users_are_known_from_their_registration_or_their_first_activity(spark, night):
    """Dee is seen a day before her registration and has two versions.

    eve repeats her known registration, finn opts out, and gus is known and is seen again.
    """
    found = users.build(
        frame(
            spark,
            RAW_USERS,
            f"{USER} arrival_date",
            ("dee", FEB_27, False, True, FEB_29),
            ("eve", None, False, False, FEB_29),
            ("finn", None, False, False, FEB_28),
            ("finn", None, True, False, FEB_28),
        ),
        frame(spark, RAW_LISTENS, "user_id arrival_date", ("ada", FEB_29), ("ada", FEB_28)),
        frame(spark, RAW_LISTEN_COUNTS, "user_id arrival_date", ("bo", FEB_28), ("gus", FEB_28)),
        frame(spark, RAW_FOLLOWS, "user_id followed_user_id arrival_date", ("cy", "dee", FEB_28)),
        frame(spark, RAW_FEEDBACK, "user_id arrival_date", ("hal", FEB_29), ("dee", FEB_29)),
        frame(
            spark,
            CORE_USERS,
            f"{USER} known_from_date",
            ("eve", None, False, False, FEB_27),
            ("finn", None, False, True, FEB_27),
            ("gus", None, False, False, FEB_27),
        ),
        night=night,
    )

    assert rows_of(found, f"{USER} known_from_date") == [
        ("ada", None, False, False, FEB_28),
        ("bo", None, False, False, FEB_28),
        ("cy", None, False, False, FEB_28),
        ("dee", None, False, False, FEB_28),
        ("dee", FEB_27, False, True, FEB_29),
        ("finn", None, True, False, FEB_28),
        ("hal", None, False, False, FEB_29),
    ]


def test_a_row_changes_what_it_names(spark, night):
    """Ada stays opted out when only her consent arrives, and bo when his date does.

    cy comes without a word about either, and dee's two rows of one day add up.
    """
    nobody = frame(spark, RAW_LISTENS, "user_id arrival_date")
    found = users.build(
        frame(
            spark,
            RAW_USERS,
            f"{USER} arrival_date",
            ("ada", None, None, True, FEB_28),
            ("bo", FEB_27, None, None, FEB_28),
            ("bo", None, False, None, FEB_29),
            ("cy", FEB_28, None, None, FEB_28),
            ("dee", None, True, None, FEB_28),
            ("dee", FEB_27, None, True, FEB_28),
        ),
        nobody,
        frame(spark, RAW_LISTEN_COUNTS, "user_id arrival_date"),
        frame(spark, RAW_FOLLOWS, "user_id followed_user_id arrival_date"),
        frame(spark, RAW_FEEDBACK, "user_id arrival_date"),
        frame(
            spark,
            CORE_USERS,
            f"{USER} known_from_date",
            ("ada", FEB_27, True, False, FEB_27),
            ("bo", None, True, True, FEB_27),
        ),
        night=night,
    )

    assert rows_of(found, f"{USER} known_from_date") == [
        ("ada", FEB_27, True, True, FEB_28),
        ("bo", FEB_27, False, True, FEB_29),
        ("bo", FEB_27, True, True, FEB_28),
        ("cy", FEB_28, False, False, FEB_28),
        ("dee", FEB_27, True, True, FEB_28),
    ]
