"""rec_: what other teams read in the morning.

Read them through a snapshot: `feature_store.open_snapshot()`.
"""

from feature_store.contract import Column, Kind, OneOf, Table, Time, Within
from feature_store.tables import columns as c

TIERS = ("personal", "warm", "social", "popular")
REASON_KINDS = (
    "listened_artist",
    "listened_tag",
    "followed_listen",
    "new_release",
    "taste",
    "popular",
)
CHANGES = ("entered", "left", "moved")

REC_TOPK = Table(
    name="rec_topk",
    meaning="What to recommend to each person, best first, with the reason.",
    columns=(
        c.AS_OF_DATE,
        c.USER_ID,
        c.RANK,
        c.TRACK_ID,
        c.TITLE,
        c.ARTIST_ID,
        c.ARTIST_NAME,
        c.ARTIST_MATCH_KEY,
        c.TITLE_MATCH_KEY,
        c.ISRC,
        c.RECORDING_MBID,
        c.SCORE,
        c.TIER,
        c.REASON_KIND,
        c.REASON_SUBJECT,
        c.REASON_TEXT,
        c.MODEL_VERSION.or_null("when no model had a part in it"),
        c.RUN_ID,
    ),
    key=("as_of_date", "user_id", "rank"),
    time=Time.AS_OF,
    gates=(OneOf("tier", TIERS), OneOf("reason_kind", REASON_KINDS), Within("rank", 1, 1000)),
)

REC_SIMILAR_TRACKS = Table(
    name="rec_similar_tracks",
    meaning="Tracks that sound, read and are called alike, best first; works for tracks that "
    "nobody has heard.",
    columns=(
        c.AS_OF_DATE,
        c.TRACK_ID,
        c.RANK,
        c.SIMILAR_TRACK_ID,
        c.TITLE,
        c.ARTIST_ID,
        c.ARTIST_NAME,
        c.ARTIST_MATCH_KEY,
        c.TITLE_MATCH_KEY,
        c.ISRC,
        c.RECORDING_MBID,
        c.SCORE,
        Column(
            "modalities",
            Kind.STRINGS,
            "What both tracks have and were compared by: audio, lyrics, tags.",
        ),
        c.RUN_ID,
    ),
    key=("as_of_date", "track_id", "rank"),
    time=Time.AS_OF,
    gates=(Within("rank", 1, 1000), Within("score", -1, 1)),
)

REC_CHANGES = Table(
    name="rec_changes",
    meaning="What changed in each person's rec_topk against the run that the row names; empty on "
    "a first night.",
    columns=(
        c.AS_OF_DATE,
        c.USER_ID,
        c.TRACK_ID,
        Column("change", Kind.STRING, "entered, left, or moved."),
        Column("from_rank", Kind.INT, "Rank in the compared run.").or_null(
            "for a track that entered"
        ),
        Column("to_rank", Kind.INT, "Rank now.").or_null("for a track that left"),
        Column("compared_as_of_date", Kind.DATE, "as_of of the compared run."),
        Column("compared_run_id", Kind.STRING, "The compared run.", is_provenance=True),
        c.RUN_ID,
    ),
    key=("as_of_date", "user_id", "track_id"),
    time=Time.AS_OF,
    gates=(OneOf("change", CHANGES),),
)

TABLES = (REC_TOPK, REC_SIMILAR_TRACKS, REC_CHANGES)
