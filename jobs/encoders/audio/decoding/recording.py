"""Decodes a recording once for all that is computed from it, and measures its loudness.

`decode` runs in the decoder's process and gives arrays; `Recording.of` takes them in the worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.audio.decoding import audio_file, loudness
from jobs.encoders.audio.decoding.audio_file import SAMPLE_RATE_HZ
from jobs.encoders.audio.decoding.loudness import Loudness
from jobs.encoders.audio.decoding.spans import Excerpts
from jobs.encoders.audio.decoding.stream import Recording as Stream

MAX_RATE_HZ = 48_000  # of what is kept; half of it is above what people hear
MAX_CHANNELS_AT_RATE = 8  # 7.1; more channels are kept at 16 kHz, or they would not fit in memory


@dataclass(frozen=True, slots=True)
class Recording:
    """The excerpts of one recording, each mixed to mono.

    Attributes:
        rate_hz: of the samples, at most MAX_RATE_HZ.
        windows: the windows, each of shape (n_samples,); empty when all are silent.
        first: the beginning, shape (n_samples,); empty when it was not wanted, or is silent.
        loudness: of all that was decoded, measured before it was mixed.
    """

    rate_hz: int
    windows: list[NDArray[np.float32]]
    first: NDArray[np.float32]
    loudness: Loudness

    @classmethod
    def of(cls, arrays: tuple[NDArray[Any], ...]) -> Recording:
        """The recording from what `decode` gave."""
        windows, first, lengths, measures = arrays
        rate_hz, *window_lengths = map(int, lengths)
        ends = np.cumsum(window_lengths)[:-1]
        return cls(rate_hz, np.split(windows, ends), first, Loudness.of(measures))

    def windows_at(self, rate_hz: int) -> list[NDArray[np.float32]]:
        """The samples of each window at another rate.

        Raises:
            ContentFailure: all are silent; the beginning may not be.
        """
        if not any(map(len, self.windows)):
            raise ContentFailure(FailureReason.SILENT, "the windows hold no sound")
        return [self._resampled(window, rate_hz) for window in self.windows]

    def first_at(self, rate_hz: int) -> NDArray[np.float32]:
        """The samples of the beginning at another rate.

        Raises:
            ContentFailure: it is silent; the windows may not be.
        """
        if not len(self.first):
            raise ContentFailure(FailureReason.SILENT, "the beginning holds no sound")
        return self._resampled(self.first, rate_hz)

    def _resampled(self, samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
        resampled: NDArray[np.float32] = soxr.resample(samples, self.rate_hz, rate_hz)
        return resampled


def decode(
    content: bytes, first_s: float, windows_s: float, n_windows: float
) -> tuple[NDArray[Any], ...]:
    """Samples of the windows and of the beginning, the rate and lengths, and the loudness.

    They are for `Recording.of`. What is silent has length 0: it is a fault of what is computed from
    it alone. The loudness is that of the beginning and the windows together:
    where they cover a recording, it is the whole recording's.

    Args:
        content: a whole file in any format that libsndfile reads.
        first_s: as in `Excerpts`.
        windows_s: as in `Excerpts`.
        n_windows: as in `Excerpts`.

    Raises:
        ContentFailure: as `audio_file.decode_excerpts`.
    """
    excerpts = Excerpts(first_s, windows_s, int(n_windows))
    decoded = audio_file.decode_excerpts(content, excerpts, _kept_rate_hz)
    windows = [decoded.channels[window.start : window.end] for window in decoded.windows]
    heard = windows[0] if len(windows) == 1 else np.concatenate(windows)
    mono = _mono_or_nothing(heard)
    lengths = [len(window) if len(mono) else 0 for window in windows]
    return (
        mono,
        _mono_or_nothing(decoded.channels[decoded.first.start : decoded.first.end]),
        np.asarray([decoded.rate_hz, *lengths], np.int64),
        loudness.measure(decoded.channels, decoded.rate_hz).to_array(),
    )


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the identity of whatever is computed from a recording."""
    return {
        "revision": 2,  # raise it when code of this module changes samples
        "audio_file": audio_file.preprocessing(),
        "kept": [MAX_RATE_HZ, MAX_CHANNELS_AT_RATE],
    }


def _mono_or_nothing(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """An excerpt mixed to mono, or nothing if it is silent or was not wanted."""
    if not len(channels):
        return channels[:, 0]
    try:
        return audio_file.mono(channels)
    except ContentFailure:
        return channels[:0, 0]


def _kept_rate_hz(stream: Stream) -> int:
    if stream.n_channels > MAX_CHANNELS_AT_RATE:
        return min(stream.rate_hz, SAMPLE_RATE_HZ)
    return min(stream.rate_hz, MAX_RATE_HZ)
