"""Every column of every table, declared once: name, type, unit, meaning.

Tables pick their columns from here, so that a name means the same everywhere. The file is long
because it is the one dictionary.
"""

from feature_store.contract import Column, Kind
from feature_store.track_text import MAX_EXCERPT_CHARACTERS

# --- time and provenance -----------------------------------------------------------------------
AS_OF_DATE = Column(
    "as_of_date", Kind.DATE, "Last day (UTC) that the run which wrote the row covers."
)
ARRIVAL_DATE = Column(
    "arrival_date", Kind.DATE, "Landing day whose manifest lists the file that the row came in."
)
KNOWN_FROM_DATE = Column("known_from_date", Kind.DATE, "First as_of that may use the row.")
RUN_ID = Column("run_id", Kind.STRING, "The run that wrote the row.", is_provenance=True)
RECORDED_AT_UTC = Column(
    "recorded_at_utc", Kind.TIMESTAMP, "When the row was written.", "UTC", is_provenance=True
)
SOURCE_FILE = Column("source_file", Kind.STRING, "Landing file, relative to the lake.")
SOURCE_ROW = Column(
    "source_row",
    Kind.LONG,
    "Row in that file, counted from 0. For audio files and covers: how many files of this track "
    "landed before on the same day; the last one counts.",
)

# --- who and what ------------------------------------------------------------------------------
USER_ID = Column("user_id", Kind.STRING, "The service's id of a listener.", is_person=True)
FOLLOWED_USER_ID = Column(
    "followed_user_id", Kind.STRING, "The listener who is followed.", is_person=True
)
TRACK_ID = Column("track_id", Kind.STRING, "The service's id of a track.")
SIMILAR_TRACK_ID = Column(
    "similar_track_id", Kind.STRING, "The track that is similar by audio, lyrics or tags."
)
TRIGGER_TRACK_ID = Column(
    "trigger_track_id",
    Kind.STRING,
    "The track that the listener played just before, in the same session.",
)
ARTIST_ID = Column("artist_id", Kind.STRING, "The service's id of an artist.")
ALBUM_ID = Column("album_id", Kind.STRING, "The service's id of an album.")
TITLE = Column("title", Kind.STRING, "Title as the service shows it.")
ARTIST_NAME = Column("artist_name", Kind.STRING, "Artist as the service shows it.")
ALBUM_TITLE = Column("album_title", Kind.STRING, "Album as the service shows it.").or_null(
    "when the track is on none"
)
ARTIST_MATCH_KEY = Column(
    "artist_match_key",
    Kind.STRING,
    "Artist, lower case, letters and digits only: for matching by name.",
)
TITLE_MATCH_KEY = Column(
    "title_match_key",
    Kind.STRING,
    "Title, lower case, letters and digits only: for matching by name.",
)
ISRC = Column("isrc", Kind.STRING, "International Standard Recording Code.").or_null("when unknown")
RECORDING_MBID = Column("recording_mbid", Kind.STRING, "MusicBrainz recording id.").or_null(
    "when unknown"
)
RELEASED_DATE = Column("released_date", Kind.DATE, "Release day.").or_null("when unknown")
IS_AVAILABLE = Column(
    "is_available",
    Kind.BOOL,
    "Whether the track may be recommended and played; false once withdrawn.",
)
TRACK_DURATION_MS = Column("track_duration_ms", Kind.INT, "Length by the catalogue.", "ms").or_null(
    "when unknown"
)
TAG = Column("tag", Kind.STRING, "Tag, lower case, outer blanks removed.")
TAGGER_COUNT = Column(
    "tagger_count", Kind.LONG, "Listeners (and the catalogue) who gave the track this tag."
)
TAGGED_DATE = Column("tagged_date", Kind.DATE, "Day on which the tag was given.").or_null(
    "when the source has no day"
)
TAG_EVENT_ID = Column("tag_event_id", Kind.STRING, "Hash of track, tag and tagger.")
REGISTERED_DATE = Column("registered_date", Kind.DATE, "Day of registration.").or_null(
    "when the source has none"
)
IS_OPTED_OUT = Column("is_opted_out", Kind.BOOL, "The listener wants no recommendations.")
IS_NAMED_TO_OTHERS = Column(
    "is_named_to_others", Kind.BOOL, "The listener agreed to be named in the reasons of others."
)
FOLLOWED_FROM_DATE = Column("followed_from_date", Kind.DATE, "Day the follow began.").or_null(
    "for undated follows"
)
IS_ACTIVE = Column("is_active", Kind.BOOL, "False once the follow has ended.")

