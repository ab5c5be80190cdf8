"""Log-mel spectrogram, the input of MusiCNN (Pons and Serra 2019, arXiv:1909.06654).

96 bands of Slaney's mel scale over power spectra of 512 samples every 256 samples, at 16 kHz. The
original rounds powers to float16 before the logarithm, which overflows in loud passages; this
module keeps float32.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.audio.decoding.audio_file import SAMPLE_RATE_HZ
from jobs.encoders.audio.spectrograms.mel_filters import periodic_hann, power_spectra, triangles

FFT_SAMPLES = 512
HOP_SAMPLES = 256
N_MELS = 96
FRAMES_PER_S = SAMPLE_RATE_HZ / HOP_SAMPLES
COMPRESSION = 10_000  # log10(COMPRESSION * power + 1)

# Slaney's scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above.
_LINEAR_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-compressed mel powers, shape (1 + n_samples // HOP_SAMPLES, N_MELS).

    Args:
        samples: mono at 16 kHz, shape (n_samples,), more than half a window long.
    """
    padded = np.pad(samples, FFT_SAMPLES // 2, mode="reflect")
    power = power_spectra(padded, _hann(), HOP_SAMPLES)  # (n_frames, FFT_SAMPLES // 2 + 1)
    mel_power = power @ _filterbank().T  # (n_frames, N_MELS)
    return np.log10(COMPRESSION * mel_power + 1).astype(np.float32)


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 1,  # raise it when code of this module changes its output
        "fft_samples": FFT_SAMPLES,
        "hop_samples": HOP_SAMPLES,
        "n_mels": N_MELS,
        "compression": COMPRESSION,
    }


@cache
def _hann() -> NDArray[np.float32]:
    return periodic_hann(FFT_SAMPLES).astype(np.float32)


@cache
def _filterbank() -> NDArray[np.float32]:
    """Triangles of unit area over the spectrum's bins, shape (N_MELS, FFT_SAMPLES // 2 + 1)."""
    corner_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(SAMPLE_RATE_HZ / 2), N_MELS + 2))
    filters = triangles(corner_hz, SAMPLE_RATE_HZ, FFT_SAMPLES, has_unit_area=True)
    return filters.astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    """Mels of a frequency above the scale's break."""
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, above)
