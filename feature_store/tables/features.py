"""feat_: features of content, keyed by content hash, encoder, weights and preprocessing.

The key means that no content is encoded twice.
"""

from feature_store.contract import OneOf, Table, Time, Within
from feature_store.mood_plane import (
    BOTH_SOURCES,
    CELLS_PER_SIDE,
    DIMENSIONS,
    EMOTION_SOURCES,
    MIN_FITTED_TRACKS,
)
from feature_store.tables import columns as c
from feature_store.tables.attributes import ATTRIBUTE_COLUMNS, ATTRIBUTE_RULES
from feature_store.tables.core import FINISHED_RATIO
from feature_store.track_text import MAX_TAGS, TEXT_FIELDS

SEMANTICS_SOURCES = ("probe", "llm")

_ENCODED = (c.CONTENT_HASH, c.ENCODER_ID, c.WEIGHTS_SHA256, c.PREPROCESSING_ID)
_ENCODED_KEY = tuple(column.name for column in _ENCODED)

FEAT_ENCODERS = Table(
    name="feat_encoders",
    meaning="The encoder whose rows the night reads, one row for each feature table of which the "
    "catalogue has content. Rows of other encoders, weights or preprocessing do not count "
    "(feature_store/lake/encoder_rows.py).",
    columns=(
        c.AS_OF_DATE,
        c.FEATURE_TABLE,
        c.ENCODER_ID,
        c.WEIGHTS_SHA256,
        c.PREPROCESSING_ID,
    ),
    key=("as_of_date", "feature_table"),
    time=Time.AS_OF,
)

FEAT_AUDIO = Table(
    name="feat_audio",
    meaning="Embedding, tag probabilities and descriptors of an audio file, over windows spread "
    "over it; loudness of the whole file.",
    columns=(
        *_ENCODED,
        c.AUDIO_EMBEDDING,
        c.AUDIO_EMBEDDING_MAX,
        c.TAG_PROBABILITIES,
        c.TAG_PROBABILITIES_MAX,
        c.LOUDNESS_LUFS,
        c.LOUDNESS_RANGE_LU,
        c.TRUE_PEAK_DBTP,
        c.TEMPO_BPM,
        c.TEMPO_CONFIDENCE,
        c.BEAT_STRENGTH_RATIO,
        c.ONSET_RATE_HZ,
        c.KEY_TONIC,
        c.KEY_MODE,
        c.KEY_CONFIDENCE,
        c.SPECTRAL_CENTROID_HZ,
        c.SILENCE_RATIO,
        c.DECODED_S,
        c.FAILURE_REASON,
    ),
    key=_ENCODED_KEY,
    time=Time.NONE,
    constraints=(
        Within("tempo_confidence", 0, 1),
        Within("beat_strength_ratio", 0, 1),
        OneOf("key_mode", ("major", "minor")),
        Within("key_confidence", 0, 1),
        Within("silence_ratio", 0, 1),
    ),
)

FEAT_MEL = Table(
    name="feat_mel",
    meaning="Log-mel spectrogram of the beginning of an audio file, for HTCL's audio tower.",
    columns=(*_ENCODED, c.LOG_MEL, c.MEL_FRAME_COUNT, c.FAILURE_REASON),
    key=_ENCODED_KEY,
    time=Time.NONE,
)

FEAT_LYRICS = Table(
    name="feat_lyrics",
    meaning="Sentence embedding, VADER sentiment and descriptors of lyrics.",
    columns=(
        *_ENCODED,
        c.LYRICS_EMBEDDING,
        c.SENTIMENT_COMPOUND,
        c.EMOTIONAL_LOAD_RATIO,
        c.LANGUAGE,
        c.LANGUAGE_CONFIDENCE,
        c.LINE_COUNT,
        c.WORD_COUNT,
        c.REPETITION_RATIO,
        c.EXPLICIT_RATIO,
        c.FAILURE_REASON,
    ),
    key=_ENCODED_KEY,
    time=Time.NONE,
    constraints=(
        Within("sentiment_compound", -1, 1),
        Within("emotional_load_ratio", 0, 1),
        Within("language_confidence", 0, 1),
        Within("repetition_ratio", 0, 1),
        Within("explicit_ratio", 0, 1),
    ),
)