# --- listens and feedback ----------------------------------------------------------------------
LISTEN_ID = Column(
    "listen_id", Kind.STRING, "Hash of user, track and time: the same listen sent twice is one."
)
LISTENED_AT_UTC = Column("listened_at_utc", Kind.TIMESTAMP, "When the listen began.", "UTC")
LISTENED_DATE = Column("listened_date", Kind.DATE, "UTC day of listened_at_utc.")
PLAYED_MS = Column("played_ms", Kind.LONG, "How long it was played.", "ms")
DURATION_MS = Column("duration_ms", Kind.LONG, "How long the track is, by the player.", "ms")
COMPLETION_RATIO = Column(
    "completion_ratio", Kind.DOUBLE, "played_ms / duration_ms, at most 1.", "0..1"
)
IS_ORGANIC = Column(
    "is_organic", Kind.BOOL, "The listener chose the track; false when a recommendation started it."
)
SESSION_ID = Column(
    "session_id",
    Kind.STRING,
    "Consecutive listens that start less than 1,200 s after one another share a session.",
)
LISTEN_COUNT = Column("listen_count", Kind.LONG, "Number of listens.")
COMPLETION_PERMILLE = Column(
    "completion_permille",
    Kind.LONG,
    "Sum of completion over the listens, in whole thousandths: order cannot change it.",
    "1/1000",
)
ORGANIC_COUNT = Column(
    "organic_count",
    Kind.LONG,
    "Listens that were organic and did not follow an impression of the track.",
)
LAST_LISTENED_DATE = Column(
    "last_listened_date", Kind.DATE, "UTC day of the newest listen."
).or_null("when the source has counts and no times")
EDGE_WEIGHT = Column("edge_weight", Kind.DOUBLE, "Strength of the edge, rounded to 6 decimals.")
FEEDBACK_ACTION = Column(
    "feedback_action", Kind.STRING, "Feedback action: like, unlike, hide, unhide."
)
GIVEN_AT_UTC = Column("given_at_utc", Kind.TIMESTAMP, "When the listener gave the feedback.", "UTC")
SHOWN_AT_UTC = Column(
    "shown_at_utc", Kind.TIMESTAMP, "When the track was shown to the listener.", "UTC"
)
LIKED_DATE = Column("liked_date", Kind.DATE, "UTC day on which the like was given.")

