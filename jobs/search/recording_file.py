"""Decodes an audio file on disk for a search, as a night decodes those of the catalogue."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.decoding.failure_reasons import ContentFailure, check_size
from jobs.encoders.audio.decoding.audio_file import MAX_FILE_BYTES, MIN_S, SAMPLE_RATE_HZ
from jobs.encoders.audio.decoding.recording import Recording
from jobs.encoders.audio.descriptors import signal
from jobs.encoders.audio.spectrograms import htcl_mel
from jobs.encoders.content_decoding import decode_all_apart

if TYPE_CHECKING:
    from feature_store.settings import Settings


class UnusableRecordingError(ValueError):
    """The file is no recording that a night would take."""


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """A recording that need not be in the catalogue.

    Attributes:
        content: the file's bytes.
        content_hash: their SHA-256, as core_tracks.audio_hash.
        log_mel: its spectrogram, as feat_mel.log_mel.
        mel_version: the encoder identity of the spectrogram.
        heard_s: seconds that the spectrogram covers, from the beginning.
        is_longer: whether the recording goes on after them, as far as that can be told.
        tempo_bpm: as feat_audio.tempo_bpm; None without a pulse.
    """

    path: Path
    content: bytes
    content_hash: str
    log_mel: bytes
    mel_version: str
    heard_s: float
    is_longer: bool
    tempo_bpm: float | None


def read_recording(settings: Settings, path: Path) -> RecordingFile:
    """Decode a file in the decoder's process, with the excerpts of the settings.

    Equal bytes have the spectrogram that the night made of them.

    Args:
        settings: which windows are decoded besides the beginning.
        path: of a file.

    Raises:
        UnusableRecordingError: it is empty, too large, no audio, too short or silent, or it cannot
            be read.
    """
    encoders = settings.encoders
    excerpts = htcl_mel.CLIP_S, encoders.max_audio_s, encoders.audio_windows
    try:
        _check_kind(path)
        check_size(path.stat().st_size, MAX_FILE_BYTES)
        content = path.read_bytes()
        arrays = decode_all_apart("recording_excerpts", content, SAMPLE_RATE_HZ, *excerpts)
        recording = Recording.of(arrays)
        first = recording.first
    except OSError as error:
        raise UnusableRecordingError(f"{path}: it cannot be read: {error.strerror}") from error
    except ContentFailure as failure:
        raise UnusableRecordingError(
            f"{path}: {failure}; name a file of FLAC, MP3, Ogg, WAV or AIFF with {MIN_S} s of "
            f"sound or more in its first {htcl_mel.CLIP_S:.0f} s"
        ) from failure
    log_mel, _ = htcl_mel.clip_features(first)
    clip_samples = round(htcl_mel.CLIP_S * SAMPLE_RATE_HZ)
    return RecordingFile(
        path=path,
        content=content,
        content_hash=hashlib.sha256(content).hexdigest(),
        log_mel=log_mel,
        mel_version=str(htcl_mel.identity()),
        heard_s=min(len(first), clip_samples) / SAMPLE_RATE_HZ,
        is_longer=len(first) >= clip_samples,
        tempo_bpm=_tempo_bpm(recording),
    )


def _check_kind(path: Path) -> None:
    """Refuse what is no file of a known size: a folder, or a device or pipe that may never end.

    Raises:
        UnusableRecordingError: it is one.
        OSError: it cannot be looked at.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise UnusableRecordingError(f"{path}: it is a folder; name a file in it")
    if not stat.S_ISREG(mode):
        raise UnusableRecordingError(
            f"{path}: it is a device or a pipe, not a file; store what comes from it in a file"
        )


def _tempo_bpm(recording: Recording) -> float | None:
    """The tempo of the windows, in which there may be no sound."""
    try:
        return signal.measure(recording.windows).tempo_bpm
    except ContentFailure:
        return None
