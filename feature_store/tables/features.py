"""feat_: what encoders found in content.

Keyed by content, encoder, weights and preprocessing: nothing is done twice.
"""

from feature_store.contract import OneOf, Table, Time, Within
from feature_store.tables import columns as c

EMOTION_SOURCES = ("audio", "lyrics")

_ENCODED = (c.CONTENT_HASH, c.ENCODER_ID, c.WEIGHTS_SHA256, c.PREPROCESSING_ID)
_ENCODED_KEY = ("content_hash", "encoder_id", "weights_sha256", "preprocessing_id")

FEAT_AUDIO = Table(
    name="feat_audio",
    meaning="What the music encoder and simple signal measures hear in an audio file.",
    columns=(
        *_ENCODED,
        c.AUDIO_EMBEDDING,
        c.TAG_PROBABILITIES,
        c.LOUDNESS_DB,
        c.TEMPO_BPM,
        c.ONSET_RATE_HZ,
        c.DECODED_S,
        c.FAILURE_REASON,
    ),
    key=_ENCODED_KEY,
    time=Time.NONE,
)

FEAT_LYRICS = Table(
    name="feat_lyrics",
    meaning="What the sentence encoder and VADER read in lyrics.",
    columns=(
        *_ENCODED,
        c.LYRICS_EMBEDDING,
        c.SENTIMENT_COMPOUND,
        c.EMOTIONAL_LOAD_RATIO,
        c.FAILURE_REASON,
    ),
    key=_ENCODED_KEY,
    time=Time.NONE,
    gates=(Within("sentiment_compound", -1, 1), Within("emotional_load_ratio", 0, 1)),
)

FEAT_COVER = Table(
    name="feat_cover",
    meaning="What the picture encoder sees on a cover.",
    columns=(*_ENCODED, c.COVER_EMBEDDING, c.FAILURE_REASON),
    key=_ENCODED_KEY,
    time=Time.NONE,
)

FEAT_TAGS = Table(
    name="feat_tags",
    meaning="What the sentence encoder of the lyrics reads in a tag.",
    columns=(*_ENCODED, c.TAG, c.TAG_EMBEDDING, c.FAILURE_REASON),
    key=_ENCODED_KEY,
    time=Time.NONE,
)

FEAT_TRACK_TAGS = Table(
    name="feat_track_tags",
    meaning="The tags of each track as one vector; a track without a readable tag has no row.",
    columns=(
        c.AS_OF_DATE,
        c.TRACK_ID,
        c.ENCODER_ID,
        c.WEIGHTS_SHA256,
        c.PREPROCESSING_ID,
        c.MEAN_TAG_EMBEDDING,
    ),
    key=("as_of_date", "track_id"),
    time=Time.AS_OF,
)

FEAT_TRACK_EMOTION = Table(
    name="feat_track_emotion",
    meaning="Valence and arousal of each track, one row as heard and one as read; never blended "
    "here. "
    "Interim estimators, until the text model writes the lyrics' rows.",
    columns=(
        c.AS_OF_DATE,
        c.TRACK_ID,
        c.EMOTION_SOURCE,
        c.VALENCE,
        c.AROUSAL,
        c.VALENCE_SD,
        c.AROUSAL_SD,
    ),
    key=("as_of_date", "track_id", "emotion_source"),
    time=Time.AS_OF,
    gates=(
        OneOf("emotion_source", EMOTION_SOURCES),
        Within("valence", -1, 1),
        Within("arousal", -1, 1),
        Within("valence_sd", 0, 1),
        Within("arousal_sd", 0, 1),
    ),
)

TABLES = (FEAT_AUDIO, FEAT_LYRICS, FEAT_COVER, FEAT_TAGS, FEAT_TRACK_TAGS, FEAT_TRACK_EMOTION)
