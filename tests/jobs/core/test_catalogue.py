"""core_tracks, its match keys, and core_tags."""

from __future__ import annotations

import pytest

from feature_store.tables.core import CORE_TAGS, CORE_TRACKS
from feature_store.tables.raw import RAW_AUDIO, RAW_COVERS, RAW_LYRICS, RAW_TAGS, RAW_TRACKS
from jobs.core import tags, tracks
from jobs.core.steps.match_keys import match_key
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, MAR_1, frame, rows_of

METADATA = "track_id title artist_id artist_name is_available arrival_date source_file source_row"
FILE = "track_id content_hash file_uri arrival_date source_file source_row"
SHOWN = "track_id known_from_date title is_available audio_hash audio_uri lyrics_hash cover_hash"


def hymn(title, day, source_file="a", source_row=0, *, is_available=True):
    return ("hymn", title, "choir", "Chœur", is_available, day, source_file, source_row)


ANNOUNCED = [
    hymn("Draft", FEB_28, "a", 9),
    hymn("Hymn", FEB_28, "b", 0),  # the same day, a later file: this one counts
    hymn("Hymn", FEB_29, "c", 0),  # nothing new: no version
    hymn("Hymn", MAR_1, "d", 0, is_available=False),
]
AUDIO = [
    ("hymn", "early", "f1", FEB_27, "f1", 0),  # a day before its track
    ("hymn", "remaster", "f2", MAR_1, "f2", 0),
    ("orphan", "alone", "f3", FEB_27, "f3", 0),  # its track never comes
]
LYRICS = [("hymn", "words", FEB_29, "l", 0)]
VERSIONS = [
    ("hymn", FEB_28, "Hymn", True, "early", "f1", None, None),
    ("hymn", FEB_29, "Hymn", True, "early", "f1", "words", None),
    ("hymn", MAR_1, "Hymn", False, "remaster", "f2", "words", None),
]


def versions(spark, night, before, until):
    """core_tracks of the days after `before`'s rows, seeing arrivals up to `until`."""
    seen = f"arrival_date <= '{until}'"
    return tracks.build(
        frame(spark, RAW_TRACKS, METADATA, *ANNOUNCED).where(seen),
        frame(spark, RAW_AUDIO, FILE, *AUDIO).where(seen),
        frame(
            spark, RAW_LYRICS, "track_id content_hash arrival_date source_file source_row", *LYRICS
        ).where(seen),
        frame(spark, RAW_COVERS, FILE),
        before,
        night=night,
    )


def test_a_track_gets_a_version_for_each_day_that_changed_it(spark, night):
    """Early audio waits for its track; repeated metadata makes none; withdrawal is a version."""
    found = versions(spark, night, frame(spark, CORE_TRACKS, "track_id"), MAR_1)

    assert found.columns == CORE_TRACKS.column_names
    assert rows_of(found, SHOWN) == VERSIONS
    assert rows_of(found.limit(1), "artist_match_key title_match_key") == [("chœur", "hymn")]


def test_night_by_night_the_versions_are_the_same(spark, night):
    """A night adds its own day and nothing else; a day without change adds nothing."""
    nothing = frame(spark, CORE_TRACKS, "track_id")
    first = versions(spark, night, nothing, FEB_28).collect()
    newest = spark.createDataFrame(first, nothing.schema)

    rest = versions(spark, night, newest, MAR_1)

    assert [tuple(row[name] for name in SHOWN.split()) for row in first] == VERSIONS[:1]
    assert rows_of(rest, SHOWN) == VERSIONS[1:]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Beyoncé – “Halo”", "beyoncehalo"),
        ("AC/DC", "acdc"),
        ("Сергей Рахманинов", "сергеирахманинов"),
        ("東京 がらす", "東京がらす"),
        ("हिन्दी", "हिन्दी"),
        ("Café del Mar 2", "cafedelmar2"),
        ("!!!", "!!!"),
    ],
)
def test_match_keys_keep_letters_and_digits_of_every_script(name, key):
    """Accents fall, voicing and vowel signs of other scripts stay; a name of signs stays itself."""
    assert match_key(name) == key


def test_a_tag_counts_once_for_each_tagger(spark, night):
    """Given twice by ada: the first received; by the catalogue: another; known before: not again."""
    names = "track_id tag user_id tagged_date arrival_date"
    first = tags.build(
        frame(
            spark,
            RAW_TAGS,
            names,
            ("hymn", "slow", "ada", FEB_27, FEB_28),
            ("hymn", "slow", "ada", FEB_28, FEB_28),
            ("hymn", "slow", None, None, FEB_28),
        ),
        frame(spark, CORE_TAGS, "tag_event_id"),
        night=night,
    )
    again = frame(
        spark,
        RAW_TAGS,
        names,
        ("hymn", "slow", "ada", FEB_29, FEB_29),
        ("hymn", "slow", "bo", FEB_29, FEB_29),
        ("hymn", "slow", None, None, FEB_29),
    )

    second = tags.build(again, first, night=night)

    shown = "track_id tag user_id tagged_date known_from_date"
    assert rows_of(first, shown) == [
        ("hymn", "slow", "ada", FEB_27, FEB_28),
        ("hymn", "slow", None, None, FEB_28),
    ]
    assert rows_of(second, shown) == [("hymn", "slow", "bo", FEB_29, FEB_29)]
