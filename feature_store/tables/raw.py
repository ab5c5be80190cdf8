"""raw_: rows as received, typed, with their source file and row.

A row that breaks a rule lands in raw_rejects.
"""

from enum import StrEnum

from feature_store.contract import OneOf, Table, Time, Within
from feature_store.tables import columns as c

_ORIGIN = (c.SOURCE_FILE, c.SOURCE_ROW, c.ARRIVAL_DATE)
_ORIGIN_KEY = ("source_file", "source_row")

_UNCHANGED = "when the row does not change it"

FEEDBACK_ACTIONS = ("like", "unlike", "hide", "unhide")

PERSPECTIVES = ("reader", "writer", "combined")
SOURCE_SPLITS = ("train", "dev", "test")

RAW_LISTENS = Table(
    name="raw_listens",
    meaning="Listens as the players sent them; a listen that was sent twice has two rows.",
    columns=(
        c.USER_ID,
        c.TRACK_ID,
        c.LISTENED_AT_UTC,
        c.PLAYED_MS,
        c.DURATION_MS,
        c.IS_ORGANIC,
        *_ORIGIN,
    ),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
    constraints=(Within("played_ms", 0, 86_400_000), Within("duration_ms", 1, 86_400_000)),
)

RAW_LISTEN_COUNTS = Table(
    name="raw_listen_counts",
    meaning="Listens per user and track from sources that have counts and no times; never "
    "expanded into listens.",
    columns=(c.USER_ID, c.TRACK_ID, c.LISTEN_COUNT, *_ORIGIN),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
    constraints=(Within("listen_count", 1, 2**53),),
)

RAW_FOLLOWS = Table(
    name="raw_follows",
    meaning="Follows and their ends.",
    columns=(c.USER_ID, c.FOLLOWED_USER_ID, c.FOLLOWED_FROM_DATE, c.IS_ACTIVE, *_ORIGIN),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
)

RAW_USERS = Table(
    name="raw_users",
    meaning="Listeners and their choices; a later row of a listener changes what it names.",
    columns=(
        c.USER_ID,
        c.REGISTERED_DATE,
        c.IS_OPTED_OUT.or_null(_UNCHANGED),
        c.IS_NAMED_TO_OTHERS.or_null(_UNCHANGED),
        *_ORIGIN,
    ),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
)

RAW_TRACKS = Table(
    name="raw_tracks",
    meaning="Catalogue rows; a later row of the same track changes what it names, is_available = "
    "false withdraws it.",
    columns=(
        c.TRACK_ID,
        c.TITLE.or_null(_UNCHANGED),
        c.ARTIST_ID.or_null(_UNCHANGED),
        c.ARTIST_NAME.or_null(_UNCHANGED),
        c.ALBUM_ID.or_null(_UNCHANGED),
        c.ALBUM_TITLE,
        c.RELEASED_DATE,
        c.TRACK_DURATION_MS,
        c.ISRC,
        c.RECORDING_MBID,
        c.IS_AVAILABLE.or_null(_UNCHANGED),
        *_ORIGIN,
    ),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
    constraints=(Within("track_duration_ms", 1, 86_400_000),),
)

REQUIRED_OF_TRACKS = ("title", "artist_id", "artist_name")
"""Without these a track has no row in core_tracks; they may come in several rows."""

RAW_TAGS = Table(
    name="raw_tags",
    meaning="Tags given to tracks, by listeners or by the catalogue.",
    columns=(
        c.TRACK_ID,
        c.TAG,
        c.USER_ID.or_null("when the catalogue gave the tag"),
        c.TAGGED_DATE,
        *_ORIGIN,
    ),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
)

RAW_LYRICS = Table(
    name="raw_lyrics",
    meaning="Lyrics as UTF-8 text; bytes in another encoding are rejected, not guessed.",
    columns=(c.TRACK_ID, c.LYRICS_TEXT, c.CONTENT_HASH, *_ORIGIN),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
)

_FILE_COLUMNS = (c.TRACK_ID, c.FILE_URI, c.CONTENT_HASH, c.BYTE_COUNT, *_ORIGIN)
_FILE_KEY = (*_ORIGIN_KEY, "arrival_date")
"""A file that changes after its day was closed arrives again on a later day."""

RAW_AUDIO = Table(
    name="raw_audio",
    meaning="Audio files that arrived; the file's name without its ending is the track id, "
    "percent-encoded.",
    columns=_FILE_COLUMNS,
    key=_FILE_KEY,
    time=Time.ARRIVAL,
)

RAW_COVERS = Table(
    name="raw_covers",
    meaning="Cover images that arrived; the file's name without its ending is the track id, "
    "percent-encoded.",
    columns=_FILE_COLUMNS,
    key=_FILE_KEY,
    time=Time.ARRIVAL,
)

RAW_FEEDBACK = Table(
    name="raw_feedback",
    meaning="Buttons that listeners pressed on tracks.",
    columns=(c.USER_ID, c.TRACK_ID, c.FEEDBACK_ACTION, c.GIVEN_AT_UTC, *_ORIGIN),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
    constraints=(OneOf("feedback_action", FEEDBACK_ACTIONS),),
)

