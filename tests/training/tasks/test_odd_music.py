"""Odd recordings and texts from the file to HTCL's vectors: by the real decoder, jobs, training and prediction."""

from __future__ import annotations

import io
from dataclasses import asdict
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from feature_store.lake.arrow_io import append, read_table, write_slice
from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS, CORE_TRACKS
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_ENCODERS,
    FEAT_HTCL_AUDIO,
    FEAT_HTCL_TEXT,
    FEAT_LYRICS,
    FEAT_MEL,
    FEAT_TRACK_HTCL,
    FEAT_TRACK_TEXTS,
)
from feature_store.tables.raw import RAW_LYRICS
from jobs.encoders import registry
from jobs.features import audio, track_texts
from tests.conftest import MARCH_1
from tests.jobs.features.test_track_texts import arrival, hash_of
from tests.jobs.features.worlds import encoders, frame, put, tone
from tests.training import lake as sample
from tests.training.tasks import worlds
from training.artifacts import stored_models
from training.data.spectrograms import N_FRAMES, N_MELS
from training.predict import predict
from training.train import train

TASK = "audio_text"
LONG = "love " * 10_000
"""Lyrics, and in upper case a title, of ten thousand words."""

ODD = {
    "whole": {},
    "no recording": {"audio_hash": None},
    "no text": {"title": "", "artist_name": "\u200b"},
    "nothing": {"audio_hash": None, "title": "", "artist_name": ""},
    "silent": {},
    "one second": {},
    "two hours": {},
    "broken": {},
    "gone": {},
    "long lyrics": {"audio_hash": None, "lyrics_hash": hash_of(LONG)},
    "long title": {"audio_hash": None, "title": LONG.upper()},
    "Hebrew": {"audio_hash": None, "title": "שלום עולם"},
    "Khmer": {"audio_hash": None, "title": "ភាសាខ្មែរ"},
    "no title": {"audio_hash": None, "title": ""},
}
"""Columns of core_tracks by what is odd; each has a recording of its own unless it is said."""


def flac(samples: np.ndarray, rate_hz: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="FLAC")
    return file.getvalue()


def recordings() -> dict[str, bytes]:
    """Two hours are a tone of 300 Hz for 120 s, and of 700 Hz behind them."""
    moments_s = np.arange(7_200 * 2_000) / 2_000
    hz = np.where(moments_s < 120, 300, 700)
    return {
        "whole": tone(440, 30.0),
        "no text": tone(550, 5.0),
        "silent": flac(np.zeros(5 * 16_000), 16_000),
        "one second": tone(880, 1.0),
        "two hours": flac(0.5 * np.sin(2 * np.pi * hz * moments_s), 2_000),
        "broken": b"fLaC but then nothing",
    }


@pytest.fixture(scope="module")
def odd_night(spark, tmp_path_factory):
    """A night whose first tracks are odd, whose last two are plain; its rows of feat_mel, by what is odd."""
    from feature_store.settings import load_settings

    root = tmp_path_factory.mktemp("odd")
    plain = load_settings(lake=str(root / "lake"), state=root / "state")
    night = worlds.htcl_night(Night(MARCH_1, "test-run", plain))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_models, "track", lambda *_: "not-tracked")
        worlds.register()
        worlds.fill(night.settings.lake, night.as_of)
        hashes = {
            name: put(night, f"landing/audio/{number}", content)
            for number, (name, content) in enumerate(recordings().items())
        }
        catalogue = odd_tracks(hashes | {"gone": "0" * 64})
        append(
            night.settings.lake,
            CORE_TRACKS,
            pa.Table.from_pylist(catalogue, CORE_TRACKS.arrow_schema),
        )
        mel = encode_recordings(spark, night, catalogue)
        write_texts(spark, night)
        yield night, {name: mel[found] for name, found in hashes.items()}
        worlds.unregister()


def odd_tracks(hashes):
    """Rows of core_tracks, from the second day on."""
    rows = []
    for number, (name, changes) in enumerate(ODD.items()):
        found = hashes.get(name)
        uri = None if found is None else f"landing/audio/{[*hashes].index(name)}"
        rows.append(
            {
                **sample.track(number),
                "audio_hash": found,
                "audio_uri": uri,
                "lyrics_hash": None,
                "known_from_date": sample.FIRST_DAY + timedelta(days=1),
                **changes,
            }
        )
    return rows


def encode_recordings(spark, night, catalogue):
    """Run the job feat_audio, and store its rows of feat_mel beside those of the plain tracks."""
    built = audio.build(
        frame(spark, CORE_TRACKS, catalogue),
        frame(spark, FEAT_AUDIO, []),
        frame(spark, FEAT_MEL, []),
        night=night,
    ).collect()
    identity = asdict(registry.mel_identity(night.settings.encoders))
    found = [row.feat_mel.asDict() for row in built]
    plain = [sample.spectrogram(number) | identity for number in range(len(ODD), 16)]
    rows = pa.Table.from_pylist([*found, *plain], FEAT_MEL.arrow_schema)
    append(night.settings.lake, FEAT_MEL, rows)
    named = [
        row | (identity if row["feature_table"] == FEAT_MEL.name else {})
        for row in read_table(night.settings.lake, FEAT_ENCODERS, as_of=night.as_of).to_pylist()
    ]
    write_slice(
        night.settings.lake,
        FEAT_ENCODERS,
        pa.Table.from_pylist(named, FEAT_ENCODERS.arrow_schema),
        as_of=night.as_of,
    )
    return {row["content_hash"]: row for row in found}


