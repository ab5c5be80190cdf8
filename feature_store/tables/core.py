"""core_: typed, keyed and de-duplicated rows, each with the day from which it was known."""

from feature_store.contract import OneOf, Table, Time, Within
from feature_store.tables import columns as c
from feature_store.tables.raw import EMOTION_TEXT_COLUMNS, EMOTION_TEXT_RULES, FEEDBACK_ACTIONS

FINISHED_RATIO = 0.8
"""A listen with at least this completion_ratio was finished."""

CORE_USERS = Table(
    name="core_users",
    meaning="Listeners: registered ones, and ones that only listens, follows or feedback name.",
    columns=(c.USER_ID, c.REGISTERED_DATE, c.IS_OPTED_OUT, c.IS_NAMED_TO_OTHERS, c.KNOWN_FROM_DATE),
    key=("user_id", "known_from_date"),
    entity=("user_id",),
    time=Time.KNOWN,
)

CORE_TRACKS = Table(
    name="core_tracks",
    meaning="The catalogue with the content hashes of each track. A change of metadata or content "
    "adds a row.",
    columns=(
        c.TRACK_ID,
        c.TITLE,
        c.ARTIST_ID,
        c.ARTIST_NAME,
        c.ALBUM_ID.or_null("when the track is on none"),
        c.ALBUM_TITLE,
        c.ARTIST_MATCH_KEY,
        c.TITLE_MATCH_KEY,
        c.RELEASED_DATE,
        c.TRACK_DURATION_MS,
        c.ISRC,
        c.RECORDING_MBID,
        c.IS_AVAILABLE,
        c.AUDIO_HASH.or_null("when the track has none"),
        c.AUDIO_URI,
        c.LYRICS_HASH,
        c.COVER_HASH,
        c.COVER_URI,
        c.KNOWN_FROM_DATE,
    ),
    key=("track_id", "known_from_date"),
    entity=("track_id",),
    time=Time.KNOWN,
)

CORE_TAGS = Table(
    name="core_tags",
    meaning="A tag that a listener or the catalogue gave to a track, each once.",
    columns=(
        c.TAG_EVENT_ID,
        c.TRACK_ID,
        c.TAG,
        c.USER_ID.or_null("when the catalogue gave the tag"),
        c.TAGGED_DATE,
        c.KNOWN_FROM_DATE,
    ),
    key=("tag_event_id",),
    time=Time.KNOWN,
)

CORE_LISTENS = Table(
    name="core_listens",
    meaning="Listens, each once. A listen of a track that arrived later is known from the track's "
    "first day.",
    columns=(
        c.LISTEN_ID,
        c.USER_ID,
        c.TRACK_ID,
        c.LISTENED_AT_UTC,
        c.PLAYED_MS,
        c.DURATION_MS,
        c.COMPLETION_RATIO,
        c.IS_ORGANIC,
        c.SESSION_ID,
        c.KNOWN_FROM_DATE,
    ),
    key=("listen_id",),
    time=Time.KNOWN,
    constraints=(Within("completion_ratio", 0, 1), Within("played_ms", 0, 86_400_000)),
)

CORE_IMPRESSIONS = Table(
    name="core_impressions",
    meaning="Tracks shown to listeners, each impression once; a listen soon after one is not "
    "organic.",
    columns=(c.USER_ID, c.TRACK_ID, c.SHOWN_AT_UTC, c.KNOWN_FROM_DATE),
    key=("user_id", "track_id", "shown_at_utc"),
    time=Time.KNOWN,
)
CORE_DAILY_LISTENS = Table(
    name="core_daily_listens",
    meaning="Integer sums of core_listens by user, track and day, which the graph and training "
    "read instead of the log.",
    columns=(
        c.USER_ID,
        c.TRACK_ID,
        c.LISTENED_DATE,
        c.LISTEN_COUNT,
        c.COMPLETION_PERMILLE,
        c.ORGANIC_COUNT,
        c.KNOWN_FROM_DATE,
    ),
    key=("user_id", "track_id", "listened_date", "known_from_date"),
    time=Time.KNOWN,
    constraints=(Within("listen_count", 1, 2**53),),
)