# --- content and features ----------------------------------------------------------------------
CONTENT_HASH = Column(
    "content_hash",
    Kind.STRING,
    "SHA-256 of the content's bytes (lyrics, tags and labelled texts: of the UTF-8 text).",
)
FILE_URI = Column("file_uri", Kind.STRING, "The file, relative to the lake.")
BYTE_COUNT = Column("byte_count", Kind.LONG, "Size of the file.", "bytes")
LYRICS_TEXT = Column("lyrics_text", Kind.STRING, "The words.")
AUDIO_HASH = Column("audio_hash", Kind.STRING, "content_hash of the audio.")
AUDIO_URI = Column("audio_uri", Kind.STRING, "Audio file, relative to the lake.").or_null(
    "when the track has none"
)
LYRICS_HASH = Column("lyrics_hash", Kind.STRING, "content_hash of the lyrics.").or_null(
    "when the track has none"
)
COVER_HASH = Column("cover_hash", Kind.STRING, "content_hash of the cover.").or_null(
    "when the track has none"
)
COVER_URI = Column("cover_uri", Kind.STRING, "Cover file, relative to the lake.").or_null(
    "when the track has none"
)
FEATURE_TABLE = Column(
    "feature_table", Kind.STRING, "The feature table whose rows the encoder made."
)
ENCODER_ID = Column("encoder_id", Kind.STRING, "Name and version of the encoder.")
WEIGHTS_SHA256 = Column("weights_sha256", Kind.STRING, "Hash of the encoder's weights.")
PREPROCESSING_ID = Column(
    "preprocessing_id", Kind.STRING, "Hash of everything done to the content before the encoder."
)
FAILURE_REASON = Column(
    "failure_reason",
    Kind.STRING,
    "Reason code: why the row has no embedding; in feat_mel no spectrogram, in feat_semantics no "
    "attributes.",
).or_null("when the row has it")
AUDIO_EMBEDDING = Column(
    "audio_embedding", Kind.FLOATS, "Mean of the encoder's vectors over the windows."
).or_null("when the audio could not be read")
AUDIO_EMBEDDING_MAX = Column(
    "audio_embedding_max",
    Kind.FLOATS,
    "Maximum of the encoder's vectors over the windows, in each dimension.",
).or_null("when the audio could not be read")
TAG_PROBABILITIES = Column(
    "tag_probabilities",
    Kind.FLOATS,
    "MusiCNN's 50 tags in the order of jobs/encoders/README.md, mean over the windows.",
    "0..1",
).or_null("when the audio could not be read, or the encoder knows no tags")
TAG_PROBABILITIES_MAX = Column(
    "tag_probabilities_max",
    Kind.FLOATS,
    "MusiCNN's 50 tags in the order of jobs/encoders/README.md, maximum over the windows.",
    "0..1",
).or_null("when the audio could not be read, or the encoder knows no tags")
LOUDNESS_LUFS = Column(
    "loudness_lufs", Kind.FLOAT, "Integrated loudness of the recording, ITU-R BS.1770-4.", "LUFS"
).or_null("when the audio could not be read, or is below the gate of -70 LUFS")
LOUDNESS_RANGE_LU = Column(
    "loudness_range_lu",
    Kind.FLOAT,
    "Dynamic range of the recording: loudness range, EBU Tech 3342.",
    "LU",
).or_null("when the audio could not be read, or has less than 3 s above the gate")
TRUE_PEAK_DBTP = Column(
    "true_peak_dbtp",
    Kind.FLOAT,
    "Highest level between samples of the recording against full scale, ITU-R BS.1770-4, annex 2.",
    "dBTP",
).or_null("when the audio could not be read")
TEMPO_BPM = Column("tempo_bpm", Kind.FLOAT, "Beats per minute (Ellis 2007).", "bpm").or_null(
    "when the audio could not be read or has no pulse"
)
TEMPO_CONFIDENCE = Column(
    "tempo_confidence",
    Kind.FLOAT,
    "Autocorrelation of the spectral flux at the period of the tempo.",
    "0..1",
).or_null("when the audio could not be read or has no pulse")
BEAT_STRENGTH_RATIO = Column(
    "beat_strength_ratio",
    Kind.FLOAT,
    "Share of the spectral flux within 32 ms of a beat (beats as in Ellis 2007).",
    "0..1",
).or_null("when the audio could not be read or has no pulse")
ONSET_RATE_HZ = Column("onset_rate_hz", Kind.FLOAT, "Note onsets per second.", "Hz").or_null(
    "when the audio could not be read"
)
KEY_TONIC = Column(
    "key_tonic", Kind.STRING, "Tonic of the key, C, C#, D, ... B (Krumhansl 1990)."
).or_null("when the audio could not be read or fits no key")
KEY_MODE = Column("key_mode", Kind.STRING, "major or minor.").or_null(
    "when the audio could not be read or fits no key"
)
KEY_CONFIDENCE = Column(
    "key_confidence",
    Kind.FLOAT,
    "Correlation of the pitch classes with the key's profile, less that with the next best key's.",
    "0..1",
).or_null("when the audio could not be read or fits no key")
SPECTRAL_CENTROID_HZ = Column(
    "spectral_centroid_hz",
    Kind.FLOAT,
    "Mean frequency up to 8 kHz, weighted by magnitude; mean over the frames with sound.",
    "Hz",
).or_null("when the audio could not be read")
SILENCE_RATIO = Column(
    "silence_ratio", Kind.FLOAT, "Share of frames of 64 ms below -60 dB against full scale.", "0..1"
).or_null("when the audio could not be read")
DECODED_S = Column("decoded_s", Kind.FLOAT, "Length of the windows.", "s").or_null(
    "when the audio could not be read"
)
LOG_MEL = Column(
    "log_mel",
    Kind.BINARY,
    "Log-mel spectrogram of the first 120 s, 1,251 frames of 96 ms x 128 bands, row by row, "
    "float16 little-endian, mean 0 and deviation 1 (jobs/encoders/audio/spectrograms/htcl_mel.py).",
).or_null("when the audio could not be read, or its first 120 s are silent")
MEL_FRAME_COUNT = Column(
    "mel_frame_count", Kind.INT, "Frames of log_mel that hold audio; the others are padding."
).or_null("when log_mel is null")
LYRICS_EMBEDDING = Column(
    "lyrics_embedding", Kind.FLOATS, "Sentence embedding of the lyrics."
).or_null("when the lyrics hold no word")
SENTIMENT_COMPOUND = Column(
    "sentiment_compound", Kind.FLOAT, "VADER's compound score, mean over lines.", "-1..1"
).or_null("when the lyrics hold no word")
EMOTIONAL_LOAD_RATIO = Column(
    "emotional_load_ratio",
    Kind.FLOAT,
    "Share of words that carry emotion by VADER, mean over lines.",
    "0..1",
).or_null("when the lyrics hold no word")
LANGUAGE = Column(
    "language",
    Kind.STRING,
    "Language of the lyrics by lingua: ISO 639-1 code, lower case.",
).or_null("when the lyrics hold no word or language_confidence is below .7")
LANGUAGE_CONFIDENCE = Column(
    "language_confidence",
    Kind.FLOAT,
    "lingua's probability of the most likely of 75 languages, rounded to 4 decimals.",
    "0..1",
).or_null("when the lyrics hold nothing that tells languages apart")
LYRICS_EXCERPT = Column(
    "lyrics_excerpt",
    Kind.STRING,
    f"First {MAX_EXCERPT_CHARACTERS} characters of the lyrics on one line, cut at a word's end.",
).or_null("when the track has no lyrics, or they cannot be read")
TRACK_TEXT = Column(
    "track_text",
    Kind.STRING,
    "Text of the track, composed of the parts that encoders.text_fields names.",
).or_null("when the track has none of them")
TEXT_SHA256 = Column("text_sha256", Kind.STRING, "SHA-256 of track_text in UTF-8.")
LINE_COUNT = Column(
    "line_count", Kind.LONG, "Lines of the lyrics that hold a letter or a digit."
).or_null("when the lyrics hold no word")
WORD_COUNT = Column(
    "word_count",
    Kind.LONG,
    "Words of the lyrics: runs of letters, marks, digits and apostrophes.",
).or_null("when the lyrics hold no word, or their script has no blanks between words")
REPETITION_RATIO = Column(
    "repetition_ratio",
    Kind.FLOAT,
    "Share of those lines that repeat an earlier one; case and punctuation do not count.",
    "0..1",
).or_null("when the lyrics hold no word")
EXPLICIT_RATIO = Column(
    "explicit_ratio",
    Kind.FLOAT,
    "Share of the words that glin-profanity's list for the language names, as whole words; in "
    "English also with the endings -s, -es, -ed and -ing.",
    "0..1",
).or_null("when word_count or language is null, or no list is used for the language")
COVER_EMBEDDING = Column("cover_embedding", Kind.FLOATS, "Pooled features of the image.").or_null(
    "when the image could not be read"
)
PALETTE_LAB = Column(
    "palette_lab",
    Kind.FLOATS,
    "Five colours by k-means, the most frequent first: L*, a*, b* of each, 15 numbers rounded to "
    "2 decimals; of a picture with fewer colours the first one again.",
    "CIE Lab, D65",
).or_null("when the image could not be read")
PALETTE_WEIGHTS = Column(
    "palette_weights",
    Kind.FLOATS,
    "Share of the pixels of each colour in palette_lab, five numbers with sum 1; 0 for a colour "
    "that fills up the palette.",
    "0..1",
).or_null("when the image could not be read")
BRIGHTNESS = Column(
    "brightness", Kind.FLOAT, "Mean lightness L* of CIE Lab, divided by 100.", "0..1"
).or_null("when the image could not be read")
SATURATION = Column(
    "saturation",
    Kind.FLOAT,
    "Mean HSV saturation, each pixel weighted by its HSV value.",
    "0..1",
).or_null("when the image could not be read")
EDGE_DENSITY_RATIO = Column(
    "edge_density_ratio",
    Kind.FLOAT,
    "Share of pixels whose Sobel gradient of L* is at least that of a step of 10, at a long side "
    "of at most 256 pixels.",
    "0..1",
).or_null("when the image could not be read")
DOMINANT_HUE_DEG = Column(
    "dominant_hue_deg",
    Kind.FLOAT,
    "HSV hue: circular mean within 30 degrees of the fullest of 36 bins, pixels weighted by "
    "chroma; red is 0, green 120, blue 240.",
    "degrees, 0..360",
).or_null("when the image could not be read or its saturation is below .05")
TAG_EMBEDDING = Column("tag_embedding", Kind.FLOATS, "Sentence embedding of the tag.").or_null(
    "when the tag holds no letter"
)
MEAN_TAG_EMBEDDING = Column(
    "mean_tag_embedding",
    Kind.FLOATS,
    "Mean of the embeddings of the track's tags, each weighted by its tagger_count; tags without "
    "an embedding do not count. Added up in the order of the tags, rounded to 6 decimals.",
)
AUDIO_VECTOR = Column(
    "audio_vector",
    Kind.FLOATS,
    "The recording in HTCL's common space, 100 numbers. Directions are compared; the length is "
    "what the fusion of audio and text takes.",
)
TEXT_VECTOR = Column(
    "text_vector", Kind.FLOATS, "The track's text in the same space, 100 numbers, likewise."
)
FUSED_VECTOR = Column(
    "fused_vector", Kind.FLOATS, "Recording and text together in the same space, 100 numbers."
)
TRACK_VECTOR = Column(
    "track_vector",
    Kind.FLOATS,
    "The vector that counts for the track, of length 1; 100 numbers. One of a later kind in the "
    "model's order is moved by the mean difference from the first kind, over the tracks that have "
    "both, so that all can be compared.",
)
VECTOR_KIND = Column(
    "vector_kind",
    Kind.STRING,
    "Which of the model's vectors counts for the track: audio, text, or fused of both.",
)
EMOTION_SOURCE = Column(
    "emotion_source",
    Kind.STRING,
    "Source of the estimate: audio or lyrics; in feat_mood_plane also both.",
)
EMOTION_SOURCES = Column(
    "emotion_sources",
    Kind.STRING,
    "Sources of the track's estimates: audio, lyrics, or audio+lyrics.",
)
VALENCE = Column("valence", Kind.DOUBLE, "From sad (-1) to happy (1).", "-1..1")
AROUSAL = Column("arousal", Kind.DOUBLE, "From calm (-1) to excited (1).", "-1..1")
VALENCE_SD = Column(
    "valence_sd", Kind.DOUBLE, "Standard deviation of the valence estimate.", "-1..1 scale"
)
AROUSAL_SD = Column(
    "arousal_sd", Kind.DOUBLE, "Standard deviation of the arousal estimate.", "-1..1 scale"
)
DIMENSION = Column("dimension", Kind.STRING, "valence or arousal.")
KNOTS = Column(
    "knots",
    Kind.DOUBLES,
    "101 quantiles of the values, those at 0 %, 1 %, ... 100 %, rounded to 6 decimals.",
)
IS_FITTED = Column(
    "is_fitted",
    Kind.BOOL,
    "The knots are quantiles of tracks; false where there are too few: the map is a straight line.",
)
TRACK_COUNT = Column("track_count", Kind.LONG, "Available tracks that have a value.")
VALENCE_POSITION = Column(
    "valence_position",
    Kind.DOUBLE,
    "Share of the night's tracks that are sadder, rounded to 6 decimals: saddest 0, happiest 1.",
    "0..1",
)
AROUSAL_POSITION = Column(
    "arousal_position",
    Kind.DOUBLE,
    "Share of the night's tracks that are calmer, rounded to 6 decimals: calmest 0, most excited "
    "1.",
    "0..1",
)
VALENCE_CELL = Column(
    "valence_cell", Kind.INT, "Fifth of the plane by valence_position: saddest 0, happiest 4."
)
AROUSAL_CELL = Column(
    "arousal_cell", Kind.INT, "Fifth of the plane by arousal_position: calmest 0, most excited 4."
)
CONTEXT_VALENCE = Column(
    "context_valence",
    Kind.DOUBLE,
    "Mean valence_position of the other tracks of the sessions, rounded to 6 decimals.",
    "0..1",
)
CONTEXT_AROUSAL = Column(
    "context_arousal",
    Kind.DOUBLE,
    "Mean arousal_position of the other tracks of the sessions, rounded to 6 decimals.",
    "0..1",
)
CONTEXT_TRACK_COUNT = Column(
    "context_track_count",
    Kind.LONG,
    "Tracks that these means are over; one that is in two of the sessions counts twice.",
)
TEXT_ID = Column("text_id", Kind.STRING, "The source's id of a labelled text.")
EMOTION_TEXT = Column("emotion_text", Kind.STRING, "The labelled text, as its source has it.")
PERSPECTIVE = Column(
    "perspective",
    Kind.STRING,
    "Whose emotion the raters judged: that of a reader, of the writer, or combined: of both.",
)
SOURCE_SPLIT = Column(
    "source_split",
    Kind.STRING,
    "The source's own split: train, dev or test. It is not the split of a night.",
).or_null("when the source has none")
VALENCE_RATING_SD = Column(
    "valence_rating_sd",
    Kind.DOUBLE,
    "Standard deviation of the raters' valence (of the population, at most 1).",
    "-1..1 scale",
).or_null("when the source has none")
AROUSAL_RATING_SD = Column(
    "arousal_rating_sd",
    Kind.DOUBLE,
    "Standard deviation of the raters' arousal (of the population, at most 1).",
    "-1..1 scale",
).or_null("when the source has none")
RATER_COUNT = Column(
    "rater_count", Kind.LONG, "Raters whose mean valence and arousal are."
).or_null("when the source has none")
SEMANTICS_SOURCE = Column(
    "semantics_source",
    Kind.STRING,
    "Source of the row's values: probe (tags and measures of the audio) or llm (a language "
    "model's answer about artist, title and year).",
)
ANSWER_TEXT = Column("answer_text", Kind.STRING, "The model's answer, as it gave it.").or_null(
    "when it was not asked"
)
FAILURE_DETAIL = Column(
    "failure_detail", Kind.STRING, "The rule that the answer broke, and the value."
).or_null("when it broke none")

