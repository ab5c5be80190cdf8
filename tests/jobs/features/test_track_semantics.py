"""feat_track_semantics: a row per track and source, by the night's encoders, never averaged."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.lake.storage import sha256_of
from feature_store.tables.attributes import ATTRIBUTE_NAMES
from feature_store.tables.features import FEAT_AUDIO, FEAT_SEMANTICS
from jobs.encoders import registry
from jobs.encoders.audio.musicnn.encoder import TAGS
from jobs.features import track_semantics
from tests.jobs.features.worlds import encoders, frame, tracks

MODEL = EncoderIdentity("transformers:model", "weights", "prompt")
PIANO = [0.9 if tag == "piano" else 0.0 for tag in TAGS]


def described(title):
    return sha256_of(f'{{"artist":"Artist","title":"{title}"}}'.encode())


@pytest.fixture
def features(spark, night):
    """Audio "piano" (once more by older weights) and "broken"; answers about Known and Hidden."""
    by_audio = registry.audio_identity(night.settings.encoders)
    audio = [
        {**asdict(by_audio), "content_hash": "piano", "tag_probabilities": PIANO, "loudness_lufs": -19.0, "silence_ratio": 0.1},
        {**asdict(replace(by_audio, weights_sha256="older")), "content_hash": "piano", "loudness_lufs": -8.0},
        {**asdict(by_audio), "content_hash": "broken", "failure_reason": "unreadable"},
    ]  # fmt: skip
    rated = dict.fromkeys(ATTRIBUTE_NAMES, 0.5) | {"lyrics_sad": None, "lyrics_love": 1.0}
    answers = [
        {**asdict(MODEL), "content_hash": described("Known"), "answer_text": "{…}", **rated},
        {**asdict(replace(MODEL, preprocessing_id="older")), "content_hash": described("Known")},
        {**asdict(MODEL), "content_hash": described("Hidden"), "failure_reason": "refused"},
    ]
    return (
        encoders(spark, night, {FEAT_AUDIO: by_audio, FEAT_SEMANTICS: MODEL}),
        frame(spark, FEAT_AUDIO, audio),
        frame(spark, FEAT_SEMANTICS, answers),
    )


def values(rows):
    """By track and source: the attributes that are not null."""
    return {
        (row.track_id, row.semantics_source): {
            name: row[name] for name in ATTRIBUTE_NAMES if row[name] is not None
        }
        for row in rows
    }


def test_each_source_gives_its_own_row(spark, night, features):
    """A known piano piece has both rows, one that only the model knows has one.

    A track whose file is broken and that the model refuses has none. Piano: .9 / (.9 + .1).
    """
    catalogue = tracks(
        spark,
        night,
        {"title": "Known", "audio_hash": "piano"},
        {"title": "Known"},
        {"title": "Hidden", "audio_hash": "broken"},
        {"title": "Unasked", "audio_hash": "piano"},
    )

    rows = track_semantics.build(catalogue, *features, night=night).collect()

    found = values(rows)
    assert len(rows) == len(found)
    assert found.keys() == {("t0", "probe"), ("t0", "llm"), ("t1", "llm"), ("t3", "probe")}
    assert found["t0", "probe"]["instruments_piano"] == pytest.approx(0.9)
    assert found["t0", "probe"]["sonority_aural_intensity"] == pytest.approx(0.5)
    assert found["t0", "llm"]["instruments_piano"] == 0.5
    assert found["t0", "llm"]["lyrics_love"] == 1.0
    assert len(found["t0", "llm"]) == 57  # lyrics_sad is what the model does not know
    assert "lyrics_love" not in found["t0", "probe"]
    assert {row.as_of_date for row in rows} == {night.as_of}


def test_without_a_model_a_track_has_what_probes_tell(spark, night, features):
    """feat_encoders has no row for feat_semantics then, so answers of an earlier model do not count."""
    _, audio, answers = features
    chosen = encoders(spark, night, {FEAT_AUDIO: registry.audio_identity(night.settings.encoders)})
    catalogue = tracks(spark, night, {"title": "Known", "audio_hash": "piano"})

    rows = track_semantics.build(catalogue, chosen, audio, answers, night=night).collect()

    [(key, known)] = values(rows).items()
    assert key == ("t0", "probe")
    assert {"instruments_piano", "focus_lead_vocal", "sonority_aural_intensity"} <= known.keys()
    assert not [name for name in known if name.startswith("lyrics_")]
