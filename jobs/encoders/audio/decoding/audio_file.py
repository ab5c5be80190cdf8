"""Decodes audio files: the excerpts that encoders hear, in channels or mixed to mono.

A file is decoded in blocks, so memory depends neither on its sample rate nor on its length. An
encoder calls `decode` and `jobs.encoders.audio.decoding.recording.decode` through
`jobs.encoders.content_decoding`, which bounds memory and time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from jobs.decoding.failure_reasons import ContentFailure, FailureReason, check_size
from jobs.encoders import content_decoding
from jobs.encoders.audio.decoding import stream
from jobs.encoders.audio.decoding.content_kind import why_not_decoded
from jobs.encoders.audio.decoding.downmix import mix_down
from jobs.encoders.audio.decoding.downmix import preprocessing as downmix_preprocessing
from jobs.encoders.audio.decoding.spans import Excerpts, Span
from jobs.encoders.audio.decoding.stream import Blocks, Recording, open_recording

SAMPLE_RATE_HZ = 16_000
MIN_S = 0.5  # shorter audio holds neither a beat nor a phrase
MAX_FILE_BYTES = 512 * 2**20  # 50 minutes of uncompressed CD; a worker holds the whole file
MAX_PEAK = 100.0  # 40 dB above full scale: floats that are scaled as integers, or no audio
SILENT_BELOW = 1e-6  # root mean square: -120 dB

_ROOM_RATIO, _ROOM_SAMPLES = 1.001, 1024  # a resampler rounds the length of each stretch


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """The excerpts of a recording.

    Attributes:
        channels: all decoded samples, shape (n_samples, n_channels). Samples of an integer format
            are in [-1, 1]; those of a float format may exceed it.
        rate_hz: their sample rate.
        first: the beginning, within `channels`.
        windows: the windows, within `channels`.
    """

    channels: NDArray[np.float32]
    rate_hz: int
    first: Span
    windows: list[Span]


def decode(
    content: bytes, max_audio_s: float, sample_rate_hz: int = SAMPLE_RATE_HZ
) -> NDArray[np.float32]:
    """Mono samples at `sample_rate_hz` without a DC offset, shape (n_samples,).

    Args:
        content: a whole file in any format that libsndfile reads (FLAC, OGG, MP3, WAV, ...).
        max_audio_s: of a longer recording, only this many seconds around its middle are decoded,
            or its first ones when the file does not say how long it is, or not truly.
        sample_rate_hz: the rate that the samples are resampled to.

    Raises:
        ContentFailure: as `decode_excerpts` and `mono`.
    """
    middle = Excerpts(first_s=0, windows_s=max_audio_s, n_windows=1)
    return mono(decode_excerpts(content, middle, sample_rate_hz).channels)


def decode_excerpts(content: bytes, excerpts: Excerpts, rate_hz: int) -> DecodedAudio:
    """The excerpts of a file, each frame decoded once.

    Args:
        content: as for `decode`.
        excerpts: what is wanted.
        rate_hz: the sample rate to resample to.

    Raises:
        ContentFailure: the bytes are empty, unreadable, too large, too short, or hold samples that
            no recording has.
    """
    if not content:
        raise ContentFailure(FailureReason.EMPTY, "the file holds no byte")
    check_size(len(content), MAX_FILE_BYTES)
    try:
        return _resampled(open_recording(content, excerpts), excerpts, rate_hz)
    except soundfile.LibsndfileError as error:
        detail = why_not_decoded(content) or f"libsndfile: {error.error_string}"
        raise ContentFailure(FailureReason.UNREADABLE, detail) from error


def mono(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The channels mixed to one without a DC offset, shape (n_samples,).

    Raises:
        ContentFailure: nothing is to be heard.
    """
    mixed = mix_down(channels)
    mixed -= mixed.mean(dtype=np.float64)  # inaudible, and no part of the loudness
    if np.sqrt(np.mean(np.square(mixed, dtype=np.float64))) < SILENT_BELOW:
        raise ContentFailure(FailureReason.SILENT, f"{len(mixed)} samples without any sound")
    return mixed


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 6,  # raise it when code of this module, stream.py or spans.py changes samples
        "min_s": MIN_S,
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


