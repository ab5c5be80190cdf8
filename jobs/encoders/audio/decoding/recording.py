"""Decodes a recording once for all that is computed from it, and measures its loudness.

`decode` runs in the decoder's process and gives arrays; `Recording.of` takes them in the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.audio.decoding import audio_file, stream
from jobs.encoders.audio.decoding.audio_file import SAMPLE_RATE_HZ
from jobs.encoders.audio.decoding.loudness import Loudness, LoudnessMeter
from jobs.encoders.audio.decoding.spans import Excerpts, Span

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recording:
    """The excerpts of one recording, each mixed to mono, at SAMPLE_RATE_HZ.

    Attributes:
        loudness: of the whole recording, measured before it was mixed.
    """

    _windows: list[Samples]
    _encoder_windows: list[Samples]
    _first: Samples
    loudness: Loudness

    @classmethod
    def of(cls, arrays: tuple[NDArray[Any], ...]) -> Recording:
        """The recording from what `decode` gave."""
        windows, lengths, encoder_windows, encoder_lengths, first, measures = arrays
        at_rate = _split(windows, lengths)
        other = _split(encoder_windows, encoder_lengths) if len(encoder_lengths) else at_rate
        return cls(at_rate, other, first, Loudness.of(measures))

    @property
    def windows(self) -> list[Samples]:
        """The windows, each of shape (n_samples,).

        Raises:
            ContentFailure: all are silent; the beginning may not be.
        """
        return _heard(self._windows, "the windows hold no sound")

    @property
    def encoder_windows(self) -> list[Samples]:
        """The windows at the encoder's sample rate, each of shape (n_samples,).

        Raises:
            ContentFailure: all are silent; the beginning may not be.
        """
        return _heard(self._encoder_windows, "the windows hold no sound")

    @property
    def first(self) -> Samples:
        """The beginning, shape (n_samples,).

        Raises:
            ContentFailure: it is silent, or was not wanted; the windows may hold sound.
        """
        return _heard([self._first], "the beginning holds no sound")[0]


def decode(
    content: bytes, encoder_hz: float, first_s: float, windows_s: float, n_windows: float
) -> tuple[NDArray[Any], ...]:
    """Windows and their lengths, at both rates; the beginning; the loudness: for `Recording.of`.

    What is silent has length 0: it is a fault of what is computed from it alone. The windows at
    another rate than SAMPLE_RATE_HZ come from the file, so those at that rate depend on no encoder.

    Args:
        content: a whole file in any format that libsndfile reads.
        encoder_hz: sample rate of the encoder.
        first_s: as in `Excerpts`.
        windows_s: as in `Excerpts`.
        n_windows: as in `Excerpts`.

    Raises:
        ContentFailure: as `audio_file.decode_excerpts`.
    """
    excerpts = _excerpts(content, encoder_hz, first_s, windows_s, n_windows)
    return *excerpts, _loudness(content).to_array()


def decode_without_loudness(
    content: bytes, encoder_hz: float, first_s: float, windows_s: float, n_windows: float
) -> tuple[NDArray[Any], ...]:
    """The same excerpts as `decode` gives, without the loudness, which reads the whole file.

    Of two hours of MP3 the loudness takes nine tenths of the time.

    Raises:
        ContentFailure: as `audio_file.decode_excerpts`.
    """
    excerpts = _excerpts(content, encoder_hz, first_s, windows_s, n_windows)
    return *excerpts, Loudness(None, None, None).to_array()


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the identity of whatever is computed from a recording."""
    return {
        "revision": 2,  # raise it when code of this module changes samples
        "audio_file": audio_file.preprocessing(),
    }


def _excerpts(
    content: bytes, encoder_hz: float, first_s: float, windows_s: float, n_windows: float
) -> tuple[NDArray[Any], ...]:
    """What `decode` gives, but for the loudness."""
    excerpts = Excerpts(first_s, windows_s, int(n_windows))
    decoded = audio_file.decode_excerpts(content, excerpts, SAMPLE_RATE_HZ)
    windows, lengths = _mixed(decoded.channels, decoded.windows)
    first = windows
    if decoded.windows != [decoded.first]:
        first = _mono_or_nothing(decoded.channels[decoded.first.start : decoded.first.end])
    encoder_windows, encoder_lengths = windows[:0], lengths[:0]
    if encoder_hz != SAMPLE_RATE_HZ:
        alone = Excerpts(0, windows_s, int(n_windows))
        decoded = audio_file.decode_excerpts(content, alone, int(encoder_hz))
        encoder_windows, encoder_lengths = _mixed(decoded.channels, decoded.windows)
    return windows, lengths, encoder_windows, encoder_lengths, first


def _mixed(channels: Samples, spans: Sequence[Span]) -> tuple[Samples, NDArray[np.int64]]:
    """The windows mixed together, so that they keep their levels, and the length of each."""
    windows = [channels[span.start : span.end] for span in spans]
    mono = _mono_or_nothing(windows[0] if len(windows) == 1 else np.concatenate(windows))
    lengths = [len(window) if len(mono) else 0 for window in windows]
    return mono, np.asarray(lengths, np.int64)


def _mono_or_nothing(channels: Samples) -> Samples:
    """An excerpt mixed to mono, or nothing if it is silent or was not wanted."""
    if not len(channels):
        return channels[:, 0]
    try:
        return audio_file.mono(channels)
    except ContentFailure:
        return channels[:0, 0]


def _loudness(content: bytes) -> Loudness:
    whole = stream.open_whole(content)
    meter = LoudnessMeter(
        whole.n_channels, whole.rate_hz, is_low_frequency_last=whole.is_low_frequency_last
    )
    for block in whole.blocks:
        audio_file.check_samples(block)
        meter.update(block)
    return meter.result()


def _split(samples: Samples, lengths: NDArray[np.int64]) -> list[Samples]:
    return np.split(samples, np.cumsum(lengths)[:-1])


def _heard(excerpts: list[Samples], otherwise: str) -> list[Samples]:
    if not any(map(len, excerpts)):
        raise ContentFailure(FailureReason.SILENT, otherwise)
    return excerpts
