"""Reject rules: each bad row gets its reason, and every row is either kept or rejected."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from feature_store.setting_groups import LandingSettings
from feature_store.tables.columns import ARRIVAL_DATE, SOURCE_FILE, SOURCE_ROW
from feature_store.tables.raw import RAW_TRACKS, REJECT_REASONS
from jobs.raw import (
    emotion_texts,
    feedback,
    follows,
    impressions,
    listen_counts,
    listens,
    lyrics,
    rejects,
    tags,
    tracks,
    users,
)
from jobs.raw.steps.landing_schema import FIRST_ARRIVAL_DATE, READING_COLUMNS
from jobs.raw.steps.rules import SOURCE_CONTRACTS
from tests.jobs.core.frames import FEB_29, MAR_1, at, frame, rows_of

JOBS = {
    "listens": listens,
    "listen_counts": listen_counts,
    "follows": follows,
    "users": users,
    "tracks": tracks,
    "tags": tags,
    "feedback": feedback,
    "impressions": impressions,
    "lyrics": lyrics,
    "emotion_texts": emotion_texts,
}

GOOD = {
    "listens": {
        "user_id": "ada",
        "track_id": "hymn",
        "listened_at_utc": at(FEB_29, "23:59:59"),
        "played_ms": 0,
        "duration_ms": 1,
        "is_organic": False,
    },
    "listen_counts": {"user_id": "ada", "track_id": "hymn", "listen_count": 1},
    "follows": {"user_id": "ada", "followed_user_id": "bo", "followed_from_date": FEB_29},
    "users": {"user_id": "ada", "registered_date": date(2024, 3, 9)},
    "tracks": {
        "track_id": "hymn",
        "title": "Hymn",
        "artist_id": "choir",
        "artist_name": "Choir",
        "track_duration_ms": 1,
        "released_date": date(2024, 12, 24),
    },
    "tags": {"track_id": "hymn", "tag": " Slow Air ", "tagged_date": FEB_29},
    "feedback": {
        "user_id": "ada",
        "track_id": "hymn",
        "feedback_action": "like",
        "given_at_utc": at(FEB_29, "23:59:59"),
    },
    "impressions": {"user_id": "ada", "track_id": "hymn", "shown_at_utc": at(FEB_29, "23:59:59")},
    "lyrics": {"track_id": "hymn", "lyrics_bytes": "für Elise".encode()},
    "emotion_texts": {
        "text_id": "s-1",
        "perspective": "reader",
        "emotion_text": "No.",
        "valence": -1.0,
        "arousal": 1.0,
        "valence_rating_sd": 0.0,
        "arousal_rating_sd": 1.0,
        "rater_count": 1,
    },
}
"""A valid row of every source at the limits of its rules; each arrived on 29 February."""

BAD = [
    ("listens", {"played_ms": -1}, "negative_duration", "played_ms = -1"),
    ("listens", {"duration_ms": -5}, "negative_duration", "duration_ms = -5"),
    ("listens", {"duration_ms": 0}, "out_of_range", "duration_ms = 0"),
    ("listens", {"played_ms": 86_400_001}, "out_of_range", "played_ms = 86400001"),
    (
        "listens",
        {"listened_at_utc": at(MAR_1, "00:00:00")},
        "future_time",
        "listened_at_utc = 2024-03-01 00:00:00",
    ),
    ("listens", {"listened_at_utc": None}, "missing_value", "listened_at_utc = null"),
    ("listens", {"user_id": "  "}, "missing_value", "user_id =   "),
    ("listens", {"track_id": None, "played_ms": -1}, "missing_value", "track_id = null"),
    ("listens", {"user_id": "\t"}, "missing_value", "user_id = \t"),
    ("listens", {"track_id": "\u200b"}, "missing_value", "track_id = \u200b"),
    ("tags", {"user_id": "\u00a0"}, "missing_value", "user_id = \u00a0"),
    (
        "listens",
        {"listened_at_utc": at(date(1970, 1, 21), "12:00:00")},
        "out_of_range",
        (
            "listened_at_utc = 1970-01-21 12:00:00; a row is refused when listened_at_utc < "
            "DATE'1990-01-01' (landing.earliest_date); seconds or milliseconds"
        ),
    ),
    (
        "listens",
        {"listened_at_utc": at(date(2023, 2, 28), "23:59:59")},  # 366 days
        "late_row",
        (
            "listened_at_utc = 2023-02-28 23:59:59; a row is refused when listened_at_utc < "
            "date_sub(arrival_date, 365) AND arrival_date > date_add(first_arrival_date, 365) "
            "(landing.max_late_days); to take it"
        ),
    ),
    ("impressions", {"shown_at_utc": at(date(1999, 1, 1), "00:00:00")}, "late_row", "shown_at"),
    ("feedback", {"given_at_utc": at(date(1, 1, 1), "00:00:00")}, "out_of_range", "given_at_utc"),
    ("impressions", {"shown_at_utc": at(date(1989, 12, 31), "23:59:59")}, "out_of_range", "shown"),
    ("follows", {"followed_from_date": date(1970, 1, 1)}, "out_of_range", "followed_from_date"),
    ("lyrics", {"lyrics_bytes": "la la".encode("utf-16-le")}, "not_utf8", "track_id = hymn"),
    ("listen_counts", {"listen_count": 0}, "out_of_range", "listen_count = 0"),
    ("follows", {"followed_user_id": "ada"}, "self_follow", "user_id = ada"),
    ("follows", {"followed_from_date": MAR_1}, "future_time", "followed_from_date = 2024-03-01"),
    ("users", {"user_id": None}, "missing_value", "user_id = null"),
    (
        "tracks",
        {"track_id": "new", "title": None},
        "incomplete_track",
        "title = null, and no earlier row has it; track_id = new",
    ),
    ("tracks", {"title": " "}, "missing_value", "title =  "),
    ("tracks", {"artist_id": ""}, "missing_value", "artist_id = "),
    ("tracks", {"album_id": "\t"}, "missing_value", "album_id = \t"),
    ("tracks", {"track_duration_ms": 0}, "out_of_range", "track_duration_ms = 0"),
    ("tags", {"tag": " "}, "missing_value", "tag =  "),
    ("tags", {"tagged_date": MAR_1}, "future_time", "tagged_date = 2024-03-01"),
    ("feedback", {"feedback_action": "love"}, "unknown_action", "feedback_action = love"),
    (
        "feedback",
        {"given_at_utc": at(MAR_1, "00:00:00")},
        "future_time",
        "given_at_utc = 2024-03-01 00:00:00",
    ),
    (
        "impressions",
        {"shown_at_utc": at(MAR_1, "00:00:00")},
        "future_time",
        "shown_at_utc = 2024-03-01 00:00:00",
    ),
    ("impressions", {"user_id": None}, "missing_value", "user_id = null"),
    ("lyrics", {"lyrics_bytes": "für Elise".encode("latin-1")}, "not_utf8", "track_id = hymn"),
    ("lyrics", {"lyrics_bytes": None}, "missing_value", "lyrics_bytes = null"),
    (
        "emotion_texts",
        {"valence": 3.2},
        "out_of_range",
        (
            "valence = 3.2; a row is refused when valence < -1 OR valence > 1; the scale is -1 to "
            "1: a rating of 1 to 5 lands as (rating - 3) / 2"
        ),
    ),
    ("emotion_texts", {"arousal": -1.01}, "out_of_range", "arousal = -1.01"),
    ("emotion_texts", {"arousal": None}, "missing_value", "arousal = null"),
    ("emotion_texts", {"emotion_text": " \t"}, "missing_value", "emotion_text =  \t"),
    ("emotion_texts", {"text_id": ""}, "missing_value", "text_id = "),
    ("emotion_texts", {"perspective": None}, "missing_value", "perspective = null"),
    ("emotion_texts", {"perspective": "author"}, "unknown_value", "perspective = author"),
    ("emotion_texts", {"source_split": "holdout"}, "unknown_value", "source_split = holdout"),
    ("emotion_texts", {"valence_rating_sd": -0.1}, "out_of_range", "valence_rating_sd = -0.1"),
    ("emotion_texts", {"rater_count": 0}, "out_of_range", "rater_count = 0"),
    (
        "users",
        {"reading_reason": "unreadable_file", "reading_detail": "users/x.parquet", "user_id": None},
        "unreadable_file",
        "users/x.parquet",
    ),
    (
        "follows",
        {"reading_reason": "wrong_type", "reading_detail": "is_active = maybe"},
        "wrong_type",
        "is_active = maybe",
    ),
]


def landing(spark, source, *changes):
    """The source's valid row, once for each dict of changes, in the shape that reading.py gives."""
    columns = [
        *SOURCE_CONTRACTS[source].columns,
        *READING_COLUMNS,
        FIRST_ARRIVAL_DATE,
        SOURCE_FILE,
        SOURCE_ROW,
        ARRIVAL_DATE,
    ]
    rows = []
    for number, change in enumerate(changes):
        filled = {"arrival_date": FEB_29, "source_file": source, "source_row": number}
        filled |= {"first_arrival_date": date(2020, 1, 1)}
        rows.append(filled | {"original_text": json.dumps({"row": number})} | GOOD[source] | change)
    schema = pa.schema([(column.name, column.kind.arrow) for column in columns])
    return spark.createDataFrame(pa.Table.from_pylist(rows, schema))


