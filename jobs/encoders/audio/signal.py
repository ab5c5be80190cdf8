"""Loudness, tempo and onset rate, from plain signal processing.

Onsets are rises of the log-mel spectrogram (spectral flux). The tempo is the period at which the
flux resembles itself most, weighed by how often people tap at such a tempo: a bell over octaves
around 120 bpm, as in Ellis 2007, "Beat tracking by dynamic programming". A pulse above 170 bpm is
therefore reported as its half, and one below 60 with something in between as its double.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.audio.audio_file import SAMPLE_RATE_HZ
from jobs.encoders.audio.mel import FRAMES_PER_S, log_mel

SILENCE_DB = -120.0  # stated for digital silence, whose level has no logarithm
SLOWEST_BPM, FASTEST_BPM = 40.0, 220.0
LIKELY_BPM, LIKELY_OCTAVES = 120.0, 0.9  # centre and width of the bell
MIN_PULSE = 0.2  # 150 draws of 9 s of noise stayed under .19; 10 pieces of music began at .26
ONSET_REACH_FRAMES = 3  # an onset is the highest flux within 48 ms to either side
ONSET_SURROUNDINGS_FRAMES = 31  # and stands out from the half second around it
ONSET_RISE = 0.05  # by so much, in log10 of power, mean over bands


@dataclass(frozen=True, slots=True)
class Measures:
    """Simple measures of a recording; one without a repeating pulse has no tempo."""

    loudness_db: float
    tempo_bpm: float | None
    onset_rate_hz: float
    decoded_s: float


def measure(samples: NDArray[np.float32]) -> Measures:
    """Measure mono samples in [-1, 1] at 16 kHz, shape (n_samples,)."""
    flux = onset_flux(log_mel(samples))
    decoded_s = len(samples) / SAMPLE_RATE_HZ
    return Measures(
        loudness_db=loudness_db(samples),
        tempo_bpm=tempo_bpm(flux),
        onset_rate_hz=count_onsets(flux) / decoded_s,
        decoded_s=decoded_s,
    )


def loudness_db(samples: NDArray[np.float32]) -> float:
    """Root mean square in dB against full scale: a full-scale square wave has 0 dB."""
    mean_square = float(np.mean(np.square(samples, dtype=np.float64)))
    floor = 10 ** (SILENCE_DB / 10)
    return float(10 * np.log10(max(mean_square, floor)))


def onset_flux(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much louder the bands became since the frame before, mean over bands, shape (n_frames,).

    Args:
        frames: log-mel, (n_frames, bands). Nothing precedes the first, so its flux is 0.
    """
    rises = np.maximum(0, np.diff(frames, axis=0)).mean(axis=1, dtype=np.float64)
    return np.concatenate([[0.0], rises])


def tempo_bpm(flux: NDArray[np.float64]) -> float | None:
    """The likeliest tempo of a flux of `FRAMES_PER_S`; None where no period stands out."""
    correlation = _autocorrelation(flux)
    lags = np.arange(len(correlation))
    fits = (lags >= 60 * FRAMES_PER_S / FASTEST_BPM) & (lags <= 60 * FRAMES_PER_S / SLOWEST_BPM)
    fits &= lags < len(correlation) - 1  # the summit below needs a neighbour on both sides
    if not fits.any():
        return None
    candidates = lags[fits]
    octaves = np.log2(60 * FRAMES_PER_S / candidates / LIKELY_BPM)
    likelihood = np.exp(-0.5 * (octaves / LIKELY_OCTAVES) ** 2)
    best = int(candidates[np.argmax(correlation[fits] * likelihood)])
    if correlation[best] < MIN_PULSE:
        return None
    return float(60 * FRAMES_PER_S / (best + _summit_offset(*correlation[best - 1 : best + 2])))


def count_onsets(flux: NDArray[np.float64]) -> int:
    """Frames whose flux is the highest nearby and clearly above its surroundings."""
    nearby = _windows(flux, 2 * ONSET_REACH_FRAMES + 1)
    around = _windows(flux, ONSET_SURROUNDINGS_FRAMES).mean(axis=1)
    is_highest = flux >= nearby.max(axis=1)
    return int(np.count_nonzero(is_highest & (flux > around + ONSET_RISE)))


def preprocessing() -> dict[str, object]:
    """What decides these measures, for the identity of the row that they stand in."""
    return {
        "revision": 1,  # counts changes of the code above that change its output
        "tempo": [SLOWEST_BPM, FASTEST_BPM, LIKELY_BPM, LIKELY_OCTAVES, MIN_PULSE],
        "onsets": [ONSET_REACH_FRAMES, ONSET_SURROUNDINGS_FRAMES, ONSET_RISE],
    }


def _autocorrelation(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """The flux against itself at lags 0 to half its length; 1 at lag 0, all 0 if constant."""
    centred = flux - flux.mean()
    n_frames = len(centred)
    spectrum = np.fft.rfft(centred, 2 * n_frames)  # twice as long, so that ends do not meet
    summed = np.fft.irfft(np.abs(spectrum) ** 2)[: n_frames // 2]
    if summed[0] <= np.finfo(np.float64).eps * n_frames:
        return np.zeros_like(summed)
    n_overlapping = n_frames - np.arange(len(summed))
    correlation: NDArray[np.float64] = summed / n_overlapping / (summed[0] / n_frames)
    return correlation


def _summit_offset(before: float, at: float, after: float) -> float:
    """Where the parabola through three neighbours peaks, in steps from the middle one."""
    curvature = before - 2 * at + after
    if curvature >= 0:  # a slope or a plateau: the search ended at the border of its range
        return 0.0
    return float(np.clip(0.5 * (before - after) / curvature, -0.5, 0.5))


def _windows(flux: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
    """The flux around each frame, zeros beyond its ends, shape (len(flux), n_frames)."""
    padded = np.pad(flux, n_frames // 2)
    return np.lib.stride_tricks.sliding_window_view(padded, n_frames)
