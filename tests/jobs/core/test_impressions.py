"""core_impressions: deduplication and late arrivals."""

from __future__ import annotations

from datetime import timedelta

from feature_store.settings import Night
from feature_store.tables.core import CORE_IMPRESSIONS
from feature_store.tables.raw import RAW_IMPRESSIONS
from jobs.core import impressions
from tests.jobs.core.frames import FEB_27, FEB_29, MAR_1, at, catalogue, frame, values_of

IMPRESSION = "user_id track_id shown_at_utc known_from_date"
TRACKS = {"hymn": FEB_27, "aria": FEB_27, "late": FEB_29}
"""Tracks and the day from which the catalogue has each."""


def test_an_impression_counts_once_from_the_day_on_which_its_track_is_known(spark, settings):
    """Duplicates on one day and two days later; the impression of a later track waits for it."""
    raw = [
        ("ada", "hymn", at(FEB_27, "10:00:00"), FEB_27),
        ("ada", "hymn", at(FEB_27, "10:00:00"), FEB_27),
        ("ada", "hymn", at(FEB_27, "10:00:00"), FEB_29),
        ("ada", "hymn", at(FEB_29, "10:00:00"), FEB_29),
        ("ada", "late", at(FEB_27, "10:00:00"), FEB_27),
    ]
    all_tracks = catalogue(spark, *TRACKS.items())
    written = []
    for first, end in [(FEB_27, FEB_29), (FEB_29, MAR_1)]:
        columns = "user_id track_id shown_at_utc arrival_date"
        arrived = frame(spark, RAW_IMPRESSIONS, columns, *raw).where(f"arrival_date < '{end}'")
        built = impressions.build(
            arrived.where(f"arrival_date >= '{first}'"),
            arrived,
            all_tracks.where(f"known_from_date >= '{first}' AND known_from_date < '{end}'"),
            all_tracks.where(f"known_from_date < '{first}'"),
            frame(spark, CORE_IMPRESSIONS, IMPRESSION, *[tuple(row.values()) for row in written]),
            night=Night(end - timedelta(days=1), "test-run", settings),
        )
        written += built.toArrow().to_pylist()

    assert values_of(written, "track_id", "shown_at_utc", "known_from_date") == [
        ("hymn", at(FEB_27, "10:00:00"), FEB_27),
        ("hymn", at(FEB_29, "10:00:00"), FEB_29),
        ("late", at(FEB_27, "10:00:00"), FEB_29),
    ]