def write_texts(spark, night):
    """Run the job feat_track_texts over the whole catalogue."""
    catalogue = read_table(night.settings.lake, CORE_TRACKS, as_of=night.as_of).to_pylist()
    identity = registry.lyrics_identity(night.settings.encoders)
    rows = track_texts.build(
        frame(spark, CORE_TRACKS, catalogue),
        frame(spark, CORE_TAGS, []),
        encoders(spark, night, {FEAT_LYRICS: identity}),
        frame(spark, FEAT_LYRICS, []),
        frame(spark, RAW_LYRICS, [arrival(night, 0, LONG)]),
        night=night,
    ).collect()
    texts = pa.Table.from_pylist([row.asDict() for row in rows], FEAT_TRACK_TEXTS.arrow_schema)
    write_slice(night.settings.lake, FEAT_TRACK_TEXTS, texts, as_of=night.as_of)


@pytest.fixture(scope="module")
def vectors(odd_night):
    """Rows of feat_track_htcl after a training and a prediction, by what is odd."""
    night, _ = odd_night
    train(night, TASK)
    predict(night, TASK)
    by_track = {
        row["track_id"]: row
        for row in read_table(night.settings.lake, FEAT_TRACK_HTCL, as_of=night.as_of).to_pylist()
    }
    return {name: by_track.get(track) for name, track in zip(ODD, sample.TRACKS, strict=False)}


def test_a_recording_has_a_spectrogram_or_the_reason_why_not(odd_night):
    """One second fills 11 frames of 96 ms, 30 s 313, two hours all 1,251; the file that is gone has no row."""
    _, mel = odd_night

    assert {name: (row["mel_frame_count"], row["failure_reason"]) for name, row in mel.items()} == {
        "whole": (313, None),
        "no text": (53, None),
        "silent": (None, "silent"),
        "one second": (11, None),
        "two hours": (1_251, None),
        "broken": (None, "unreadable"),
    }
    for name, row in mel.items():
        size = None if row["log_mel"] is None else len(row["log_mel"])
        assert size == (None if name in {"silent", "broken"} else 2 * N_FRAMES * N_MELS)


def test_of_two_hours_the_first_120_s_count(odd_night):
    """Every frame peaks in the band of 300 Hz; 700 Hz begin where the clip ends, in the last frame alone."""
    _, mel = odd_night
    frames = np.frombuffer(mel["two hours"]["log_mel"], "<f2").reshape(N_FRAMES, N_MELS)
    step = 2595 * np.log10(1 + 8_000 / 700) / 129  # mels between the centres of HTK's bands

    peaks = frames[1:-2].argmax(axis=1)

    assert set(np.abs(peaks - (2595 * np.log10(1 + 300 / 700) / step - 1)) < 1) == {True}


def test_each_track_has_the_vector_that_it_can_have(odd_night, vectors):
    """What cannot be decoded costs a track its audio, and the others nothing; only "nothing" has none."""
    night, _ = odd_night
    has_audio = {name for name, row in vectors.items() if row and row["audio_hash"]}
    has_text = {name for name, row in vectors.items() if row and row["text_sha256"]}

    assert has_audio == {"whole", "no text", "one second", "two hours"}
    assert has_text == ODD.keys() - {"no text", "nothing"}
    assert vectors["nothing"] is None
    kinds = {name: row["vector_kind"] for name, row in vectors.items() if row}
    assert kinds["no text"] == "audio"
    assert {name for name, kind in kinds.items() if kind == "text"} >= has_text - has_audio
    for name in kinds:
        assert np.linalg.norm(vectors[name]["track_vector"]) == pytest.approx(1, abs=1e-5)
    recorded = read_table(night.settings.lake, FEAT_HTCL_AUDIO).num_rows
    assert recorded == len(has_audio) + 16 - len(ODD)


def test_a_long_text_is_cut_and_a_foreign_one_is_read(odd_night, vectors):
    """Lyrics are cut to 60 words, the title stands whole; without a title the artist is the text."""
    night, _ = odd_night
    texts = read_table(night.settings.lake, FEAT_TRACK_TEXTS, as_of=night.as_of)
    by_hash = dict(
        zip(texts["text_sha256"].to_pylist(), texts["track_text"].to_pylist(), strict=True)
    )

    composed = {name: by_hash[row["text_sha256"]] for name, row in vectors.items() if row}

    assert (
        composed["long lyrics"]
        == f"{sample.TRACKS[[*ODD].index('long lyrics')]}. x. {' '.join(['love'] * 60)}"
    )
    assert composed["long title"] == f"{LONG.upper().strip()}. x"
    assert composed["no title"] == "x"
    assert composed["Hebrew"] == "שלום עולם. x"
    assert read_table(night.settings.lake, FEAT_HTCL_TEXT).num_rows == len(
        {hash_of(text) for text in by_hash.values() if text}
    )
