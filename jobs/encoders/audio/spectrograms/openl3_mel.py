"""Mel spectrogram in decibels, the input of OpenL3 (Cramer et al. 2019, ICASSP).

The published mel256 weights were trained behind the layer Melspectrogram of kapre 0.1.4, and this
module computes what that layer computes: power spectra of 2,048 samples every 242 samples, zeros
before and after the window of one second so that it has 199 frames, 256 triangles of unit area on
HTK's mel scale up to 24 kHz, the square root of each band's power, and decibels below the loudest
value of the window, at most 80.
Source: openl3 0.3.1 (openl3/models.py, `_construct_mel256_audio_network`) and kapre 0.1.4
(kapre/time_frequency.py, kapre/backend.py, kapre/backend_keras.py).

Differs from kapre: float64 where it has float32, so values near the floor are exact.
Differs from openl3 0.4, which reads the same weights: its front end has Slaney's scale, takes the
bands from amplitudes and pads at the end alone; the weights were not trained on that.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.audio.spectrograms.mel_filters import (
    htk_corners_hz,
    periodic_hann,
    power_spectra,
    triangles,
)

SAMPLE_RATE_HZ = 48_000
WINDOW_SAMPLES = 48_000
FFT_SAMPLES = 2048
HOP_SAMPLES = 242
N_MELS = 256
N_BINS = FFT_SAMPLES // 2 + 1
N_FRAMES = -(-WINDOW_SAMPLES // HOP_SAMPLES)
AMPLITUDE_FLOOR = 1e-10
DYNAMIC_RANGE_DB = 80.0

_PADDING = (N_FRAMES - 1) * HOP_SAMPLES + FFT_SAMPLES - WINDOW_SAMPLES


def mel_decibels(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decibels below the loudest value, in [-80, 0], shape (N_MELS, N_FRAMES).

    A window without any sound is 0 everywhere, as in kapre.

    Args:
        window: mono samples at 48 kHz, shape (WINDOW_SAMPLES,).
    """
    before = _PADDING // 2
    padded = np.pad(window.astype(np.float64), (before, _PADDING - before))
    power = power_spectra(padded, _hann(), HOP_SAMPLES)  # (N_FRAMES, N_BINS)
    amplitude = np.sqrt(_filterbank() @ power.T)  # (N_MELS, N_FRAMES)
    # Ten, not twenty, times the logarithm of an amplitude: kapre's formula.
    decibels = 10 * np.log10(np.maximum(amplitude, AMPLITUDE_FLOOR))
    below_loudest: NDArray[np.float64] = decibels - decibels.max()
    return np.maximum(below_loudest, -DYNAMIC_RANGE_DB).astype(np.float32)


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 1,  # raise it when code of this module changes its output
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "window_samples": WINDOW_SAMPLES,
        "fft_samples": FFT_SAMPLES,
        "hop_samples": HOP_SAMPLES,
        "n_mels": N_MELS,
        "scale": "htk",
        "decibels": [AMPLITUDE_FLOOR, DYNAMIC_RANGE_DB],
    }


@cache
def _hann() -> NDArray[np.float64]:
    return periodic_hann(FFT_SAMPLES)


@cache
def _filterbank() -> NDArray[np.float64]:
    """Triangles of unit area over the spectrum's bins, shape (N_MELS, N_BINS).

    The lowest bands are narrower than the 23 Hz between two bins: bands 0 and 7 hold no bin, and
    their amplitude is always the floor.
    """
    corner_hz = htk_corners_hz(SAMPLE_RATE_HZ / 2, N_MELS)
    return triangles(corner_hz, SAMPLE_RATE_HZ, FFT_SAMPLES, has_unit_area=True)
