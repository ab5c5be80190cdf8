"""raw_: rows as received, typed, with the file and row they came from.

What cannot be used lands in raw_rejects.
"""

from feature_store.contract import Column, Kind, OneOf, Table, Time, Within
from feature_store.tables import columns as c

_ORIGIN = (c.SOURCE_FILE, c.SOURCE_ROW, c.ARRIVAL_DATE)
_ORIGIN_KEY = ("source_file", "source_row")

FEEDBACK_ACTIONS = ("like", "unlike", "hide", "unhide")

RAW_LISTENS = Table(
    name="raw_listens",
    meaning="Listens as the players sent them; a listen that was sent twice is here twice.",
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
    gates=(Within("played_ms", 0, 86_400_000), Within("duration_ms", 1, 86_400_000)),
)

RAW_LISTEN_COUNTS = Table(
    name="raw_listen_counts",
    meaning="Listens per user and track from sources that have counts and no times; never "
    "expanded into listens.",
    columns=(c.USER_ID, c.TRACK_ID, c.LISTEN_COUNT, *_ORIGIN),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
    gates=(Within("listen_count", 1, 2**53),),
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
    meaning="People and their choices; a later row of the same person replaces the earlier.",
    columns=(c.USER_ID, c.REGISTERED_DATE, c.IS_OPTED_OUT, c.IS_NAMED_TO_OTHERS, *_ORIGIN),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
)

RAW_TRACKS = Table(
    name="raw_tracks",
    meaning="Catalogue rows; a later row of the same track replaces the earlier, is_available = "
    "false withdraws it.",
    columns=(
        c.TRACK_ID,
        c.TITLE,
        c.ARTIST_ID,
        c.ARTIST_NAME,
        c.ALBUM_ID.or_null("when the track is on none"),
        c.ALBUM_TITLE,
        c.RELEASED_DATE,
        c.TRACK_DURATION_MS,
        c.ISRC,
        c.RECORDING_MBID,
        c.IS_AVAILABLE,
        *_ORIGIN,
    ),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
    gates=(Within("track_duration_ms", 1, 86_400_000),),
)

RAW_TAGS = Table(
    name="raw_tags",
    meaning="Tags given to tracks, by people or by the catalogue.",
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

RAW_AUDIO = Table(
    name="raw_audio",
    meaning="Audio files that arrived; the file's name without its ending is the track id, "
    "percent-encoded.",
    columns=_FILE_COLUMNS,
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
)

RAW_COVERS = Table(
    name="raw_covers",
    meaning="Cover pictures that arrived; the file's name without its ending is the track id, "
    "percent-encoded.",
    columns=_FILE_COLUMNS,
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
)

RAW_FEEDBACK = Table(
    name="raw_feedback",
    meaning="Buttons that people pressed on tracks.",
    columns=(c.USER_ID, c.TRACK_ID, c.FEEDBACK_ACTION, c.GIVEN_AT_UTC, *_ORIGIN),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
    gates=(OneOf("feedback_action", FEEDBACK_ACTIONS),),
)

RAW_IMPRESSIONS = Table(
    name="raw_impressions",
    meaning="Tracks that our lists put before people, as the players reported it.",
    columns=(c.USER_ID, c.TRACK_ID, c.SHOWN_AT_UTC, *_ORIGIN),
    key=_ORIGIN_KEY,
    time=Time.ARRIVAL,
)

REJECT_REASONS = {
    "unreadable_file": "The file cannot be read as Parquet; one row stands for all of it.",
    "wrong_type": "A value cannot be read as the column's type.",
    "missing_value": "A column that must hold a value is absent, null or blank.",
    "negative_duration": "A listen lasted less than no time.",
    "out_of_range": "A value lies outside the range that the table allows.",
    "unknown_action": "The button is none of like, unlike, hide, unhide.",
    "future_time": "It happened after the day on which it arrived.",
    "self_follow": "A person follows himself or herself.",
    "not_utf8": "The lyrics are not UTF-8; their encoding is not guessed.",
    "unknown_track": "No track of that id had been announced; the row waits in its raw_ table.",
}

RAW_REJECTS = Table(
    name="raw_rejects",
    meaning="Rows that no raw_ table could take, and listens of tracks nobody has announced: the "
    "original and why.",
    columns=(
        Column("table_name", Kind.STRING, "The table that the row was meant for."),
        Column("reject_reason", Kind.STRING, "Reason code, a key of REJECT_REASONS."),
        Column("reject_detail", Kind.STRING, "The rule and the value that broke it."),
        Column("original_text", Kind.STRING, "The row as JSON; bytes that are no text as base64."),
        *_ORIGIN,
    ),
    key=("table_name", *_ORIGIN_KEY),
    time=Time.ARRIVAL,
    gates=(OneOf("reject_reason", tuple(REJECT_REASONS)),),
)

OF_PEOPLE = (
    RAW_LISTENS,
    RAW_LISTEN_COUNTS,
    RAW_FOLLOWS,
    RAW_USERS,
    RAW_TAGS,
    RAW_FEEDBACK,
    RAW_IMPRESSIONS,
    RAW_REJECTS,
)
"""What a retention period is about; what jobs still need of it is in core_."""

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
    RAW_REJECTS,
)
