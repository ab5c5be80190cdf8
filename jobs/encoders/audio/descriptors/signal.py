"""Measures of a recording by signal processing: rhythm, key, brightness and silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.audio.decoding.audio_file import SAMPLE_RATE_HZ
from jobs.encoders.audio.descriptors import rhythm, tonality
from jobs.encoders.audio.spectrograms.musicnn_mel import log_mel

FFT_SAMPLES, HOP_SAMPLES = 1024, 512
SILENT_BELOW_DB = -60.0  # root mean square of a frame against full scale


@dataclass(frozen=True, slots=True)
class SignalMeasures:
    """Measures of a recording; None without a repeating pulse, or without a key."""

    tempo_bpm: float | None
    tempo_confidence: float | None
    beat_strength_ratio: float | None
    onset_rate_hz: float
    key_tonic: str | None
    key_mode: str | None
    key_confidence: float | None
    spectral_centroid_hz: float
    silence_ratio: float
    decoded_s: float


def measure(windows: Sequence[NDArray[np.float32]]) -> SignalMeasures:
    """Measure the windows of a recording, mono at 16 kHz, each of shape (n_samples,)."""
    fluxes = [rhythm.onset_flux(log_mel(window)) for window in windows]
    decoded_s = sum(len(window) for window in windows) / SAMPLE_RATE_HZ
    pulse, key = rhythm.pulse(fluxes), tonality.find_key(windows)
    centroid_hz, silence_ratio = _centroid_and_silence(windows)
    return SignalMeasures(
        tempo_bpm=pulse.tempo_bpm if pulse else None,
        tempo_confidence=pulse.confidence if pulse else None,
        beat_strength_ratio=pulse.beat_strength_ratio if pulse else None,
        onset_rate_hz=sum(map(rhythm.count_onsets, fluxes)) / decoded_s,
        key_tonic=key.tonic if key else None,
        key_mode=key.mode if key else None,
        key_confidence=key.confidence if key else None,
        spectral_centroid_hz=centroid_hz,
        silence_ratio=silence_ratio,
        decoded_s=decoded_s,
    )


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 2,  # raise it when code of this module changes its output
        "spectrum": [FFT_SAMPLES, HOP_SAMPLES, SILENT_BELOW_DB],
        "rhythm": rhythm.preprocessing(),
        "tonality": tonality.preprocessing(),
    }


def _centroid_and_silence(windows: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Mean spectral centroid in Hz of the frames that are not silent, and the share of the others.

    The centroid of a frame is the mean of its frequencies, each weighted by its magnitude.
    """
    frames = np.concatenate([_frames(window) for window in windows])
    level_db = 10 * np.log10(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-20)
    is_silent = level_db < SILENT_BELOW_DB
    heard = frames[~is_silent] if not is_silent.all() else frames
    magnitudes = np.abs(np.fft.rfft(heard * np.hanning(FFT_SAMPLES).astype(np.float32), axis=1))
    hz = np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)
    totals = magnitudes.sum(axis=1)
    centroids = np.divide(magnitudes @ hz, totals, out=np.zeros_like(totals), where=totals > 0)
    return float(centroids.mean()), float(is_silent.mean())


def _frames(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.lib.stride_tricks.sliding_window_view(samples, FFT_SAMPLES)[::HOP_SAMPLES]
