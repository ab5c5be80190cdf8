"""Mixes channels down to one, so that the mix is as loud as the channels are.

The mean of channels alone is wrong for three kinds of files: of one voice in a surround file it is
16 dB too soft, of opposite channels (a plug wired the wrong way round) nothing is left, and of
channels that have nothing in common it loses 3 dB and more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SILENT_BESIDE = 1e-6  # a channel 60 dB below the loudest one carries no sound
CANCELLED_RATIO = 0.25  # of the energy that the mean of unrelated channels would keep


def mix_down(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """One channel with the mean energy of those that carry sound, shape (n_frames,).

    It is the mean of those channels, scaled to that energy. Where they cancel each other, it is
    the loudest one, scaled.

    Args:
        channels: samples of shape (n_frames, n_channels).
    """
    if channels.shape[1] == 1:
        return channels[:, 0].copy()
    energies = _energies(channels)
    sounding = np.flatnonzero(energies > SILENT_BESIDE * energies.max())
    if len(sounding) <= 1:
        return channels[:, int(energies.argmax())].copy()
    target = float(energies[sounding].mean())
    # A choice of all would be a copy of all.
    chosen = channels if len(sounding) == channels.shape[1] else channels[:, sounding]
    mono = chosen.mean(axis=1)
    energy = float(_energies(mono[:, None])[0])
    if energy < CANCELLED_RATIO * target / len(sounding):
        loudest = int(energies.argmax())
        mono, energy = channels[:, loudest].copy(), float(energies[loudest])
    return np.asarray(mono * np.float32(np.sqrt(target / energy)), dtype=np.float32)


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 1,  # raise it when code of this module changes samples
        "thresholds": [SILENT_BESIDE, CANCELLED_RATIO],
    }


def _energies(channels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Variance of each channel over time, shape (n_channels,); a DC offset carries no sound."""
    return np.asarray([np.var(channel, dtype=np.float64) for channel in channels.T])