def rejected(spark, night, landed, catalogue=(("hymn", FEB_29),)):
    """The rows of raw_rejects for `landed`, a dict from source to frame."""
    complete = [(track_id, "Title", "choir", "Choir", day) for track_id, day in catalogue]
    names = "track_id title artist_id artist_name arrival_date"
    tracks_history = frame(spark, RAW_TRACKS, names, *complete)
    sources = [item.source for item in rejects.INPUTS[:-1]]
    frames = [landed.get(source, landing(spark, source)) for source in sources]
    return rejects.build(*frames, tracks_history, night=night)


@pytest.fixture(scope="module")
def bad_rows(spark):
    """Every case of BAD in one frame for each source; row 0 is the source's valid row."""
    return {
        source: landing(spark, source, {}, *[case[1] for case in BAD if case[0] == source])
        for source in GOOD
    }


def test_each_bad_row_is_rejected_with_its_reason_and_value(spark, night, bad_rows):
    """All cases at once: table, row, reason, the quoted value, the original text."""
    found = {
        (row.table_name, row.source_row): row for row in rejected(spark, night, bad_rows).collect()
    }

    assert len(found) == len(BAD)
    for source in GOOD:
        cases = [case for case in BAD if case[0] == source]
        for number, (_, _, reason, detail) in enumerate(cases, start=1):
            row = found[f"raw_{source}", number]
            assert row.reject_reason == reason, (source, detail, row)
            assert row.reject_detail.startswith(detail), row
            assert row.original_text == json.dumps({"row": number})
            assert (row.source_file, row.arrival_date) == (source, FEB_29)