def _resampled(recording: Recording, excerpts: Excerpts, to_hz: int) -> DecodedAudio:
    """The excerpts at another rate.

    Raises:
        ContentFailure: no sample, too few, or such that no recording has.
    """
    room = int(excerpts.max_frames(to_hz) * _ROOM_RATIO) + _ROOM_SAMPLES
    samples = np.empty((room, recording.n_channels), np.float32)
    n_frames = n_samples = 0
    parts: list[_Part] = []
    for first_frame, blocks in recording.stretches:
        frames, end = _resample_into(samples, n_samples, blocks, recording.rate_hz, to_hz)
        parts.append(_Part(first_frame, n_samples, end))
        n_frames, n_samples = n_frames + frames, end
    if n_frames == 0:
        raise ContentFailure(FailureReason.EMPTY, "the file holds no sample")
    if n_frames < MIN_S * recording.rate_hz:
        raise ContentFailure(
            FailureReason.TOO_SHORT,
            f"{n_frames / recording.rate_hz:.3f} s of audio, at least {MIN_S} s needed",
        )
    length = recording.n_frames or n_frames
    ratio = to_hz / recording.rate_hz
    return DecodedAudio(
        samples[:n_samples],
        to_hz,
        _within(parts, excerpts.first(length, recording.rate_hz), ratio),
        [_within(parts, one, ratio) for one in excerpts.windows(length, recording.rate_hz)],
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Where a stretch of a file lies: its first frame, and its samples `start` to `end`."""

    first_frame: int
    start: int
    end: int


def _within(parts: Sequence[_Part], span: Span, ratio: float) -> Span:
    """The samples of a span of frames, which lies in one part; `ratio` is samples per frame."""
    holding = [part for part in parts if part.first_frame <= span.start]
    if not holding:  # an empty beginning, before the first window
        return Span(0, 0)
    part = holding[-1]
    start, end = (
        min(part.start + round((edge - part.first_frame) * ratio), part.end)
        for edge in (span.start, span.end)
    )
    return Span(start, end)


def _resample_into(
    samples: NDArray[np.float32], start: int, blocks: Blocks, from_hz: int, to_hz: int
) -> tuple[int, int]:
    """Write the blocks at another rate to `samples` from `start`; frames read, and the end."""
    resampler = soxr.ResampleStream(from_hz, to_hz, samples.shape[1], dtype="float32")
    n_frames, end = 0, start
    lowest, highest = (np.full(samples.shape[1], edge, np.float32) for edge in (np.inf, -np.inf))

    def write(chunk: NDArray[np.float32]) -> int:
        samples[end : end + len(chunk)] = chunk
        return end + len(chunk)

    for block in blocks:
        check_samples(block)
        n_frames += len(block)
        lowest, highest = np.minimum(lowest, block.min(0)), np.maximum(highest, block.max(0))
        end = write(resampler.resample_chunk(block))
    ending = np.empty((0, samples.shape[1]), np.float32)
    end = write(resampler.resample_chunk(ending, last=True))
    # A resampler makes a sound of the edges of a constant offset, which is none.
    samples[start:end, highest - lowest < SILENT_BELOW] = 0
    return n_frames, end


def check_samples(block: NDArray[np.float32]) -> None:
    """Refuse samples that no recording has.

    Raises:
        ContentFailure: a sample is no number, or far above full scale.
    """
    peak = float(np.abs(block).max(initial=0.0))
    if not np.isfinite(peak):
        raise ContentFailure(FailureReason.NOT_FINITE, "the file holds samples that are no numbers")
    if peak > MAX_PEAK:
        raise ContentFailure(
            FailureReason.OUT_OF_RANGE,
            f"a sample of {peak:g} times full scale, at most {MAX_PEAK:g}; "
            "are floats scaled as integers?",
        )
