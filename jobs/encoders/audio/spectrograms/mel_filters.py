"""Windows, power spectra and triangular filters: what log-mel spectrograms are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# HTK's mel scale: mel = 2595 log10(1 + hz / 700).
_HTK_MELS, _HTK_HZ = 2595.0, 700.0


def periodic_hann(n_samples: int) -> NDArray[np.float64]:
    """Periodic Hann window, shape (n_samples,)."""
    phase = 2 * np.pi * np.arange(n_samples) / n_samples
    return np.asarray(0.5 - 0.5 * np.cos(phase))


def power_spectra(
    padded: NDArray[np.floating], window: NDArray[np.floating], hop_samples: int
) -> NDArray[np.floating]:
    """Power of each bin, shape (n_frames, len(window) // 2 + 1), in the precision of the inputs.

    Args:
        padded: samples with what stands before and after them, shape (n_samples,).
        window: one frame is as long.
        hop_samples: from the start of a frame to that of the next.
    """
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::hop_samples]
    spectrum = np.fft.rfft(frames * window, axis=1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def htk_corners_hz(highest_hz: float, n_mels: int) -> NDArray[np.float64]:
    """Corners of bands up to `highest_hz` in equal steps of HTK's scale, shape (n_mels + 2,)."""
    highest_mel = _HTK_MELS * np.log10(1 + highest_hz / _HTK_HZ)
    corner_mel = np.linspace(0, highest_mel, n_mels + 2)
    return np.asarray(_HTK_HZ * (10 ** (corner_mel / _HTK_MELS) - 1))


def triangles(
    corner_hz: NDArray[np.float64], sample_rate_hz: int, fft_samples: int, *, has_unit_area: bool
) -> NDArray[np.float64]:
    """Triangular filters over the spectrum's bins, shape (n_mels, fft_samples // 2 + 1).

    Args:
        corner_hz: where each triangle begins, peaks and ends: three neighbours, (n_mels + 2,).
        sample_rate_hz: of the samples.
        fft_samples: length of a frame.
        has_unit_area: each triangle has area 1, not height 1.
    """
    bin_hz = np.linspace(0, sample_rate_hz / 2, fft_samples // 2 + 1)
    low, centre, high = corner_hz[:-2, None], corner_hz[1:-1, None], corner_hz[2:, None]
    rising = (bin_hz - low) / (centre - low)
    falling = (high - bin_hz) / (high - centre)
    filters = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(filters * 2 / (high - low) if has_unit_area else filters)