# --- graph -------------------------------------------------------------------------------------
NODE_KIND = Column("node_kind", Kind.STRING, "user, track, artist, tag or album.")
NODE_ID = Column("node_id", Kind.STRING, "user_id, track_id, artist_id, tag or album_id.")
NODE_INDEX = Column(
    "node_index",
    Kind.LONG,
    "Dense from 1 within a kind, in order of first appearance; 0 is padding.",
)

# --- models, scores, lists ---------------------------------------------------------------------
TRAINING_TASK = Column(
    "training_task",
    Kind.STRING,
    "What the model learned to do, a name in training's registry; `lists` for published lists.",
)
FAMILY = Column("family", Kind.STRING, "Model family, a name in training's registry.")
MODEL_VERSION = Column(
    "model_version",
    Kind.STRING,
    "Hash of data, configuration, code, seed, torch version, processes, threads and device.",
)
MODEL_ROLE = Column(
    "model_role",
    Kind.STRING,
    "champion: makes the lists. candidate: waits for a person's promotion. component: another "
    "model learns from it. none: the task had no data.",
)
TRAINED_AS_OF_DATE = Column("trained_as_of_date", Kind.DATE, "Last day of the training data.")
CHECKED_AS_OF_DATE = Column(
    "checked_as_of_date",
    Kind.DATE,
    "Last day on which a training found that model's inputs unchanged; its age counts from here.",
)
FITTED_UNTIL_DATE = Column(
    "fitted_until_date", Kind.DATE, "Last day that the model which scores has learned from."
)
HELD_OUT_FROM_DATE = Column(
    "held_out_from_date",
    Kind.DATE,
    "The night's cut: first day that the copy for evaluations has not learned from.",
).or_null("when nothing was held out by time")
PROMOTED_AS_OF_DATE = Column(
    "promoted_as_of_date", Kind.DATE, "First as_of that may use the model."
).or_null("until it is promoted")
NO_DATA_REASON = Column(
    "no_data_reason", Kind.STRING, "Why the task had nothing to learn from."
).or_null("for a model")
UPSTREAM_VERSIONS = Column(
    "upstream_versions",
    Kind.STRINGS,
    "What the model learned from, as name=version: encoders by feature table, models by "
    "task/family.",
)
INPUTS_SHA256 = Column(
    "inputs_sha256",
    Kind.STRING,
    "Hash of all that decided the training but its day: data, recipes of all that competed, code.",
)
RANK = Column("rank", Kind.INT, "Place in the list; 1 is best.")
SCORE = Column(
    "score",
    Kind.DOUBLE,
    "Output of the model or rule, rounded to 6 decimals; compare within a list only.",
)
TIER = Column("tier", Kind.STRING, "Evidence behind the entry: personal, warm, social, popular.")
REASON_KIND = Column("reason_kind", Kind.STRING, "Kind of the reason why the track is in the list.")
REASON_SUBJECT = Column(
    "reason_subject", Kind.STRING, "Id of the artist, track, tag or listener in the reason."
).or_null("when the reason names nobody")
REASON_TEXT = Column("reason_text", Kind.STRING, "The reason as a sentence.")

