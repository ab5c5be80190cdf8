"""Cuts music into windows of 30 s, and caches what is computed from each: spectrogram, MusiCNN's vector and tags.

A file of the cache holds one recording and is named by the hash of its bytes; the folder's name stands for the code. So an
interrupted run resumes after the last whole recording, and a recording that two packages hold is decoded once.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.progress import track

from feature_store.lake.storage import FolderStorage, sha256_of
from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.audio.decoding import audio_file
from jobs.encoders.audio.decoding.audio_file import SAMPLE_RATE_HZ
from jobs.encoders.audio.decoding.spans import Excerpts
from jobs.encoders.audio.musicnn.encoder import MusiCNN
from jobs.encoders.audio.spectrograms import htcl_mel
from jobs.sources.audio_tags.reading import read_tags
from tests.benchmarks.support.code_version import code_sha256
from tests.benchmarks.support.htcl.real.music import MusicFile
from training.engine.loop import deterministic

WINDOW_S = 30
MAX_TRACK_S = 1_200  # of a longer recording the rest is left out; the longest known has 847 s

_DECODING_CODE = ("jobs/decoding", "jobs/encoders/audio", "jobs/sources/audio_tags")
_SCHEMA = pa.schema(
    [
        ("log_mel", pa.binary()),
        ("mel_frame_count", pa.int32()),
        ("musicnn", pa.list_(pa.float32())),
        ("tag_probabilities", pa.list_(pa.float32())),
    ]
)
_TAGS = b"tags"


class UnreadableMusic(ValueError):
    """A file of a package cannot be decoded."""


@dataclass(frozen=True, slots=True)
class TrackTags:
    """What the tags of a file say; None for what they do not say."""

    title: str | None
    artist: str | None


@dataclass(frozen=True, slots=True, eq=False)
class DecodedTrack:
    """A recording and its windows.

    Attributes:
        file: where it was found first.
        tags: of the file.
        windows: a row a window, in order: log_mel as feat_mel has it, musicnn (200 numbers) and
            tag_probabilities (50); no row for a recording shorter than a window.
    """

    file: MusicFile
    content_hash: str
    tags: TrackTags
    windows: pa.Table


def cache_folder(state: Path) -> Path:
    """Folder of the decoded recordings; another code has another one."""
    inputs = (
        f"{code_sha256(_DECODING_CODE)} {WINDOW_S} {MAX_TRACK_S} {Path(__file__).read_bytes()!r}"
    )
    return state / "benchmarks" / "htcl" / "real" / f"windows-{sha256_of(inputs.encode())[:12]}"


def decoded_tracks(
    files: Sequence[MusicFile], folder: Path, console: Console
) -> list[DecodedTrack]:
    """The recordings that are at least a window long, each once; decodes those that the cache lacks.

    Args:
        files: in the order in which a recording is looked for: of copies the first one counts.
        folder: of the cache.
        console: gets the progress.

    Raises:
        UnreadableMusic: a file cannot be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, DecodedTrack] = {}
    encoder = MusiCNN()
    with deterministic(0, 1):  # so that no vector depends on the number of threads
        for file in track(files, "decoding", console=console):
            content = file.content()
            name = sha256_of(content)
            if name in found:
                continue
            if not (folder / f"{name}.arrow").exists():
                FolderStorage(folder).write(f"{name}.arrow", _decode(file, content, encoder))
            found[name] = _read(file, name, folder)
    return [one for one in found.values() if one.windows.num_rows]


def _decode(file: MusicFile, content: bytes, encoder: MusiCNN) -> bytes:
    """The Arrow file of a recording."""
    tags = read_tags(io.BytesIO(content), file.ending)
    rows = []
    for window in _windows(file, content):
        encoding = encoder.encode([window])
        if encoding.tag_probabilities is None:
            raise AssertionError  # MusiCNN gives them
        log_mel, frame_count = htcl_mel.clip_features(window)
        rows.append(
            {
                "log_mel": log_mel,
                "mel_frame_count": frame_count,
                "musicnn": encoding.embedding.tolist(),
                "tag_probabilities": encoding.tag_probabilities.tolist(),
            }
        )
    told = json.dumps(asdict(TrackTags(tags.title, tags.artist)))
    schema = _SCHEMA.with_metadata({_TAGS: told.encode()})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return sink.getvalue()


def _windows(file: MusicFile, content: bytes) -> Iterator[np.ndarray]:
    """Mono windows at 16 kHz, shape (480,000,) each; silent ones are left out, and so is the rest at the end."""
    whole = Excerpts(first_s=MAX_TRACK_S, windows_s=0, n_windows=1)
    length = WINDOW_S * SAMPLE_RATE_HZ
    try:
        channels = audio_file.decode_excerpts(content, whole, SAMPLE_RATE_HZ).channels
    except ContentFailure as failure:
        if failure.reason == FailureReason.TOO_SHORT:
            return
        raise UnreadableMusic(
            f"{file.package}: {file.name} cannot be decoded ({failure}; rule: all music can); unpack the package again"
        ) from failure
    for start in range(0, len(channels) - length + 1, length):
        try:
            yield audio_file.mono(channels[start : start + length])
        except ContentFailure as failure:
            if failure.reason != FailureReason.SILENT:
                raise


def _read(file: MusicFile, name: str, folder: Path) -> DecodedTrack:
    """A recording of the cache, mapped into memory."""
    stored = pa.ipc.open_file(pa.memory_map(str(folder / f"{name}.arrow"))).read_all()
    tags = TrackTags(**json.loads(stored.schema.metadata[_TAGS]))
    return DecodedTrack(file, name, tags, stored.replace_schema_metadata(None))
