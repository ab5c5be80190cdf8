"""core_tracks: versions of the catalogue."""

from __future__ import annotations

from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.raw import RAW_AUDIO, RAW_COVERS, RAW_LYRICS, RAW_TRACKS
from jobs.core import tracks
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, MAR_1, frame, rows_of

METADATA = "track_id title artist_id artist_name is_available arrival_date source_file source_row"
FILE = "track_id content_hash file_uri arrival_date source_file source_row"
COLUMNS = "track_id known_from_date title is_available audio_hash audio_uri lyrics_hash cover_hash"


def hymn(title, day, source_file="a", source_row=0, *, is_available=True):
    return ("hymn", title, "choir", "Chœur", is_available, day, source_file, source_row)


CATALOGUE = [
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


def versions(spark, night, previous, until):
    """core_tracks of the days after the `previous` rows, with arrivals up to `until`."""
    seen = f"arrival_date <= '{until}'"
    return tracks.build(
        frame(spark, RAW_TRACKS, METADATA, *CATALOGUE).where(seen),
        frame(spark, RAW_AUDIO, FILE, *AUDIO).where(seen),
        frame(
            spark, RAW_LYRICS, "track_id content_hash arrival_date source_file source_row", *LYRICS
        ).where(seen),
        frame(spark, RAW_COVERS, FILE),
        previous,
        night=night,
    )


def test_a_track_gets_a_version_for_each_day_that_changed_it(spark, night):
    """Early audio waits for its track; repeated metadata makes no version; withdrawal makes one."""
    found = versions(spark, night, frame(spark, CORE_TRACKS, "track_id"), MAR_1)

    assert found.columns == CORE_TRACKS.column_names
    assert rows_of(found, COLUMNS) == VERSIONS
    assert rows_of(found.limit(1), "artist_match_key title_match_key") == [("chœur", "hymn")]


def test_versions_are_the_same_computed_night_by_night(spark, night):
    """A night adds only versions of its own day; a day without change adds none."""
    nothing = frame(spark, CORE_TRACKS, "track_id")
    first = versions(spark, night, nothing, FEB_28).collect()
    newest = spark.createDataFrame(first, nothing.schema)

    rest = versions(spark, night, newest, MAR_1)

    assert [tuple(row[name] for name in COLUMNS.split()) for row in first] == VERSIONS[:1]
    assert rows_of(rest, COLUMNS) == VERSIONS[1:]


def test_a_row_changes_what_it_names(spark, night):
    """A correction of the title lists a withdrawn track no more than before; two rows may complete one."""
    raw = "track_id title artist_id artist_name is_available track_duration_ms arrival_date"
    found = tracks.build(
        frame(
            spark,
            RAW_TRACKS,
            raw,
            ("hymn", "Draft", "choir", "Choir", False, 9000, FEB_27),
            ("hymn", "Hymn", None, None, None, None, FEB_28),
            ("half", "Half", None, None, None, None, FEB_27),
            ("half", None, "duo", "Duo", None, None, FEB_28),
            ("never", None, None, None, False, None, FEB_27),
        ),
        frame(spark, RAW_AUDIO, FILE),
        frame(spark, RAW_LYRICS, "track_id content_hash arrival_date"),
        frame(spark, RAW_COVERS, FILE),
        frame(spark, CORE_TRACKS, "track_id"),
        night=night,
    )

    assert rows_of(
        found, "track_id known_from_date title artist_name is_available track_duration_ms"
    ) == [
        ("half", FEB_28, "Half", "Duo", True, None),
        ("hymn", FEB_27, "Draft", "Choir", False, 9000),
        ("hymn", FEB_28, "Hymn", "Choir", False, 9000),
    ]