HEADS = Column(
    "heads",
    Kind.STRINGS,
    "Heads of the model that scored this track, such as audio or collaborative; of a model with "
    "one output its family.",
)
MODALITIES = Column(
    "modalities",
    Kind.STRINGS,
    "What was compared: those of audio, lyrics and tags that both tracks have, or trained: "
    "the vectors of feat_track_htcl.",
)
CHANGE = Column("change", Kind.STRING, "entered, left, or moved.")
FROM_RANK = Column("from_rank", Kind.INT, "Rank in the compared run.").or_null(
    "for a track that entered"
)
TO_RANK = Column("to_rank", Kind.INT, "Rank now.").or_null("for a track that left")
COMPARED_AS_OF_DATE = Column("compared_as_of_date", Kind.DATE, "as_of of the compared run.")
COMPARED_RUN_ID = Column("compared_run_id", Kind.STRING, "The compared run.", is_provenance=True)

# --- rejects -----------------------------------------------------------------------------------
REJECTED_FROM = Column("table_name", Kind.STRING, "The raw_ table that the row was meant for.")
REJECT_REASON = Column("reject_reason", Kind.STRING, "Reason code, a key of REJECT_REASONS.")
REJECT_DETAIL = Column("reject_detail", Kind.STRING, "The rule and the value that broke it.")
ORIGINAL_TEXT = Column(
    "original_text", Kind.STRING, "The row as JSON; bytes that are not text as base64."
)

