"""Reasons from followed users: named with consent, counted from two on, and otherwise not given."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.recommendations.steps.reasons import with_reasons

LONG_AGO = date(2020, 1, 1)


@pytest.fixture
def reason_of(spark, night):
    """A function that returns the reason for track t in the list of user `reader`."""

    def reason(*followed: str, consenting: tuple[str, ...] = ()):
        def frame(rows, ddl):
            return spark.createDataFrame(rows, ddl)

        users = [(name, name in consenting) for name in ("reader", *followed)]
        reasoned = with_reasons(
            frame([("reader", "t", "a", "Artist", LONG_AGO, "social")], "user_id STRING, track_id STRING, artist_id STRING, artist_name STRING, released_date DATE, tier STRING"),
            frame(users, "user_id STRING, is_named_to_others BOOLEAN"),
            frame([("t", "a")], "track_id STRING, artist_id STRING"),
            frame([(name, "t", 1) for name in followed], "user_id STRING, track_id STRING, listen_count BIGINT"),
            frame([("reader", name) for name in followed], "user_id STRING, followed_user_id STRING"),
            frame([], "track_id STRING, tag STRING, tagger_count BIGINT"),
            night,
        )  # fmt: skip
        [row] = reasoned.collect()
        return row.reason_kind, row.reason_subject, row.reason_text

    return reason


def test_a_followed_user_with_consent_is_named(reason_of):
    assert reason_of("ann", consenting=("ann",)) == ("followed_listen", "ann", "ann, whom you follow, plays this")  # fmt: skip


def test_one_followed_user_without_consent_gives_no_followed_reason(reason_of):
    """The listener could guess a single unnamed user."""
    assert reason_of("ann") == ("popular", None, "Many listeners play this")


def test_two_followed_users_are_counted_and_not_named(reason_of):
    assert reason_of("ann", "bob") == ("followed_listen", None, "2 people you follow play this")
    assert reason_of("ann", "bob", consenting=("ann",)) == ("followed_listen", None, "2 people you follow play this")  # fmt: skip
