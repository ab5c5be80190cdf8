"""Loudness, tempo and onset rate by signal processing.

Onsets are peaks of the spectral flux, the rise of the log-mel spectrogram. The tempo is the period
with the highest autocorrelation of the flux, weighted by a prior over tempo: a Gaussian over
octaves around 120 bpm, as in Ellis 2007, "Beat tracking by dynamic programming". A pulse above
170 bpm is therefore reported as its half, and one below 60 with onsets in between as its double.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.audio.audio_file import SAMPLE_RATE_HZ
from jobs.encoders.audio.mel import FRAMES_PER_S, log_mel

SILENCE_DB = -120.0  # floor for digital silence, whose level has no logarithm
SLOWEST_BPM, FASTEST_BPM = 40.0, 220.0
PRIOR_BPM, PRIOR_OCTAVES = 120.0, 0.9  # mean and standard deviation of the tempo prior
MIN_CORRELATION = 0.2  # 150 draws of 9 s of noise: under .19; 10 pieces of music: at least .26
ONSET_REACH_FRAMES = 3  # an onset has the highest flux within 48 ms on either side
ONSET_SURROUNDINGS_FRAMES = 31  # and exceeds the mean of the half second around it
ONSET_RISE = 0.05  # by this much, in log10 of power, mean over bands


@dataclass(frozen=True, slots=True)
class SignalMeasures:
    """Measures of a recording; `tempo_bpm` is None without a repeating pulse."""

    loudness_db: float
    tempo_bpm: float | None
    onset_rate_hz: float
    decoded_s: float


def measure(samples: NDArray[np.float32]) -> SignalMeasures:
    """Measure mono samples in [-1, 1] at 16 kHz, shape (n_samples,)."""
    flux = onset_flux(log_mel(samples))
    decoded_s = len(samples) / SAMPLE_RATE_HZ
    return SignalMeasures(
        loudness_db=loudness_db(samples),
        tempo_bpm=tempo_bpm(flux),
        onset_rate_hz=count_onsets(flux) / decoded_s,
        decoded_s=decoded_s,
    )


def loudness_db(samples: NDArray[np.float32]) -> float:
    """Root mean square in dB relative to full scale; a full-scale square wave has 0 dB."""
    mean_square = float(np.mean(np.square(samples, dtype=np.float64)))
    floor = 10 ** (SILENCE_DB / 10)
    return float(10 * np.log10(max(mean_square, floor)))


def onset_flux(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Spectral flux: rises since the frame before, mean over bands, shape (n_frames,).

    Args:
        frames: log-mel, (n_frames, bands). The first frame has flux 0.
    """
    rises = np.maximum(0, np.diff(frames, axis=0)).mean(axis=1, dtype=np.float64)
    return np.concatenate([[0.0], rises])


def tempo_bpm(flux: NDArray[np.float64]) -> float | None:
    """Most likely tempo of a flux at `FRAMES_PER_S`; None when no period repeats clearly."""
    correlation = _autocorrelation(flux)
    lags = np.arange(len(correlation))
    is_candidate = (lags >= 60 * FRAMES_PER_S / FASTEST_BPM) & (
        lags <= 60 * FRAMES_PER_S / SLOWEST_BPM
    )
    is_candidate &= lags < len(correlation) - 1  # _peak_offset needs a neighbour on both sides
    if not is_candidate.any():
        return None
    candidates = lags[is_candidate]
    octaves = np.log2(60 * FRAMES_PER_S / candidates / PRIOR_BPM)
    prior = np.exp(-0.5 * (octaves / PRIOR_OCTAVES) ** 2)
    best = int(candidates[np.argmax(correlation[is_candidate] * prior)])
    if correlation[best] < MIN_CORRELATION:
        return None
    return float(60 * FRAMES_PER_S / (best + _peak_offset(*correlation[best - 1 : best + 2])))


def count_onsets(flux: NDArray[np.float64]) -> int:
    """Number of frames whose flux is the highest nearby and clearly above its surroundings."""
    nearby = _windows(flux, 2 * ONSET_REACH_FRAMES + 1)
    around = _windows(flux, ONSET_SURROUNDINGS_FRAMES).mean(axis=1)
    is_highest = flux >= nearby.max(axis=1)
    return int(np.count_nonzero(is_highest & (flux > around + ONSET_RISE)))


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 1,  # raise it when code of this module changes its output
        "tempo": [SLOWEST_BPM, FASTEST_BPM, PRIOR_BPM, PRIOR_OCTAVES, MIN_CORRELATION],
        "onsets": [ONSET_REACH_FRAMES, ONSET_SURROUNDINGS_FRAMES, ONSET_RISE],
    }


def _autocorrelation(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    """Autocorrelation of the flux at lags up to half its length; all 0 for constant flux."""
    centred = flux - flux.mean()
    n_frames = len(centred)
    spectrum = np.fft.rfft(centred, 2 * n_frames)  # zero padding: no circular overlap
    summed = np.fft.irfft(np.abs(spectrum) ** 2)[: n_frames // 2]
    if summed[0] <= np.finfo(np.float64).eps * n_frames:
        return np.zeros_like(summed)
    n_overlapping = n_frames - np.arange(len(summed))
    correlation: NDArray[np.float64] = summed / n_overlapping / (summed[0] / n_frames)
    return correlation


def _peak_offset(before: float, at: float, after: float) -> float:
    """Peak of the parabola through three neighbours, in steps from the middle one."""
    curvature = before - 2 * at + after
    if curvature >= 0:  # no peak: the best lag is at the border of the search range
        return 0.0
    return float(np.clip(0.5 * (before - after) / curvature, -0.5, 0.5))


def _windows(flux: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
    """Flux around each frame, zeros beyond the ends, shape (len(flux), n_frames)."""
    padded = np.pad(flux, n_frames // 2)
    return np.lib.stride_tricks.sliding_window_view(padded, n_frames)
