"""Decodes audio files to mono samples: decode, take the middle, mix down, resample."""

from __future__ import annotations

import io

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from jobs.encoders.failure_reasons import ContentFailure, FailureReason

SAMPLE_RATE_HZ = 16_000
MIN_S = 0.5  # shorter audio holds neither a beat nor a phrase


def decode(
    content: bytes, max_audio_s: float, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> NDArray[np.float32]:
    """Mono samples in [-1, 1] at `sample_rate_hz`, shape (n_samples,).

    Args:
        content: a whole file in any format that libsndfile reads (FLAC, OGG, MP3, WAV, ...).
        max_audio_s: of a longer recording, only this many seconds around its middle are decoded.
        sample_rate_hz: the rate that the samples are resampled to.

    Raises:
        ContentFailure: the bytes are empty, unreadable or too short, or hold non-finite samples.
    """
    if not content:
        raise ContentFailure(FailureReason.EMPTY, "the file holds no byte")
    try:
        channels, rate_hz = _middle(content, max_audio_s)
    except soundfile.LibsndfileError as error:
        raise ContentFailure(
            FailureReason.UNREADABLE, f"libsndfile: {error.error_string}"
        ) from error
    if len(channels) == 0:
        raise ContentFailure(FailureReason.EMPTY, "the file holds no sample")
    if len(channels) < MIN_S * rate_hz:
        raise ContentFailure(
            FailureReason.TOO_SHORT,
            f"{len(channels) / rate_hz:.3f} s of audio, at least {MIN_S} s needed",
        )
    if not np.isfinite(channels).all():
        raise ContentFailure(FailureReason.NOT_FINITE, "the file holds samples that are no numbers")
    mono = channels.mean(axis=1)  # (n_frames, n_channels) -> (n_frames,)
    return np.asarray(soxr.resample(mono, rate_hz, sample_rate_hz), dtype=np.float32)


def preprocessing(max_audio_s: float) -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 1,  # raise it when code of this module changes samples
        "max_audio_s": max_audio_s,
        "min_s": MIN_S,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "resampler": f"soxr {soxr.__version__} HQ",
        "decoder": soundfile.__libsndfile_version__,
    }


def _middle(content: bytes, max_audio_s: float) -> tuple[NDArray[np.float32], int]:
    """Samples around the middle, shape (n_frames, n_channels), and the sample rate in Hz."""
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        n_frames = min(file.frames, round(max_audio_s * file.samplerate))
        file.seek((file.frames - n_frames) // 2)
        return file.read(n_frames, dtype="float32", always_2d=True), file.samplerate
