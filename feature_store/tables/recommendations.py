"""rec_: the published tables, which other teams read through `feature_store.open_snapshot()`."""

from feature_store.contract import OneOf, Table, Time, Within
from feature_store.tables import columns as c
from feature_store.tables.features import CELL_RULES

TIERS = ("personal", "warm", "social", "popular")
REASON_KINDS = (
    "listened_artist",
    "listened_tag",
    "followed_listen",
    "new_release",
    "taste",
    "popular",
)
NEUTRAL_REASONS = {
    "personal": ("taste", "Close to what you play"),
    "warm": ("taste", "Close to what you play"),
    "social": ("popular", "Many listeners play this"),
    "popular": ("popular", "Many listeners play this"),
}
"""By tier, the reason_kind and reason_text of an entry whose reason names nothing."""

CHANGES = ("entered", "left", "moved")

_WHICH_TRACK = (
    c.TITLE,
    c.ARTIST_ID,
    c.ARTIST_NAME,
    c.ARTIST_MATCH_KEY,
    c.TITLE_MATCH_KEY,
    c.ISRC,
    c.RECORDING_MBID,
)
"""What tells a listed track beside its id, so that readers need no other table."""

REC_TOPK = Table(
    name="rec_topk",
    meaning="Recommended tracks of each listener, best first, with the reason.",
    columns=(
        c.AS_OF_DATE,
        c.USER_ID,
        c.RANK,
        c.TRACK_ID,
        *_WHICH_TRACK,
        c.SCORE,
        c.TIER,
        c.REASON_KIND,
        c.REASON_SUBJECT,
        c.REASON_TEXT,
        c.MODEL_VERSION.or_null("when no model scored it"),
        c.RUN_ID,
    ),
    key=("as_of_date", "user_id", "rank"),
    time=Time.AS_OF,
    constraints=(OneOf("tier", TIERS), OneOf("reason_kind", REASON_KINDS), Within("rank", 1, 1000)),
)

REC_SIMILAR_TRACKS = Table(
    name="rec_similar_tracks",
    meaning="Similar tracks, best first, also for tracks without any listen: by the champion of "
    "audio_text, HTCL's vectors or the centred cosines of audio, lyrics and tags.",
    columns=(
        c.AS_OF_DATE,
        c.TRACK_ID,
        c.RANK,
        c.SIMILAR_TRACK_ID,
        *_WHICH_TRACK,
        c.SCORE,
        c.MODALITIES,
        c.RUN_ID,
    ),
    key=("as_of_date", "track_id", "rank"),
    time=Time.AS_OF,
    constraints=(Within("rank", 1, 1000), Within("score", -1, 1)),
)

REC_CHANGES = Table(
    name="rec_changes",
    meaning="Changes of each listener's rec_topk against the run that the row names; empty on a "
    "first night.",
    columns=(
        c.AS_OF_DATE,
        c.USER_ID,
        c.TRACK_ID,
        c.CHANGE,
        c.FROM_RANK,
        c.TO_RANK,
        c.COMPARED_AS_OF_DATE,
        c.COMPARED_RUN_ID,
        c.RUN_ID,
    ),
    key=("as_of_date", "user_id", "track_id"),
    time=Time.AS_OF,
    constraints=(OneOf("change", CHANGES),),
)

REC_MOOD = Table(
    name="rec_mood",
    meaning="Recommended tracks of each listener for each cell of the plane of valence and "
    "arousal, best first, with the reason: what to play to somebody who feels like that. The "
    "filters of rec_topk apply to each list. Empty while the training task of moods is off or has "
    "no model.",
    columns=(
        c.AS_OF_DATE,
        c.USER_ID,
        c.VALENCE_CELL,
        c.AROUSAL_CELL,
        c.RANK,
        c.TRACK_ID,
        *_WHICH_TRACK,
        c.SCORE,
        c.REASON_TEXT,
        c.MODEL_VERSION,
        c.RUN_ID,
    ),
    key=("as_of_date", "user_id", "valence_cell", "arousal_cell", "rank"),
    time=Time.AS_OF,
    constraints=(*CELL_RULES, Within("rank", 1, 1000)),
)

TABLES = (REC_TOPK, REC_SIMILAR_TRACKS, REC_CHANGES, REC_MOOD)