RAW_IMPRESSIONS = Table(
    name="raw_impressions",
    meaning="Tracks that our lists showed to listeners, as the players reported.",
    columns=(c.USER_ID, c.TRACK_ID, c.SHOWN_AT_UTC, *_ORIGIN),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
)

EMOTION_TEXT_COLUMNS = (
    c.TEXT_ID,
    c.PERSPECTIVE,
    c.EMOTION_TEXT,
    c.VALENCE,
    c.AROUSAL,
    c.VALENCE_RATING_SD,
    c.AROUSAL_RATING_SD,
    c.RATER_COUNT,
    c.SOURCE_SPLIT,
)
EMOTION_TEXT_RULES = (
    OneOf("perspective", PERSPECTIVES),
    OneOf("source_split", SOURCE_SPLITS),
    Within("valence", -1, 1),
    Within("arousal", -1, 1),
    Within("valence_rating_sd", 0, 1),
    Within("arousal_rating_sd", 0, 1),
    Within("rater_count", 1, 2**53),
)

RAW_EMOTION_TEXTS = Table(
    name="raw_emotion_texts",
    meaning="Texts whose valence and arousal people rated, for training of text emotion. Every "
    "source is brought to one scale before it lands: a rating of 1 to 5 becomes (rating - 3) / 2, "
    "its standard deviation is halved, and both are rounded to 6 decimals. The texts are about no "
    "listener, so an erasure has nothing to take.",
    columns=(*EMOTION_TEXT_COLUMNS, *_ORIGIN),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
    constraints=EMOTION_TEXT_RULES,
)


class RejectReason(StrEnum):
    """Codes of raw_rejects.reject_reason; REJECT_REASONS says what each means."""

    UNREADABLE_FILE = "unreadable_file"
    WRONG_TYPE = "wrong_type"
    MISSING_VALUE = "missing_value"
    NEGATIVE_DURATION = "negative_duration"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_ACTION = "unknown_action"
    UNKNOWN_VALUE = "unknown_value"
    FUTURE_TIME = "future_time"
    LATE_ROW = "late_row"
    SELF_FOLLOW = "self_follow"
    NOT_UTF8 = "not_utf8"
    UNKNOWN_TRACK = "unknown_track"
    INCOMPLETE_TRACK = "incomplete_track"


WAITING = (RejectReason.UNKNOWN_TRACK, RejectReason.INCOMPLETE_TRACK)
"""Reasons of rows that are in their raw_ tables too."""


REJECT_REASONS: dict[str, str] = {
    RejectReason.UNREADABLE_FILE: "The file is no Parquet, damaged, encrypted, a trap (more "
    "rows or memory than its bytes can mean), has two columns of one name, or the columns of "
    "another source; it has one row here.",
    RejectReason.WRONG_TYPE: "A value cannot be read as the column's type.",
    RejectReason.MISSING_VALUE: "A column that must hold a value is absent, null or blank.",
    RejectReason.NEGATIVE_DURATION: "A listen lasted less than no time.",
    RejectReason.OUT_OF_RANGE: "A value lies outside the range that the table allows.",
    RejectReason.UNKNOWN_ACTION: "The button is none of like, unlike, hide, unhide.",
    RejectReason.UNKNOWN_VALUE: "A value is none of those that its column may have.",
    RejectReason.FUTURE_TIME: "It happened after the day on which it arrived.",
    RejectReason.LATE_ROW: "It happened more than `landing.max_late_days` before it arrived.",
    RejectReason.SELF_FOLLOW: "A person follows himself or herself.",
    RejectReason.NOT_UTF8: "A text is not UTF-8, or holds a NUL; its encoding is not guessed.",
    RejectReason.UNKNOWN_TRACK: "The catalogue lacks the track; the row waits in its raw_ table.",
    RejectReason.INCOMPLETE_TRACK: "The row leaves out the title or artist of a track that has "
    "none yet; it waits in raw_tracks.",
}

RAW_REJECTS = Table(
    name="raw_rejects",
    meaning="Rows that broke a rule, and rows about tracks that are not in the catalogue yet or "
    "lack a title or artist there: the original and the reason.",
    columns=(
        c.REJECTED_FROM,
        c.REJECT_REASON,
        c.REJECT_DETAIL,
        c.ORIGINAL_TEXT,
        *_ORIGIN,
    ),
    key=("table_name", *_ORIGIN_KEY),
    time=Time.ARRIVAL,
    constraints=(OneOf("reject_reason", tuple(REJECT_REASONS)),),
)

USER_TABLES = (
    RAW_LISTENS,
    RAW_LISTEN_COUNTS,
    RAW_FOLLOWS,
    RAW_USERS,
    RAW_TAGS,
    RAW_FEEDBACK,
    RAW_IMPRESSIONS,
    RAW_REJECTS,
)
"""Tables about listeners, which `maintenance.raw_days` expires; jobs read core_ instead."""

TABLES = (
    RAW_LISTENS,
    RAW_LISTEN_COUNTS,
    RAW_FOLLOWS,
    RAW_USERS,
    RAW_TRACKS,
    RAW_TAGS,
    RAW_LYRICS,
    RAW_AUDIO,
    RAW_COVERS,
    RAW_FEEDBACK,
    RAW_IMPRESSIONS,
    RAW_EMOTION_TEXTS,
    RAW_REJECTS,
)
