"""Loudness as a listener hears it: integrated loudness, loudness range and true peak.

Integrated loudness follows ITU-R BS.1770-4, by pyloudnorm. The loudness range follows EBU Tech
3342: from the 10th to the 95th percentile of the loudness of 3 s, without passages 20 LU below the
mean. The true peak follows BS.1770-4, annex 2: the highest sample after oversampling by four.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from importlib.metadata import version

import numpy as np
import pyloudnorm
import soxr
from numpy.typing import NDArray

MAX_CHANNELS = 5  # that BS.1770 weighs: left, right, centre, and two behind
SURROUND_ORDERS = {6: (0, 1, 2, 4, 5)}  # 5.1 in files, without the low-frequency channel
GATE_LUFS, RANGE_GATE_LU = -70.0, -20.0
RANGE_PERCENTILES = (10, 95)
BLOCKS_OF_3_S = 27  # blocks of 400 ms that begin every 100 ms: 26 steps and one block
OVERSAMPLING = 4
PEAK_CHUNK_S = 10.0


@dataclass(frozen=True, slots=True)
class Loudness:
    """Loudness of a recording; None where it is too quiet or too short for the measure.

    Attributes:
        integrated_lufs: in LUFS; None below the gate of -70 LUFS.
        range_lu: in LU; None for less than 3 s above the gate.
        true_peak_dbtp: in dB relative to full scale.
    """

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float

    @classmethod
    def of(cls, measures: NDArray[np.float64]) -> Loudness:
        """The loudness from what `to_array` gave."""
        lufs, range_lu, peak = (None if np.isnan(one) else float(one) for one in measures)
        if peak is None:  # every recording has a peak
            raise AssertionError
        return cls(lufs, range_lu, peak)

    def to_array(self) -> NDArray[np.float64]:
        """The measures in order, NaN for None."""
        return np.asarray(
            [np.nan if one is None else one for one in astuple(self)], dtype=np.float64
        )


def measure(channels: NDArray[np.float32], rate_hz: int) -> Loudness:
    """Measure samples of shape (n_samples, n_channels), at least half a second of them.

    Of 5.1 files the low-frequency channel does not count. Files with other channels than five at
    most are measured channel by channel, as if each were in front.
    """
    heard = channels[:, SURROUND_ORDERS.get(channels.shape[1], slice(None))]
    groups = [heard] if heard.shape[1] <= MAX_CHANNELS else [one[:, None] for one in heard.T]
    meters = [_measured(group, rate_hz) for group in groups]
    energies = np.sum([_energy(lufs) for lufs, _ in meters])
    blocks = np.sum([_energy(np.asarray(blocks)) for _, blocks in meters], axis=0)
    integrated = float(_level(energies)) if energies > 0 else None
    return Loudness(integrated, _range_lu(blocks), true_peak_dbtp(channels, rate_hz))


def true_peak_dbtp(channels: NDArray[np.float32], rate_hz: int) -> float:
    """Highest level between samples in dB relative to full scale; -inf is no recording.

    Args:
        channels: shape (n_samples, n_channels).
        rate_hz: of the samples.
    """
    resampler = soxr.ResampleStream(
        rate_hz, OVERSAMPLING * rate_hz, channels.shape[1], dtype="float32"
    )
    chunk = int(PEAK_CHUNK_S * rate_hz)
    peak = float(np.abs(channels).max())
    for start in range(0, len(channels), chunk):
        is_last = start + chunk >= len(channels)
        oversampled = resampler.resample_chunk(channels[start : start + chunk], last=is_last)
        peak = max(peak, float(np.abs(oversampled).max(initial=0.0)))
    return 20 * float(np.log10(peak))


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 1,  # raise it when code of this module changes its output
        "meter": f"pyloudnorm {version('pyloudnorm')}",
        "range": [GATE_LUFS, RANGE_GATE_LU, *RANGE_PERCENTILES, BLOCKS_OF_3_S],
        "oversampling": OVERSAMPLING,
    }


def _measured(group: NDArray[np.float32], rate_hz: int) -> tuple[float, list[float]]:
    """Integrated loudness, -inf below the gate, and the loudness of each block of 400 ms."""
    meter = pyloudnorm.Meter(rate_hz)
    return float(meter.integrated_loudness(group)), meter.blockwise_loudness


def _range_lu(block_energies: NDArray[np.float64]) -> float | None:
    """Loudness range of the energies of blocks of 400 ms that begin every 100 ms."""
    if len(block_energies) < BLOCKS_OF_3_S:
        return None
    kernel = np.full(BLOCKS_OF_3_S, 1 / BLOCKS_OF_3_S)
    short_term = np.convolve(block_energies, kernel, mode="valid")
    short_term = short_term[short_term >= _energy(np.asarray(GATE_LUFS))]
    if not len(short_term):
        return None
    gate = short_term.mean() * 10 ** (RANGE_GATE_LU / 10)
    low, high = np.percentile(_level(short_term[short_term >= gate]), RANGE_PERCENTILES)
    return float(high - low)


def _energy(lufs: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(10 ** (np.asarray(lufs, np.float64) / 10))


def _level(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10 * np.log10(energy))