# --- metrics -----------------------------------------------------------------------------------
SUBJECT = Column("subject", Kind.STRING, "Model family or published table that was evaluated.")
SPLIT = Column("split", Kind.STRING, "Data of the evaluation: validation, test, next_day.")
METRIC = Column("metric", Kind.STRING, "Name of the metric, with its cut-off.")
VALUE = Column("value", Kind.DOUBLE, "Value of the metric, rounded to 6 decimals.")
N_UNITS = Column(
    "n_units", Kind.LONG, "Listeners (or sentences, or tracks) over which the metric is a mean."
)

# --- runs, models, publication -----------------------------------------------------------------
STAGE = Column(
    "stage",
    Kind.STRING,
    "Part of the night: ingest, core, features, graph, training, recommendations, publish.",
)
TASK = Column("task", Kind.STRING, "Task id: the table or model.")
ROW_COUNT = Column("row_count", Kind.LONG, "Rows that the task wrote.")
ADDED_BYTES = Column("added_bytes", Kind.LONG, "Size of the added data files.", "bytes")
ELAPSED_S = Column("elapsed_s", Kind.DOUBLE, "Duration of the task.", "s", is_provenance=True)
TABLE_VERSION = Column(
    "table_version", Kind.LONG, "Delta version after the write.", is_provenance=True
)
CONTENT_SHA256 = Column(
    "content_sha256", Kind.STRING, "Hash of the rows written, independent of their order."
)
CHECKPOINT_URI = Column(
    "checkpoint_uri", Kind.STRING, "Folder of the checkpoint, relative to the lake."
)
CHECKPOINT_SHA256 = Column("checkpoint_sha256", Kind.STRING, "Hash of the checkpoint's files.")
BEFORE_CUT_SHA256 = Column(
    "before_cut_sha256",
    Kind.STRING,
    "Hash of the checkpoint in its folder before_cut/, fitted before the night's cut, which "
    "evaluations of other models read.",
).or_null("when nothing was held out")
DATA_SHA256 = Column("data_sha256", Kind.STRING, "Hash of the training data.")
CONFIG_JSON = Column("config_json", Kind.STRING, "The model's whole configuration.")
MLFLOW_RUN_ID = Column(
    "mlflow_run_id", Kind.STRING, "MLflow run with the training curves.", is_provenance=True
)
RULE = Column("rule", Kind.STRING, "The gate's name, as in published_runs.gates.")
ACTOR = Column("actor", Kind.STRING, "Person or system that asked for it.")
WAIVER_REASON = Column("reason", Kind.STRING, "Why the rule was waived.")
DECISION = Column("decision", Kind.STRING, "promote or demote.")
DECISION_AS_OF_DATE = Column(
    "decision_as_of_date", Kind.DATE, "First as_of that the decision holds for."
)
DECISION_REASON = Column("reason", Kind.STRING, "Why, in the person's words.")
EVENT_REASON = Column("reason", Kind.STRING, "Why: a rule's name, or a person's words.").or_null(
    "for an ordinary night"
)
EVENT_NUMBER = Column("event_number", Kind.LONG, "Number of the event: 1, 2, 3, … without gaps.")
REPLACES_EVENT = Column("replaces_event", Kind.LONG, "The event that was current before.").or_null(
    "for the first"
)
ACTION = Column("action", Kind.STRING, "publish, stage_only, rollback, blocked, erase.")
TABLE_PINS = Column("tables", Kind.PINS, "Version, rows and content hash of every published table.")
GATES = Column(
    "gates",
    Kind.GATE_RESULTS,
    "Every gate with value and threshold, and examples of rows that broke it.",
)
INPUT_PINS = Column(
    "inputs", Kind.PINS, "Version, rows and content hash of every other table that the run wrote."
)
MODEL_VERSIONS = Column("model_versions", Kind.STRINGS, "Models that scored, as family:version.")
CODE_VERSION = Column("code_version", Kind.STRING, "Version of this project.")
CONTRACT_VERSION = Column(
    "contract_version", Kind.STRING, "Hash of the contracts of the published tables."
)

# --- erasures ----------------------------------------------------------------------------------
REQUEST_ID = Column("request_id", Kind.STRING, "Random id of the erasure request.")
REQUESTED_AT_UTC = Column("requested_at_utc", Kind.TIMESTAMP, "When it was requested.", "UTC")
FINISHED_AT_UTC = Column(
    "finished_at_utc", Kind.TIMESTAMP, "When the last file had been removed.", "UTC"
)
REMOVED = Column(
    "removed", Kind.COUNTS, "Tables, models, pages and logs that lost entries, with counts."
)
REWRITTEN_TABLES = Column("rewritten_tables", Kind.STRINGS, "Tables whose files were rewritten.")
REMOVED_FILE_COUNT = Column(
    "removed_file_count", Kind.LONG, "Data files and log entries that were deleted."
)
ERASE_EVENT_NUMBER = Column(
    "event_number", Kind.LONG, "The event that re-pinned the published tables."
).or_null("when nothing was published")