FEAT_COVER = Table(
    name="feat_cover",
    meaning="Image embedding and descriptors of a cover.",
    columns=(
        *_ENCODED,
        c.COVER_EMBEDDING,
        c.PALETTE_LAB,
        c.PALETTE_WEIGHTS,
        c.BRIGHTNESS,
        c.SATURATION,
        c.EDGE_DENSITY_RATIO,
        c.DOMINANT_HUE_DEG,
        c.FAILURE_REASON,
    ),
    key=_ENCODED_KEY,
    time=Time.NONE,
    constraints=(
        Within("brightness", 0, 1),
        Within("saturation", 0, 1),
        Within("edge_density_ratio", 0, 1),
        Within("dominant_hue_deg", 0, 360),
    ),
)

FEAT_TAGS = Table(
    name="feat_tags",
    meaning="Sentence embedding of a tag, by the encoder of the lyrics.",
    columns=(*_ENCODED, c.TAG, c.TAG_EMBEDDING, c.FAILURE_REASON),
    key=_ENCODED_KEY,
    time=Time.NONE,
)

FEAT_TRACK_TAGS = Table(
    name="feat_track_tags",
    meaning="Mean tag embedding of each track; a track without an embedded tag has no row.",
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

FEAT_TRACK_TEXTS = Table(
    name="feat_track_texts",
    meaning="The text of each track of the catalogue, also of one that is not available, for the "
    f"music encoder: {', '.join(TEXT_FIELDS)}, in this order and as far as encoders.text_fields "
    f"names them. Of the tags that at least graph.min_tagger_count gave, the {MAX_TAGS} with most "
    "givers (the catalogue is one), then by name; the language by its English name. Training "
    "composes the text again, by the same rule (feature_store/track_text.py), where tags of some "
    "listeners must stay out.",
    columns=(
        c.AS_OF_DATE,
        c.TRACK_ID,
        c.LANGUAGE.or_null("when the track has no lyrics"),
        c.LYRICS_EXCERPT,
        c.TRACK_TEXT,
        c.TEXT_SHA256.or_null("when track_text is"),
    ),
    key=("as_of_date", "track_id"),
    time=Time.AS_OF,
)

_OF_VERSION = (c.FAMILY, c.MODEL_VERSION)
_FILLED = (
    "Written by training for content that has no row of the model's version yet; a new version is "
    "filled beside the old ones."
)
_EMOTION = (c.VALENCE, c.AROUSAL, c.VALENCE_SD, c.AROUSAL_SD)
_EMOTION_RULES = (
    Within("valence", -1, 1),
    Within("arousal", -1, 1),
    Within("valence_sd", 0, 1),
    Within("arousal_sd", 0, 1),
)

FEAT_TEXT_EMOTION = Table(
    name="feat_text_emotion",
    meaning="Valence and arousal of lyrics as the model of text_emotion reads them. The lyrics are "
    "cut at the ends of lines into chunks of at most 200 characters; a longer line is cut between "
    "words. The model gives each chunk a mean and a standard deviation. With w = 1 / sd² of a "
    "chunk, valence is Σ w mean / Σ w, and valence_sd the root of Σ w (sd² + (mean - valence)²) / "
    "Σ w: chunks of one text err alike, so many chunks make no estimate more certain. Likewise "
    "arousal. Values are clipped to their range and rounded to 6 decimals. Lyrics that feat_lyrics "
    f"could not read have no row. {_FILLED}",
    columns=(c.CONTENT_HASH, *_OF_VERSION, *_EMOTION),
    key=("content_hash", "family", "model_version"),
    time=Time.NONE,
    constraints=_EMOTION_RULES,
)

FEAT_LYRICS_EMOTION = Table(
    name="feat_lyrics_emotion",
    meaning="The rows of feat_text_emotion that count for the night: of the lyrics of its "
    "catalogue, by the model of text_emotion that is promoted on its day. Written when each of "
    "these lyrics has a row of that version. Empty while the task is off or has no model.",
    columns=(c.AS_OF_DATE, c.CONTENT_HASH, *_EMOTION, *_OF_VERSION, c.RUN_ID),
    key=("as_of_date", "content_hash"),
    time=Time.AS_OF,
    constraints=_EMOTION_RULES,
)

FEAT_TRACK_EMOTION = Table(
    name="feat_track_emotion",
    meaning="Valence and arousal of each track, one row from audio and one from lyrics, never "
    "averaged here. The row from lyrics is that of feat_lyrics_emotion, and names its model. "
    "Lyrics without a row there, and all audio, have interim estimates: rules over signal "
    "measures, tags and word lists.",
    columns=(
        c.AS_OF_DATE,
        c.TRACK_ID,
        c.EMOTION_SOURCE,
        *_EMOTION,
        c.FAMILY.or_null("when rules made the estimate"),
        c.MODEL_VERSION.or_null("when rules made the estimate"),
    ),
    key=("as_of_date", "track_id", "emotion_source"),
    time=Time.AS_OF,
    constraints=(OneOf("emotion_source", EMOTION_SOURCES), *_EMOTION_RULES),
)

FEAT_MOOD_PLANE = Table(
    name="feat_mood_plane",
    meaning="How the night maps values of valence and arousal to positions on the plane, in "
    "[0, 1]. A value's position is its share in the knots, interpolated between two of them; equal "
    "values get the middle of their range. The rows audio and lyrics map the values of "
    "feat_track_emotion, of available tracks. The row both maps what a track's sources give "
    f"together, so that each fifth holds about as many tracks. Fewer than {MIN_FITTED_TRACKS} "
    "tracks give no quantiles: their row maps the scale of the values to [0, 1] by a straight "
    "line. Empty while no available track has an emotion "
    "(feature_store/mood_plane.py).",
    columns=(
        c.AS_OF_DATE,
        c.EMOTION_SOURCE,
        c.DIMENSION,
        c.KNOTS,
        c.IS_FITTED,
        c.TRACK_COUNT,
    ),
    key=("as_of_date", "emotion_source", "dimension"),
    time=Time.AS_OF,
    constraints=(
        OneOf("emotion_source", (*EMOTION_SOURCES, BOTH_SOURCES)),
        OneOf("dimension", DIMENSIONS),
    ),
)

CELL_RULES = (
    Within("valence_cell", 0, CELLS_PER_SIDE - 1),
    Within("arousal_cell", 0, CELLS_PER_SIDE - 1),
)

FEAT_TRACK_MOOD = Table(
    name="feat_track_mood",
    meaning="Where each track lies on the plane of valence and arousal, by the night's map "
    "(feat_mood_plane). Of a track with both sources: the mean of their positions, each weighted "
    "by 1 / sd² (sd: of the source's estimate, as half the distance between the positions of value "
    "- sd and value + sd), then mapped by the row both. Also of tracks that are not available; a "
    "track without emotion has no row.",
    columns=(
        c.AS_OF_DATE,
        c.TRACK_ID,
        c.VALENCE_POSITION,
        c.AROUSAL_POSITION,
        c.VALENCE_CELL,
        c.AROUSAL_CELL,
        c.EMOTION_SOURCES,
    ),
    key=("as_of_date", "track_id"),
    time=Time.AS_OF,
    constraints=(
        Within("valence_position", 0, 1),
        Within("arousal_position", 0, 1),
        *CELL_RULES,
        OneOf("emotion_sources", (*EMOTION_SOURCES, "+".join(EMOTION_SOURCES))),
    ),
)

FEAT_LISTEN_MOOD = Table(
    name="feat_listen_mood",
    meaning="The emotion in whose context a listener played a track on a day: the mean position "
    "of the other tracks that the listener played on this day, by own choice (organic as in "
    f"core_daily_listens) and not skipped (completion_ratio >= {FINISHED_RATIO}, or unknown), in "
    "the sessions in which the listener played the track. Listens of another day of a session "
    "count for that day alone, so a row says nothing about later days. Only the last "
    "mood.context_days days; no row without such another track that has a mood.",
    columns=(
        c.AS_OF_DATE,
        c.USER_ID,
        c.TRACK_ID,
        c.LISTENED_DATE,
        c.CONTEXT_VALENCE,
        c.CONTEXT_AROUSAL,
        c.CONTEXT_TRACK_COUNT,
        c.LISTEN_COUNT,
        c.ORGANIC_COUNT,
    ),
    key=("as_of_date", "user_id", "track_id", "listened_date"),
    time=Time.AS_OF,
    constraints=(
        Within("context_valence", 0, 1),
        Within("context_arousal", 0, 1),
        Within("context_track_count", 1, 2**53),
        Within("listen_count", 1, 2**53),
    ),
)

FEAT_SEMANTICS = Table(
    name="feat_semantics",
    meaning="What a language model answered when it was asked for the 58 attributes of a track, by "
    "artist, title and year. content_hash is that of the text that describes the track, so tracks "
    "with the same description share a row. An attribute is null when the model said that it does "
    "not know it, and all are null when the answer was rejected. No row without a model "
    "(encoders.semantics).",
    columns=(
        *_ENCODED,
        *ATTRIBUTE_COLUMNS,
        c.ANSWER_TEXT,
        c.FAILURE_DETAIL,
        c.FAILURE_REASON,
    ),
    key=_ENCODED_KEY,
    time=Time.NONE,
    constraints=ATTRIBUTE_RULES,
)

FEAT_TRACK_SEMANTICS = Table(
    name="feat_track_semantics",
    meaning="The 58 attributes of MGPHot for each track, one row from each source, never averaged "
    "here. The row `probe` has values only for attributes that tags and measures of the audio can "
    "tell (jobs/features/steps/semantic_probes.py), and null for all others. The row `llm` is the "
    "accepted answer of feat_semantics; without a model (encoders.semantics) no track has one.",
    columns=(c.AS_OF_DATE, c.TRACK_ID, c.SEMANTICS_SOURCE, *ATTRIBUTE_COLUMNS),
    key=("as_of_date", "track_id", "semantics_source"),
    time=Time.AS_OF,
    constraints=(OneOf("semantics_source", SEMANTICS_SOURCES), *ATTRIBUTE_RULES),
)

VECTOR_KINDS = ("audio", "text", "fused")

FEAT_HTCL_AUDIO = Table(
    name="feat_htcl_audio",
    meaning=f"Recordings as HTCL hears them. {_FILLED}",
    columns=(c.CONTENT_HASH, *_OF_VERSION, c.AUDIO_VECTOR),
    key=("content_hash", "family", "model_version"),
    time=Time.NONE,
)

FEAT_HTCL_TEXT = Table(
    name="feat_htcl_text",
    meaning=f"Texts of feat_track_texts as HTCL reads them. {_FILLED}",
    columns=(c.TEXT_SHA256, *_OF_VERSION, c.TEXT_VECTOR),
    key=("text_sha256", "family", "model_version"),
    time=Time.NONE,
)

FEAT_HTCL_FUSED = Table(
    name="feat_htcl_fused",
    meaning="Recordings with their texts. Only of a model that has learned taste: stage 1 does not "
    f"train the fusion. {_FILLED}",
    columns=(c.AUDIO_HASH, c.TEXT_SHA256, *_OF_VERSION, c.FUSED_VECTOR),
    key=("audio_hash", "text_sha256", "family", "model_version"),
    time=Time.NONE,
)

FEAT_TRACK_HTCL = Table(
    name="feat_track_htcl",
    meaning="The vector that similar tracks compare, of each track with a recording or a text: the "
    "first that the track has, in the order that validation chose for the model (fused, audio, "
    "text where nothing could be held out), so all may be of one kind. Compare two tracks by the "
    "dot product of their vectors, of one day only: another day's catalogue moves vectors of a "
    "later kind otherwise, and another version lies in another space. Empty while another family "
    "than HTCL is the champion of audio_text; rec_similar_tracks has lists on those days, too.",
    columns=(
        c.AS_OF_DATE,
        c.TRACK_ID,
        c.AUDIO_HASH.or_null("when the track has none"),
        c.TEXT_SHA256.or_null("when the track has no text"),
        c.VECTOR_KIND,
        c.TRACK_VECTOR,
        *_OF_VERSION,
        c.RUN_ID,
    ),
    key=("as_of_date", "track_id"),
    time=Time.AS_OF,
    constraints=(OneOf("vector_kind", VECTOR_KINDS),),
)

TABLES = (
    FEAT_ENCODERS,
    FEAT_AUDIO,
    FEAT_MEL,
    FEAT_LYRICS,
    FEAT_COVER,
    FEAT_TAGS,
    FEAT_TRACK_TAGS,
    FEAT_TRACK_TEXTS,
    FEAT_TEXT_EMOTION,
    FEAT_LYRICS_EMOTION,
    FEAT_TRACK_EMOTION,
    FEAT_MOOD_PLANE,
    FEAT_TRACK_MOOD,
    FEAT_LISTEN_MOOD,
    FEAT_SEMANTICS,
    FEAT_TRACK_SEMANTICS,
    FEAT_HTCL_AUDIO,
    FEAT_HTCL_TEXT,
    FEAT_HTCL_FUSED,
    FEAT_TRACK_HTCL,
)
