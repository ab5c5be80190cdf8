"""Key and mode of a recording, by correlation with key profiles.

Krumhansl and Schmuckler's method (Krumhansl 1990, "Cognitive foundations of musical pitch",
chapter 4): the share of each of the twelve pitch classes is correlated with how well listeners
find that each fits a key. The shares come from peaks of the spectrum, after the tuning of the
recording has been estimated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.audio.decoding.audio_file import SAMPLE_RATE_HZ

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MODES = ("major", "minor")
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
"""Krumhansl and Kessler 1982, ratings from the tonic upwards."""

FFT_SAMPLES, HOP_SAMPLES = 8192, 4096  # bins of 2 Hz: semitones are told apart from 65 Hz on
LOWEST_HZ, HIGHEST_HZ = 65.0, 2100.0  # C2 to C7
PEAK_RATIO = 0.01  # of the highest peak in a frame; weaker ones are noise
A4_HZ = 440.0
MIN_CORRELATION = 0.5


@dataclass(frozen=True, slots=True)
class Key:
    """A key; `confidence` is its correlation less that of the next best key, 0..1."""

    tonic: str
    mode: str
    confidence: float


def find_key(windows: Sequence[NDArray[np.float32]]) -> Key | None:
    """The key of a recording's windows, mono at 16 kHz; None when no profile fits."""
    shares = pitch_class_shares(windows)
    if shares is None:
        return None
    correlations = np.asarray(
        [
            np.corrcoef(shares, np.roll(PROFILES[mode], tonic))[0, 1]
            for mode in MODES
            for tonic in range(len(PITCH_CLASSES))
        ]
    )
    *_, second, best = np.argsort(correlations, kind="stable")
    if not correlations[best] >= MIN_CORRELATION:  # NaN, when all shares are equal
        return None
    mode, tonic = divmod(int(best), len(PITCH_CLASSES))
    margin = float(correlations[best] - correlations[second])
    return Key(PITCH_CLASSES[tonic], MODES[mode], min(margin, 1.0))


def pitch_class_shares(windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float64] | None:
    """Share of each pitch class from C upwards, shape (12,); None without any peak."""
    peaks = [_peaks(window) for window in windows]
    semitones = np.concatenate([one for one, _ in peaks])
    weights = np.concatenate([one for _, one in peaks])
    if not weights.sum():
        return None
    # The mean deviation from equal temperament, as an angle: 440 Hz may be 430 or 450.
    turns = np.exp(2j * np.pi * semitones)
    tuning = np.angle((weights * turns).sum()) / (2 * np.pi)
    classes = np.round(semitones - tuning).astype(np.int64) % len(PITCH_CLASSES)
    counted = np.bincount(classes, weights, minlength=len(PITCH_CLASSES))
    return np.asarray(counted / counted.sum())


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 1,  # raise it when code of this module changes its output
        "profiles": PROFILES,
        "spectrum": [FFT_SAMPLES, HOP_SAMPLES, LOWEST_HZ, HIGHEST_HZ, PEAK_RATIO],
        "min_correlation": MIN_CORRELATION,
    }


def _peaks(samples: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Semitones above C of the spectral peaks of all frames, and the peaks' magnitudes.

    A frame's magnitudes add up to 1, so that loud passages do not decide the key alone.
    """
    padded = np.pad(samples, (0, max(0, FFT_SAMPLES - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
    magnitudes = np.abs(np.fft.rfft(frames * np.hanning(FFT_SAMPLES), axis=1))
    before, at, after = magnitudes[:, :-2], magnitudes[:, 1:-1], magnitudes[:, 2:]
    bins = np.arange(1, magnitudes.shape[1] - 1)
    bin_hz = SAMPLE_RATE_HZ / FFT_SAMPLES
    in_range = (bins * bin_hz >= LOWEST_HZ) & (bins * bin_hz <= HIGHEST_HZ)
    loudest = np.where(in_range, at, 0).max(axis=1, keepdims=True)
    is_peak = in_range & (at > before) & (at >= after) & (at > PEAK_RATIO * loudest)
    frame, column = np.nonzero(is_peak)
    low, mid, high = (side[frame, column] for side in (before, at, after))
    offset = 0.5 * (low - high) / (low - 2 * mid + high)  # of the parabola through the three
    hz = (bins[column] + offset) * bin_hz
    sums = np.bincount(frame, mid, minlength=len(frames))
    return 12 * np.log2(hz / A4_HZ) + PITCH_CLASSES.index("A"), mid / sums[frame]