@pytest.mark.parametrize("source", JOBS)
def test_the_raw_table_keeps_only_the_valid_row(night, bad_rows, source):
    """The row at the limits of every rule is kept; no bad row is, but one that waits for more.

    Of a listener or a track it is kept without its bad value, if that may be null.
    """
    job = JOBS[source]

    kept = job.build(bad_rows[source], night=night)

    assert kept.columns == job.OUTPUT.column_names
    optional = {one.name for one in SOURCE_CONTRACTS[source].columns if one.is_nullable}
    usable = [
        (number,)
        for number, case in enumerate([one for one in BAD if one[0] == source], start=1)
        if case[2] == "incomplete_track"
        or (source in {"users", "tracks"} and case[1].keys() <= optional)
    ]
    assert rows_of(kept, "source_row") == [(0,), *usable]


def test_a_bad_value_does_not_take_an_opt_out_or_a_withdrawal_with_it(spark, night):
    """Dates of MySQL and durations of 0 stand for "unknown"; each is named, and the rest counts."""
    no_date = {
        "reading_reason": "wrong_type",
        "reading_detail": "registered_date = 0000-00-00",
        "registered_date": None,
    }
    people = landing(
        spark,
        "users",
        {**no_date, "is_opted_out": True, "is_partly_read": True},
        {**no_date, "is_opted_out": True, "is_partly_read": False},  # its user_id was no id
    )
    withdrawn = {"is_available": False, "track_duration_ms": 0, "title": " "}
    catalogue = landing(spark, "tracks", withdrawn)

    chosen = users.build(people, night=night).collect()
    [track] = tracks.build(catalogue, night=night).collect()

    assert [(row.source_row, row.is_opted_out, row.registered_date) for row in chosen] == [
        (0, True, None)
    ]
    assert (track.is_available, track.track_duration_ms, track.title) == (False, None, None)
    named = rejected(spark, night, {"users": people, "tracks": catalogue}).collect()
    assert sorted((row.table_name, row.source_row, row.reject_reason) for row in named) == [
        ("raw_tracks", 0, "missing_value"),
        ("raw_users", 0, "wrong_type"),
        ("raw_users", 1, "wrong_type"),
    ]


@pytest.mark.parametrize(
    ("listened", "first_day", "max_late_days", "is_kept"),
    [
        (date(2023, 3, 1), date(2020, 1, 1), 365, True),  # 365 days before 29 February 2024
        (date(2023, 2, 28), date(2020, 1, 1), 365, False),
        (date(2023, 2, 28), date(2020, 1, 1), 366, True),
        (date(2014, 3, 1), FEB_29, 365, True),  # a first import of ten years
        (date(2014, 3, 1), date(2023, 3, 1), 365, True),  # its last file, in the first 365 days
        (date(2014, 3, 1), date(2023, 2, 28), 365, False),
    ],
)
def test_history_is_taken_while_its_source_is_young(
    spark, night, listened, first_day, max_late_days, is_kept
):
    """A row is late against its day of arrival: `first_day` alone tells a source that begins."""
    late = {"listened_at_utc": at(listened, "00:00:00"), "first_arrival_date": first_day}
    landed = landing(spark, "listens", late)
    setting = LandingSettings(max_late_days=max_late_days)
    strict = replace(night, settings=night.settings.model_copy(update={"landing": setting}))

    kept = listens.build(landed, night=strict).count()
    refused = [row.reject_reason for row in rejected(spark, strict, {"listens": landed}).collect()]

    assert (kept, refused) == ((1, []) if is_kept else (0, ["late_row"]))


