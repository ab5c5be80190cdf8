"""A lake whose champion of audio_text is HTCL, with recordings that can be decoded.

The sample lake of training, whose tracks with even numbers have tones, and those with odd ones
noise; t00 has a text and no recording, t15 is withdrawn.
"""

from __future__ import annotations

import io
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import soundfile

from feature_store.lake.arrow_io import append, read_table, write_slice
from feature_store.lake.storage import open_storage
from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO, FEAT_ENCODERS, FEAT_MEL
from feature_store.tables.graph import GRAPH_TRACK_HAS_TAG
from jobs.encoders.audio.spectrograms import htcl_mel
from jobs.search.recording_file import read_recording
from tests.training import lake as sample
from tests.training.tasks import worlds
from training.predict import predict
from training.train import train

TASK = "audio_text"
NO_RECORDING = 0
TAGS = {"t02": ("slow", "piano"), "t04": ("slow",), "t06": ("loud",)}
TITLES = dict(enumerate(sample.TRACKS)) | {
    2: "Night Bus",
    4: "Low Tide",
    6: "Low Tide",
    8: "Esc\x1b[31m",
}


def sound(number: int, seconds: float = 3.0) -> bytes:
    """The recording of a track: a tone of its own, or noise."""
    rate_hz = 16_000
    times_s = np.arange(int(seconds * rate_hz)) / rate_hz
    if number % 2:
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, len(times_s))
    else:
        samples = 0.5 * np.sin(2 * np.pi * (300 + 100 * number) * times_s)
    sink = io.BytesIO()
    soundfile.write(sink, samples, rate_hz, format="FLAC")
    return sink.getvalue()


def fill(night: Night) -> Night:
    """Train HTCL over the lake and write its vectors; returns the night with the settings for it."""
    training = night.settings.training.model_copy(
        update={"n_threads": 1, "families": {TASK: "htcl"}, "tasks": (TASK,)}
    )
    night = replace(night, settings=night.settings.model_copy(update={"training": training}))
    lake, day = night.settings.lake, night.as_of
    worlds.fill(lake, day)
    _write_recordings(night)
    train(night, TASK)
    predict(night, TASK)
    # After the training, whose graph has no tags.
    tagged = [
        {"as_of_date": day, "track_id": track, "tag": tag, "tagger_count": 3}
        for track, tags in TAGS.items()
        for tag in tags
    ]
    write_slice(
        lake,
        GRAPH_TRACK_HAS_TAG,
        pa.Table.from_pylist(tagged, GRAPH_TRACK_HAS_TAG.arrow_schema),
        as_of=day,
    )
    return night


def _write_recordings(night: Night) -> None:
    """The tracks' files, and what a night makes of them with the decoder of today."""
    lake, storage = night.settings.lake, open_storage(night.settings.lake)
    identity = asdict(htcl_mel.identity())
    tracks, spectrograms, features = [], [], []
    for number, name in enumerate(sample.TRACKS):
        path = f"landing/audio/2026-02-10/{name}.flac"
        storage.write(path, sound(number))
        with storage.local_copy(path) as local:
            found = read_recording(night.settings, local)
        has_audio = number != NO_RECORDING
        tracks.append(
            {
                **sample.track(number),
                "title": TITLES[number],
                "audio_hash": found.content_hash if has_audio else None,
                "audio_uri": path if has_audio else None,
                "known_from_date": night.as_of,
            }
        )
        content = {"content_hash": found.content_hash}
        spectrograms.append(
            {**content, **identity, "log_mel": found.log_mel, "mel_frame_count": 32}
        )
        vector = sample.vector(FEAT_AUDIO, "audio_embedding", number, 4)
        features.append({**vector, **content, "tempo_bpm": 100.0 + number})
    for table, rows in ((CORE_TRACKS, tracks), (FEAT_MEL, spectrograms), (FEAT_AUDIO, features)):
        append(lake, table, pa.Table.from_pylist(rows, table.arrow_schema))
    _name_encoders(night, identity)


def _name_encoders(night: Night, of_spectrograms: dict[str, str]) -> None:
    """The sample's encoders, but for the spectrograms."""
    named = read_table(night.settings.lake, FEAT_ENCODERS, as_of=night.as_of).to_pylist()
    rows = [
        row | of_spectrograms if row["feature_table"] == FEAT_MEL.name else row for row in named
    ]
    frame = pa.Table.from_pylist(rows, FEAT_ENCODERS.arrow_schema)
    write_slice(night.settings.lake, FEAT_ENCODERS, frame, as_of=night.as_of)
