"""Tempo, beats and onsets by signal processing.

Onsets are peaks of the spectral flux, the rise of the log-mel spectrogram. The tempo is the period
with the highest autocorrelation of the flux, weighted by a prior over tempo: a Gaussian over
octaves around 120 bpm, as in Ellis 2007, "Beat tracking by dynamic programming". A fast pulse may
therefore be reported as its half, and a slow one with onsets in between as its double. Beats are
that paper's, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.audio.spectrograms.musicnn_mel import FRAMES_PER_S

SLOWEST_BPM, FASTEST_BPM = 40.0, 220.0
PRIOR_BPM, PRIOR_OCTAVES = 120.0, 0.9  # mean and standard deviation of the tempo prior
MIN_CORRELATION = 0.2  # 10 pieces of music of a minute: at least .26
CORRELATION_OF_NOISE = 0.7  # by the root of the seconds; 150 draws each of 1 to 9 s stay below
ONSET_REACH_FRAMES = 3  # an onset has the highest flux within 48 ms on either side
ONSET_SURROUNDINGS_FRAMES = 31  # and exceeds the mean of the half second around it
ONSET_RISE = 0.05  # by this much, in log10 of power, mean over bands
TIGHTNESS = 400.0  # Ellis 2007: how much a beat at another interval than the tempo's costs
BEAT_REACH_FRAMES = 2  # flux within 32 ms of a beat belongs to it


@dataclass(frozen=True, slots=True)
class Pulse:
    """A tempo, the autocorrelation at its period, and the share of the flux on its beats."""

    tempo_bpm: float
    confidence: float
    beat_strength_ratio: float


def onset_flux(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Spectral flux: rises since the frame before, mean over bands, shape (n_frames,).

    Args:
        frames: log-mel, (n_frames, bands). The first frame has flux 0.
    """
    rises = np.maximum(0, np.diff(frames, axis=0)).mean(axis=1, dtype=np.float64)
    return np.concatenate([[0.0], rises])


def pulse(fluxes: Sequence[NDArray[np.float64]]) -> Pulse | None:
    """The pulse of a recording's windows; None when no period repeats clearly.

    Args:
        fluxes: flux of each window at `FRAMES_PER_S`. Their autocorrelations are averaged, each
            weighted by its length.
    """
    correlation = _mean_autocorrelation(fluxes)
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
    heard_s = sum(map(len, fluxes)) / FRAMES_PER_S
    if correlation[best] < max(MIN_CORRELATION, CORRELATION_OF_NOISE / math.sqrt(heard_s)):
        return None
    period = best + _peak_offset(*correlation[best - 1 : best + 2])
    return Pulse(
        float(60 * FRAMES_PER_S / period),
        float(np.clip(correlation[best], 0.0, 1.0)),
        _beat_strength(fluxes, period),
    )


def count_onsets(flux: NDArray[np.float64]) -> int:
    """Number of frames whose flux is the highest nearby and clearly above its surroundings."""
    nearby = _around(flux, 2 * ONSET_REACH_FRAMES + 1)
    around = _around(flux, ONSET_SURROUNDINGS_FRAMES).mean(axis=1)
    is_highest = flux >= nearby.max(axis=1)
    return int(np.count_nonzero(is_highest & (flux > around + ONSET_RISE)))


def beats(flux: NDArray[np.float64], period: float) -> NDArray[np.int64]:
    """Frames of the beats that best combine high flux and intervals of about one period.

    Ellis 2007, equation 4: the score of a beat is its flux, in standard deviations, plus the best
    score of a beat before it, less the squared logarithm of their interval in periods.

    Args:
        flux: shape (n_frames,).
        period: in frames.
    """
    n_frames = len(flux)
    strength = flux / max(float(flux.std()), np.finfo(np.float64).tiny)
    intervals = np.arange(round(period / 2), round(2 * period) + 1)
    costs = TIGHTNESS * np.log(intervals / period) ** 2
    scores, previous = strength.copy(), np.full(n_frames, -1, dtype=np.int64)
    for frame in range(int(intervals[0]), n_frames):
        reach = min(len(intervals), frame - int(intervals[0]) + 1)
        candidates = scores[frame - intervals[:reach]] - costs[:reach]
        best = int(candidates.argmax())
        if candidates[best] > 0:
            scores[frame] += candidates[best]
            previous[frame] = frame - intervals[best]
    found = [n_frames - 1 - int(scores[::-1][: round(period)].argmax())]
    while previous[found[-1]] >= 0:
        found.append(int(previous[found[-1]]))
    return np.asarray(found[::-1], dtype=np.int64)


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 3,  # raise it when code of this module changes its output
        "tempo": [SLOWEST_BPM, FASTEST_BPM, PRIOR_BPM, PRIOR_OCTAVES],
        "correlation": [MIN_CORRELATION, CORRELATION_OF_NOISE],
        "onsets": [ONSET_REACH_FRAMES, ONSET_SURROUNDINGS_FRAMES, ONSET_RISE],
        "beats": [TIGHTNESS, BEAT_REACH_FRAMES],
    }


def _beat_strength(fluxes: Sequence[NDArray[np.float64]], period: float) -> float:
    """Share of the flux within BEAT_REACH_FRAMES of a beat, 0..1."""
    on_beats = total = 0.0
    for flux in fluxes:
        near = np.zeros(len(flux), dtype=bool)
        of_window = beats(flux, period)
        for offset in range(-BEAT_REACH_FRAMES, BEAT_REACH_FRAMES + 1):
            near[np.clip(of_window + offset, 0, len(flux) - 1)] = True
        on_beats, total = on_beats + float(flux[near].sum()), total + float(flux.sum())
    return on_beats / total


def _mean_autocorrelation(fluxes: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    correlations = [_autocorrelation(flux) for flux in fluxes]
    n_lags = min(len(one) for one in correlations)
    weights = [len(flux) for flux in fluxes]
    mean: NDArray[np.float64] = np.average(
        [one[:n_lags] for one in correlations], axis=0, weights=weights
    )
    return mean


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


def _around(flux: NDArray[np.float64], n_frames: int) -> NDArray[np.float64]:
    """Flux around each frame, zeros beyond the ends, shape (len(flux), n_frames)."""
    padded = np.pad(flux, n_frames // 2)
    return np.lib.stride_tricks.sliding_window_view(padded, n_frames)