@pytest.mark.parametrize(
    ("source", "column", "default"),
    [
        ("listens", "is_organic", True),
        ("follows", "is_active", True),
    ],
)
def test_an_optional_column_that_is_absent_gets_its_default(spark, night, source, column, default):
    """An absent value becomes the default; a given value stays."""
    landed = landing(spark, source, {column: None}, {column: not default})

    kept = JOBS[source].build(landed, night=night)

    assert rows_of(kept, f"source_row {column}") == [(0, default), (1, not default)]


def test_a_row_that_changes_an_entity_is_kept_as_it_came(spark, night):
    """Absent is not false: what a row leaves out stays null here, and as it was in core_."""
    user = {"registered_date": None, "is_opted_out": None, "is_named_to_others": True}
    takedown = {"title": None, "artist_id": None, "artist_name": None, "is_available": False}

    kept_users = users.build(landing(spark, "users", user), night=night)
    kept_tracks = tracks.build(landing(spark, "tracks", takedown), night=night)

    assert rows_of(kept_users, "is_opted_out is_named_to_others") == [(None, True)]
    assert rows_of(kept_tracks, "title artist_name is_available") == [(None, None, False)]
    assert rejected(spark, night, {"tracks": landing(spark, "tracks", takedown)}).count() == 0


def test_tags_are_lower_cased_and_trimmed(spark, night):
    kept = tags.build(landing(spark, "tags", {}), night=night)

    assert rows_of(kept, "tag user_id") == [("slow air", None)]


def test_lyrics_are_kept_as_text_with_the_hash_of_their_bytes(spark, night):
    """The hash is what `printf la | sha256sum` prints."""
    kept = lyrics.build(landing(spark, "lyrics", {"lyrics_bytes": b"la"}), night=night)

    assert rows_of(kept, "lyrics_text content_hash") == [
        ("la", "b737ca7ee563ae80e457bb3d1dfe64edd2b4c015a8f88b6f87d5c113b68897fd")
    ]


def test_lyrics_lose_their_byte_order_mark(spark, night):
    kept = lyrics.build(
        landing(spark, "lyrics", {"lyrics_bytes": "\ufeffla".encode()}), night=night
    )

    assert rows_of(kept, "lyrics_text") == [("la",)]


def test_rows_about_unknown_tracks_are_kept_and_rejected(spark, night):
    """A listen, a like and an impression of a track that arrives a day later, and a count of none."""
    landed = {
        "listens": landing(spark, "listens", {}, {"track_id": "later"}),
        "listen_counts": landing(spark, "listen_counts", {}, {"track_id": "never"}),
        "feedback": landing(spark, "feedback", {}, {"track_id": "later"}),
        "impressions": landing(spark, "impressions", {}, {"track_id": "later"}),
    }
    catalogue = (("hymn", FEB_29), ("hymn", MAR_1), ("later", MAR_1))

    found = rejected(spark, night, landed, catalogue)

    assert rows_of(found, "table_name source_row reject_reason") == [
        ("raw_feedback", 1, "unknown_track"),
        ("raw_impressions", 1, "unknown_track"),
        ("raw_listen_counts", 1, "unknown_track"),
        ("raw_listens", 1, "unknown_track"),
    ]
    assert rows_of(listens.build(landed["listens"], night=night), "track_id") == [
        ("hymn",),
        ("later",),
    ]


def test_a_bad_row_about_an_unknown_track_is_rejected_once_by_its_own_rule(spark, night):
    landed = {"listens": landing(spark, "listens", {"track_id": "never", "played_ms": -1})}

    found = rejected(spark, night, landed)

    assert rows_of(found, "reject_reason") == [("negative_duration",)]


def test_every_reason_of_a_rule_is_documented():
    used = {rule.reason for source in SOURCE_CONTRACTS.values() for rule in source.all_rules}

    assert used < set(REJECT_REASONS)
    assert set(REJECT_REASONS) - used == {
        "unreadable_file",
        "wrong_type",
        "unknown_track",
        "incomplete_track",
    }


def test_every_not_null_column_is_required_or_has_a_default():
    """Otherwise a null would pass the rules, break the table's constraint and fail the night."""
    for source in SOURCE_CONTRACTS.values():
        landed = {column.name: column for column in source.columns}
        required = {rule.column for rule in source.all_rules if rule.reason == "missing_value"}
        for name, column in landed.items():
            assert column.is_nullable or name in required or name in source.defaults
