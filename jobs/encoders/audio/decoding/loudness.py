"""Loudness as a listener hears it: integrated loudness, loudness range and true peak.

Integrated loudness follows ITU-R BS.1770-4. The loudness range follows EBU Tech 3342: from the 10th
to the 95th percentile of the loudness of 3 s, without passages 20 LU below the mean. The true peak
follows BS.1770-4, annex 2: the highest sample after oversampling by four.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import lru_cache

import numpy as np
import soxr
from numpy.typing import NDArray

FRONT, BEHIND, LOW_FREQUENCY = 1.0, 1.41, 0.0  # weights of channels in BS.1770
CHANNEL_WEIGHTS = {
    5: (FRONT, FRONT, FRONT, BEHIND, BEHIND),
    6: (FRONT, FRONT, FRONT, LOW_FREQUENCY, BEHIND, BEHIND),  # 5.1, in the order of files
}
GATE_LUFS, RELATIVE_GATE_LU, RANGE_GATE_LU = -70.0, -10.0, -20.0
RANGE_PERCENTILES = (10, 95)
SHELF_HZ, SHELF_DB, SHELF_Q, SHELF_SLOPE = 1681.97445, 3.99984385, 0.70717524, 0.49966677
HIGH_PASS_HZ, HIGH_PASS_Q = 38.1354709, 0.50032704
OFFSET_DB = -0.691  # BS.1770-4, equation 2: a tone of 1 kHz has its own level
STEP_S, STEPS_OF_BLOCK = 0.1, 4
CHUNK_S, LEAD_S = 10.0, 1.0
BLOCKS_OF_3_S = 27  # blocks of 400 ms that begin every 100 ms: 26 steps and one block
OVERSAMPLING = 4
PEAK_CHUNK_S = 10.0


@dataclass(frozen=True, slots=True)
class Loudness:
    """Loudness of a recording; None where it is too quiet or too short for the measure.

    Attributes:
        integrated_lufs: in LUFS; None below the gate of -70 LUFS.
        range_lu: in LU; None for less than 3 s above the gate.
        true_peak_dbtp: in dB relative to full scale; None when every sample is 0.
    """

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None

    @classmethod
    def of(cls, measures: NDArray[np.float64]) -> Loudness:
        """The loudness from what `to_array` gave."""
        return cls(*(None if np.isnan(one) else float(one) for one in measures))

    def to_array(self) -> NDArray[np.float64]:
        """The measures in order, NaN for None."""
        return np.asarray(
            [np.nan if one is None else one for one in astuple(self)], dtype=np.float64
        )


def measure(channels: NDArray[np.float32], rate_hz: int) -> Loudness:
    """Measure samples of shape (n_samples, n_channels), at least half a second of them.

    Files with another number of channels than CHANNEL_WEIGHTS has are measured as if each channel
    were in front.
    """
    n_channels = channels.shape[1]
    weights = CHANNEL_WEIGHTS.get(n_channels, (FRONT,) * n_channels)
    # One channel after the other, which bounds memory.
    blocks = sum(
        weight * _block_energies(channel, rate_hz)
        for weight, channel in zip(weights, channels.T, strict=True)
        if weight
    )
    energies = np.asarray(blocks, np.float64)
    return Loudness(
        _integrated_lufs(energies), _range_lu(energies), true_peak_dbtp(channels, rate_hz)
    )


def true_peak_dbtp(channels: NDArray[np.float32], rate_hz: int) -> float | None:
    """Highest level between samples in dB relative to full scale; None when every sample is 0.

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
    return 20 * float(np.log10(peak)) if peak else None


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 1,  # raise it when code of this module changes its output
        "channels": CHANNEL_WEIGHTS,
        "filters": [SHELF_HZ, SHELF_DB, SHELF_Q, SHELF_SLOPE, HIGH_PASS_HZ, HIGH_PASS_Q, OFFSET_DB],
        "gates": [GATE_LUFS, RELATIVE_GATE_LU, RANGE_GATE_LU],
        "range": [*RANGE_PERCENTILES, BLOCKS_OF_3_S],
        "oversampling": OVERSAMPLING,
    }


