"""What feat_audio and feat_lyrics hold of the tracks of a sample world, with their planted mood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from feature_store.lake.storage import sha256_of
from feature_store.setting_groups import EncoderSettings
from jobs.encoders.audio.decoding import audio_file, recording
from jobs.encoders.audio.descriptors import signal
from jobs.encoders.audio.musicnn.encoder import MusiCNN
from jobs.encoders.text import sentiment
from jobs.encoders.text.plain_text import plain_text
from jobs.sources.sample_world.catalogue import Track, make_artists, make_tracks
from jobs.sources.sample_world.content.audio import Signal, synthesise
from jobs.sources.sample_world.content.codecs import encode_audio
from jobs.sources.sample_world.content.lyrics import write_lyrics
from jobs.sources.sample_world.options import SampleWorld
from tests.benchmarks.support.code_version import code_sha256

CLIPS_S = (6.0, 9.0, 15.0, 30.0)
"""Lengths of clips in s; world n has the length n of them, round and round."""

MASTERED_PEAK = 0.75  # of full scale; the synthesiser's own peaks are .15 to .75, by arousal

Values = dict[str, object]


@dataclass(frozen=True, slots=True)
class HeardWorlds:
    """Sample worlds, each measured once and kept in a file: a benchmark that was killed goes on.

    Attributes:
        folder: of the files.
        n_tracks: tracks of each world.
    """

    folder: Path
    encoders: EncoderSettings
    n_tracks: int

    def heard(self, seed: int, *, is_mastered: bool) -> pl.DataFrame:
        """A row for each track: genre, artist_id, planted valence and arousal, cues.

        The cues have the names of the columns of feat_audio and feat_lyrics; those of lyrics are
        null for a track without lyrics.

        Args:
            seed: of the world.
            is_mastered: all clips have the same peak, as a mastering would make it: the
                synthesiser turns arousal into level, and published music does not.
        """
        world = SampleWorld(
            seed=seed, n_tracks_at_start=self.n_tracks, clip_s=CLIPS_S[seed % len(CLIPS_S)]
        )
        kind = "mastered" if is_mastered else "synthesised"
        file = self.folder / f"{kind}-{seed}-{self._key(world)}.parquet"
        if not file.exists():
            rows = pl.DataFrame(
                list(self._rows(world, is_mastered=is_mastered)), infer_schema_length=None
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".partial")
            rows.write_parquet(partial)
            partial.rename(file)
        return pl.read_parquet(file)

    def _key(self, world: SampleWorld) -> str:
        code_version = code_sha256(("jobs/sources/sample_world", "jobs/encoders"))
        return sha256_of(f"{world}\0{code_version}\0{self.encoders.model_dump_json()}".encode())[
            :16
        ]

    def _rows(self, world: SampleWorld, *, is_mastered: bool) -> Iterator[Values]:
        encoder = MusiCNN()
        for track in make_tracks(world, make_artists(world), world.n_tracks_at_start):
            clip = _clip(world, track, is_mastered=is_mastered)
            content = encode_audio(clip, codec=track.codec, sample_rate_hz=world.sample_rate_hz)
            yield {
                "track_id": track.track_id,
                "artist_id": track.artist.artist_id,
                "genre": track.artist.genre.name,
                "valence": track.valence,
                "arousal": track.arousal,
                **cues_of_recording(content, self.encoders, encoder),
                **_of_lyrics(world, track),
            }


def cues_of_recording(content: bytes, encoders: EncoderSettings, encoder: MusiCNN) -> Values:
    """What feat_audio holds of a recording, decoded and encoded as a night would."""
    decoded = recording.Recording.of(
        recording.decode(
            content,
            audio_file.SAMPLE_RATE_HZ,
            0.0,
            encoders.max_audio_s,
            encoders.audio_windows,
        )
    )
    tags = encoder.encode(decoded.windows).tag_probabilities
    return {
        **asdict(signal.measure(decoded.windows)),
        "loudness_lufs": decoded.loudness.integrated_lufs,
        "loudness_range_lu": decoded.loudness.range_lu,
        "tag_probabilities": None if tags is None else tags.tolist(),
    }


def _clip(world: SampleWorld, track: Track, *, is_mastered: bool) -> Signal:
    clip = synthesise(
        track, seed=world.seed, clip_s=world.clip_s, sample_rate_hz=world.sample_rate_hz
    )
    return clip * np.float32(MASTERED_PEAK / np.abs(clip).max()) if is_mastered else clip


def _of_lyrics(world: SampleWorld, track: Track) -> Values:
    """What the rules read in the lyrics."""
    if not track.has_lyrics:
        return {"sentiment_compound": None, "emotional_load_ratio": None}
    scores = sentiment.analyse(plain_text(write_lyrics(track, world.seed)))
    return {
        "sentiment_compound": scores.compound,
        "emotional_load_ratio": scores.emotional_load_ratio,
    }
