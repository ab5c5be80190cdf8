"""Decodes audio files to mono samples: decode, take the middle, resample, mix down.

A file is decoded in blocks, so memory depends neither on its sample rate nor on its length. An
encoder calls `decode` through `jobs.encoders.content_decoding`, which bounds memory and time.
"""

from __future__ import annotations

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from jobs.decoding.failure_reasons import ContentFailure, FailureReason, check_size
from jobs.encoders import content_decoding
from jobs.encoders.audio import stream
from jobs.encoders.audio.downmix import mix_down
from jobs.encoders.audio.downmix import preprocessing as downmix_preprocessing
from jobs.encoders.audio.stream import Recording, open_recording

SAMPLE_RATE_HZ = 16_000
MIN_S = 0.5  # shorter audio holds neither a beat nor a phrase
MAX_FILE_BYTES = 512 * 2**20  # 50 minutes of uncompressed CD; a worker holds the whole file
MAX_PEAK = 100.0  # 40 dB above full scale: floats that are scaled as integers, or no audio
SILENT_BELOW = 1e-6  # root mean square: -120 dB


def decode(
    content: bytes, max_audio_s: float, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> NDArray[np.float32]:
    """Mono samples at `sample_rate_hz` without a DC offset, shape (n_samples,).

    Samples of an integer format are in [-1, 1]; those of a float format may exceed it.

    Args:
        content: a whole file in any format that libsndfile reads (FLAC, OGG, MP3, WAV, ...).
        max_audio_s: of a longer recording, only this many seconds around its middle are decoded,
            or its first ones when the file does not say how long it is, or not truly.
        sample_rate_hz: the rate that the samples are resampled to.

    Raises:
        ContentFailure: the bytes are empty, unreadable, too large, too short, silent, or hold
            samples that no recording has.
    """
    if not content:
        raise ContentFailure(FailureReason.EMPTY, "the file holds no byte")
    check_size(len(content), MAX_FILE_BYTES)
    try:
        channels = _resampled(open_recording(content, max_audio_s), sample_rate_hz)
    except soundfile.LibsndfileError as error:
        raise ContentFailure(
            FailureReason.UNREADABLE, f"libsndfile: {error.error_string}"
        ) from error
    mono = mix_down(channels)
    mono -= mono.mean(dtype=np.float64)  # inaudible, and no part of the loudness
    if np.sqrt(np.mean(np.square(mono, dtype=np.float64))) < SILENT_BELOW:
        raise ContentFailure(FailureReason.SILENT, f"{len(mono)} samples without any sound")
    return mono


def preprocessing(max_audio_s: float) -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 2,  # raise it when code of this module or of stream.py changes samples
        "max_audio_s": max_audio_s,
        "min_s": MIN_S,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "resampler": f"soxr {soxr.__version__} HQ",
        "decoder": soundfile.__libsndfile_version__,
        "downmix": downmix_preprocessing(),
        "limits": {
            "process": content_decoding.limits(),
            "file_bytes": MAX_FILE_BYTES,
            "peak": MAX_PEAK,
            "silent_below": SILENT_BELOW,
            "stream": stream.limits(),
        },
    }


def _resampled(recording: Recording, to_hz: int) -> NDArray[np.float32]:
    """The recording at another rate, shape (n_frames, n_channels).

    Raises:
        ContentFailure: no sample, too few, or such that no recording has.
    """
    rate_hz, n_channels = recording.rate_hz, recording.n_channels
    resampler = soxr.ResampleStream(rate_hz, to_hz, n_channels, dtype="float32")
    chunks: list[NDArray[np.float32]] = []
    n_frames = 0
    for block in recording.blocks:
        _check_samples(block)
        n_frames += len(block)
        chunks.append(resampler.resample_chunk(block))
    if n_frames == 0:
        raise ContentFailure(FailureReason.EMPTY, "the file holds no sample")
    if n_frames < MIN_S * rate_hz:
        raise ContentFailure(
            FailureReason.TOO_SHORT,
            f"{n_frames / rate_hz:.3f} s of audio, at least {MIN_S} s needed",
        )
    ending = np.empty((0, n_channels), np.float32)
    return np.concatenate([*chunks, resampler.resample_chunk(ending, last=True)])


def _check_samples(block: NDArray[np.float32]) -> None:
    peak = float(np.abs(block).max())
    if not np.isfinite(peak):
        raise ContentFailure(FailureReason.NOT_FINITE, "the file holds samples that are no numbers")
    if peak > MAX_PEAK:
        raise ContentFailure(
            FailureReason.OUT_OF_RANGE,
            f"a sample of {peak:g} times full scale, at most {MAX_PEAK:g}; "
            "are floats scaled as integers?",
        )