def _block_energies(channel: NDArray[np.float32], rate_hz: int) -> NDArray[np.float64]:
    """K-weighted mean square of each block of 400 ms, which begin every 100 ms, as LUFS count it.

    The samples pass through the filters as products of spectra, chunk by chunk; each chunk begins
    with LEAD_S of the one before, in which the filters forget what was before that.
    """
    lead, chunk, step = (round(part_s * rate_hz) for part_s in (LEAD_S, CHUNK_S, STEP_S))
    response = _k_weighting(rate_hz, lead + chunk)
    padded = np.pad(channel, (lead, -len(channel) % chunk))
    steps = []
    for start in range(0, len(padded) - lead, chunk):
        spectrum = np.fft.rfft(padded[start : start + lead + chunk]) * response
        weighted = np.fft.irfft(spectrum, lead + chunk)[lead:]
        usable = weighted[: len(weighted) // step * step].reshape(-1, step)
        steps.append(np.mean(np.square(usable), axis=1, dtype=np.float64))
    energies = np.concatenate(steps)[: len(channel) // step]
    kernel = np.full(STEPS_OF_BLOCK, 1 / STEPS_OF_BLOCK)
    return np.convolve(energies, kernel, mode="valid") * _energy(OFFSET_DB)


def k_weighting_coefficients(rate_hz: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Numerator and denominator of the two filters of BS.1770-4, annex 1: shelf and high pass.

    The standard gives them at 48 kHz. These are the analogue filters behind them (De Man 2014,
    "Evaluation of implementations of the EBU R128 loudness measurement"), by the bilinear
    transform, for any rate.
    """
    warped = np.tan(np.pi * SHELF_HZ / rate_hz)
    high = 10 ** (SHELF_DB / 20)
    middle = high**SHELF_SLOPE
    damping, square = warped / SHELF_Q, warped**2
    shelf = (
        np.asarray(
            [
                high + middle * damping + square,
                2 * (square - high),
                high - middle * damping + square,
            ]
        ),
        np.asarray([1 + damping + square, 2 * (square - 1), 1 - damping + square]),
    )
    warped = np.tan(np.pi * HIGH_PASS_HZ / rate_hz)
    damping, square = warped / HIGH_PASS_Q, warped**2
    denominator = np.asarray([1 + damping + square, 2 * (square - 1), 1 - damping + square])
    # The standard leaves the numerator of the high pass as it is.
    high_pass = np.asarray([1.0, -2.0, 1.0]), denominator / denominator[0]
    return [(shelf[0] / shelf[1][0], shelf[1] / shelf[1][0]), high_pass]


@lru_cache(maxsize=4)
def _k_weighting(rate_hz: int, n_samples: int) -> NDArray[np.complex64]:
    """Frequency response of both filters at the bins of a spectrum of `n_samples`."""
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(n_samples))
    response = np.ones(len(delay), np.complex128)
    for numerator, denominator in k_weighting_coefficients(rate_hz):
        response *= np.polyval(numerator[::-1], delay) / np.polyval(denominator[::-1], delay)
    return response.astype(np.complex64)


def _integrated_lufs(block_energies: NDArray[np.float64]) -> float | None:
    """BS.1770-4, equations 5 to 7: the mean of the blocks above both gates."""
    heard = block_energies[block_energies >= _energy(GATE_LUFS)]
    if not len(heard):
        return None
    gate = heard.mean() * 10 ** (RELATIVE_GATE_LU / 10)
    return float(_level(heard[heard > gate].mean()))


def _range_lu(block_energies: NDArray[np.float64]) -> float | None:
    """Loudness range of the energies of blocks of 400 ms that begin every 100 ms."""
    if len(block_energies) < BLOCKS_OF_3_S:
        return None
    kernel = np.full(BLOCKS_OF_3_S, 1 / BLOCKS_OF_3_S)
    short_term = np.convolve(block_energies, kernel, mode="valid")
    short_term = short_term[short_term >= _energy(GATE_LUFS)]
    if not len(short_term):
        return None
    gate = short_term.mean() * 10 ** (RANGE_GATE_LU / 10)
    low, high = np.percentile(_level(short_term[short_term >= gate]), RANGE_PERCENTILES)
    return float(high - low)


def _energy(lufs: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(10 ** (np.asarray(lufs, np.float64) / 10))


def _level(energy: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(10 * np.log10(energy))