CORE_TRACK_PAIRS = Table(
    name="core_track_pairs",
    meaning="Pairs of tracks that training of the music encoder learns taste from: a listener "
    "finished the second track right after the first, the trigger. One row for each listen with "
    f"completion_ratio >= {FINISHED_RATIO} that is organic as in core_daily_listens and follows, "
    "in the same session, a listen of another track. A listen without completion_ratio makes no "
    "pair; a pair that comes again is a further row. The trigger is the listen just before "
    "(listened_at_utc, then listen_id) among those known by the row's known_from_date, which is "
    "the second listen's and so the later of both; a listen that becomes known later changes no "
    "row. Likes are not in this table: training joins "
    "core_feedback as of its cut.",
    columns=(
        c.LISTEN_ID,
        c.USER_ID,
        c.TRIGGER_TRACK_ID,
        c.TRACK_ID,
        c.LISTENED_DATE,
        c.KNOWN_FROM_DATE,
    ),
    key=("listen_id",),
    time=Time.KNOWN,
)

CORE_LISTEN_COUNTS = Table(
    name="core_listen_counts",
    meaning="Listens per user and track where the source has no times; the newest count replaces "
    "the earlier.",
    columns=(c.USER_ID, c.TRACK_ID, c.LISTEN_COUNT, c.KNOWN_FROM_DATE),
    key=("user_id", "track_id", "known_from_date"),
    entity=("user_id", "track_id"),
    time=Time.KNOWN,
    constraints=(Within("listen_count", 1, 2**53),),
)

CORE_FOLLOWS = Table(
    name="core_follows",
    meaning="A listener and a followed listener; a row with is_active = false ends the follow.",
    columns=(c.USER_ID, c.FOLLOWED_USER_ID, c.FOLLOWED_FROM_DATE, c.IS_ACTIVE, c.KNOWN_FROM_DATE),
    key=("user_id", "followed_user_id", "known_from_date"),
    entity=("user_id", "followed_user_id"),
    time=Time.KNOWN,
)

CORE_FEEDBACK = Table(
    name="core_feedback",
    meaning="The last action of each pair (like/unlike, hide/unhide) that a listener took on a "
    "track on a day.",
    columns=(c.USER_ID, c.TRACK_ID, c.FEEDBACK_ACTION, c.GIVEN_AT_UTC, c.KNOWN_FROM_DATE),
    key=("user_id", "track_id", "feedback_action", "known_from_date"),
    time=Time.KNOWN,
    constraints=(OneOf("feedback_action", FEEDBACK_ACTIONS),),
)

CORE_EMOTION_TEXTS = Table(
    name="core_emotion_texts",
    meaning="Texts whose valence and arousal people rated, one row for each text and perspective; "
    "another text or rating of theirs adds a row. Sources are on one scale, as raw_emotion_texts "
    "says. Different text_ids may have one text, and so one content_hash. The texts are about no "
    "listener, so an erasure has nothing to take. Empty where nobody landed labelled texts.",
    columns=(*EMOTION_TEXT_COLUMNS, c.CONTENT_HASH, c.KNOWN_FROM_DATE),
    key=("text_id", "perspective", "known_from_date"),
    entity=("text_id", "perspective"),
    time=Time.KNOWN,
    constraints=EMOTION_TEXT_RULES,
)

TABLES = (
    CORE_USERS,
    CORE_TRACKS,
    CORE_TAGS,
    CORE_LISTENS,
    CORE_IMPRESSIONS,
    CORE_DAILY_LISTENS,
    CORE_TRACK_PAIRS,
    CORE_LISTEN_COUNTS,
    CORE_FOLLOWS,
    CORE_FEEDBACK,
    CORE_EMOTION_TEXTS,
)
