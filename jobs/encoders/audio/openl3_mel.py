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
# HTK's scale: mel = 2595 log10(1 + hz / 700).
_HTK_MELS, _HTK_HZ = 2595.0, 700.0


def mel_decibels(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decibels below the loudest value, in [-80, 0], shape (N_MELS, N_FRAMES).

    A window without any sound is 0 everywhere, as in kapre.

    Args:
        window: mono samples at 48 kHz, shape (WINDOW_SAMPLES,).
    """
    before = _PADDING // 2
    padded = np.pad(window.astype(np.float64), (before, _PADDING - before))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(frames * _hann(), axis=1)  # (N_FRAMES, N_BINS)
    power = spectrum.real**2 + spectrum.imag**2
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
    """Periodic Hann window, shape (FFT_SAMPLES,)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SAMPLES) / FFT_SAMPLES)


@cache
def _filterbank() -> NDArray[np.float64]:
    """Triangles of unit area over the spectrum's bins, shape (N_MELS, N_BINS).

    The lowest bands are narrower than the 23 Hz between two bins: bands 0 and 7 hold no bin, and
    their amplitude is always the floor.
    """
    bin_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, N_BINS)
    highest_mel = _HTK_MELS * np.log10(1 + SAMPLE_RATE_HZ / 2 / _HTK_HZ)
    corner_mel = np.linspace(0, highest_mel, N_MELS + 2)
    corner_hz = _HTK_HZ * (10 ** (corner_mel / _HTK_MELS) - 1)
    low, centre, high = corner_hz[:-2, None], corner_hz[1:-1, None], corner_hz[2:, None]
    rising = (bin_hz - low) / (centre - low)
    falling = (high - bin_hz) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    weights: NDArray[np.float64] = triangles * 2 / (high - low)
    return weights
