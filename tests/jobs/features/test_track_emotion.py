"""feat_track_emotion: a row per track and source, by the night's encoder only, never averaged."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from pyspark.sql import functions as F

from feature_store.tables.features import FEAT_AUDIO, FEAT_LYRICS, FEAT_LYRICS_EMOTION
from jobs.encoders import registry
from jobs.encoders.audio.musicnn import encoder as musicnn
from jobs.features import track_emotion
from tests.jobs.features.worlds import encoders, frame, tracks

METAL = [0.5 if tag == "metal" else 0.0 for tag in musicnn.TAGS]
NO_TAGS = [0.0] * len(musicnn.TAGS)
OF_MODEL = {"valence": 0.25, "arousal": -0.75, "valence_sd": 0.125, "arousal_sd": 0.0625, "family": "reader", "model_version": "v7"}  # fmt: skip


@pytest.fixture
def features(spark, night):
    """Encoders, audio, lyrics, no model: "loud" (no pulse; once more by older weights), "broken"; "sad"."""
    chosen = {
        FEAT_AUDIO: registry.audio_identity(night.settings.encoders),
        FEAT_LYRICS: registry.lyrics_identity(night.settings.encoders),
    }
    by_audio, by_lyrics = asdict(chosen[FEAT_AUDIO]), asdict(chosen[FEAT_LYRICS])
    loud = {"content_hash": "loud", "onset_rate_hz": 4.0, "tag_probabilities": METAL}
    audio = [
        {**loud, **by_audio, "loudness_lufs": -12.0},
        {**loud, **by_audio, "weights_sha256": "older", "tag_probabilities": NO_TAGS},
        {**by_audio, "content_hash": "broken", "failure_reason": "unreadable"},
    ]
    sad = {"content_hash": "sad", "sentiment_compound": -0.5, "emotional_load_ratio": 0.365}
    return (
        encoders(spark, night, chosen),
        frame(spark, FEAT_AUDIO, audio),
        frame(spark, FEAT_LYRICS, [{**by_lyrics, **sad}]),
        frame(spark, FEAT_LYRICS_EMOTION, []),
    )


def test_without_tags_the_other_cues_share_their_weight(spark, night, features):
    """Loudness half a spread above its centre counts .35 of .8 then: .5 x .35 / .8."""
    chosen, audio, lyrics, by_model = features
    without = audio.withColumn("tag_probabilities", F.lit(None).cast("array<float>"))
    catalogue = tracks(spark, night, {"audio_hash": "loud"})

    [row] = track_emotion.build(catalogue, chosen, without, lyrics, by_model, night=night).collect()

    assert (row.valence, row.arousal) == pytest.approx((0.0, 0.5 * 0.35 / 0.8))


def test_each_source_gives_its_own_row(spark, night, features):
    """A loud track with sad words has both rows, an instrumental one has one, a broken one none.

    Metal with a probability of .5: arousal .8 x .5, valence 0. Words: (.365 - .165) / .4.
    """
    catalogue = tracks(
        spark,
        night,
        {"audio_hash": "loud", "lyrics_hash": "sad"},
        {"audio_hash": "loud"},
        {"audio_hash": "broken"},
        {},
    )

    rows = track_emotion.build(catalogue, *features, night=night).collect()

    found = {(row.track_id, row.emotion_source): (row.valence, row.arousal) for row in rows}
    assert len(rows) == len(found)
    assert found == {
        ("t0", "audio"): pytest.approx((0.0, 0.4)),
        ("t0", "lyrics"): pytest.approx((-0.5, 0.5)),
        ("t1", "audio"): pytest.approx((0.0, 0.4)),
    }
    assert {row.as_of_date for row in rows} == {night.as_of}
    assert {(row.emotion_source, row.valence_sd, row.arousal_sd) for row in rows} == {
        ("audio", 0.65, 0.4),
        ("lyrics", 0.35, 0.43),
    }
    assert {(row.family, row.model_version) for row in rows} == {(None, None)}


def test_lyrics_that_a_model_has_read_take_its_estimate_whole(spark, night, features):
    """Values, deviations and name are the model's; lyrics without its row and all audio keep the rules'."""
    chosen, audio, lyrics, _ = features
    [sad] = [row.asDict() for row in lyrics.collect()]
    lyrics = lyrics.union(frame(spark, FEAT_LYRICS, [{**sad, "content_hash": "unread"}]))
    by_model = frame(
        spark,
        FEAT_LYRICS_EMOTION,
        [{"as_of_date": night.as_of, "content_hash": "sad", **OF_MODEL, "run_id": "r"}],
    )
    catalogue = tracks(
        spark, night, {"audio_hash": "loud", "lyrics_hash": "sad"}, {"lyrics_hash": "unread"}
    )

    rows = track_emotion.build(catalogue, chosen, audio, lyrics, by_model, night=night).collect()

    found = {(row.track_id, row.emotion_source): row.asDict() for row in rows}
    read = found["t0", "lyrics"]
    assert {name: read[name] for name in OF_MODEL} == OF_MODEL
    of_rules = found["t1", "lyrics"]
    assert (of_rules["valence"], of_rules["valence_sd"], of_rules["family"]) == (-0.5, 0.35, None)
    assert found["t0", "audio"]["model_version"] is None
    assert len(found) == len(rows) == 3


def test_a_model_s_row_alone_is_no_estimate(spark, night, features):
    """Lyrics without features in feat_lyrics have no row, whatever an earlier night has read."""
    chosen, audio, lyrics, _ = features
    row = {"as_of_date": night.as_of, "content_hash": "gone", **OF_MODEL, "run_id": "r"}
    by_model = frame(spark, FEAT_LYRICS_EMOTION, [row])
    catalogue = tracks(spark, night, {"lyrics_hash": "gone"})

    built = track_emotion.build(catalogue, chosen, audio, lyrics, by_model, night=night)

    assert built.collect() == []
