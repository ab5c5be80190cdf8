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

FRONT, BEHIND, LOW_FREQUENCY = 1.0, 1.41, 0.0  # weights of channels in BS.1770-4, table 3
_FRONTS = (FRONT, FRONT, FRONT)
CHANNEL_WEIGHTS = {
    4: (FRONT, FRONT, BEHIND, BEHIND),
    5: (*_FRONTS, BEHIND, BEHIND),
    6: (*_FRONTS, LOW_FREQUENCY, BEHIND, BEHIND),
    7: (*_FRONTS, LOW_FREQUENCY, BEHIND, BEHIND, BEHIND),
    8: (*_FRONTS, LOW_FREQUENCY, BEHIND, BEHIND, BEHIND, BEHIND),
}
"""By number of channels, in the order of WAV, FLAC and most formats."""

LOW_FREQUENCY_LAST = {
    6: (*_FRONTS, BEHIND, BEHIND, LOW_FREQUENCY),
    7: (*_FRONTS, BEHIND, BEHIND, BEHIND, LOW_FREQUENCY),
    8: (*_FRONTS, BEHIND, BEHIND, BEHIND, BEHIND, LOW_FREQUENCY),
}
"""The same in the order of Vorbis and Opus (RFC 7845, section 5.1.1.2)."""

GATE_LUFS, RELATIVE_GATE_LU, RANGE_GATE_LU = -70.0, -10.0, -20.0
RANGE_PERCENTILES = (10, 95)
SHELF_HZ, SHELF_DB, SHELF_Q, SHELF_SLOPE = 1681.97445, 3.99984385, 0.70717524, 0.49966677
HIGH_PASS_HZ, HIGH_PASS_Q = 38.1354709, 0.50032704
OFFSET_DB = -0.691  # BS.1770-4, equation 2: a tone of 1 kHz has its own level
STEP_S, STEPS_OF_BLOCK = 0.1, 4
STEPS_OF_RANGE = 30  # 3 s
CHUNK_S, LEAD_S = 10.0, 1.0
OVERSAMPLING = 4


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


class LoudnessMeter:
    """Measures a recording that comes in blocks: keeps 11 s of it, and a number each 100 ms.

    Recordings with another number of channels than the weights know are measured as if each channel
    were in front.
    """

    def __init__(self, n_channels: int, rate_hz: int, *, is_low_frequency_last: bool) -> None:
        weights = CHANNEL_WEIGHTS | (LOW_FREQUENCY_LAST if is_low_frequency_last else {})
        self._weights = weights.get(n_channels, (FRONT,) * n_channels)
        self._filter = _KWeighting(rate_hz)
        self._oversampler = soxr.ResampleStream(
            rate_hz, OVERSAMPLING * rate_hz, n_channels, dtype="float32"
        )
        self._before = np.zeros((self._filter.lead, n_channels), np.float32)
        self._waiting: list[NDArray[np.float32]] = []
        self._steps: list[NDArray[np.float64]] = []
        self._peak = 0.0

    def update(self, block: NDArray[np.float32]) -> None:
        """Add samples of shape (n_samples, n_channels)."""
        self._raise_peak(block)
        self._raise_peak(self._oversampler.resample_chunk(block))
        self._waiting.append(block)
        chunk = self._filter.chunk
        if sum(map(len, self._waiting)) < chunk:
            return
        samples = np.concatenate(self._waiting)
        whole = len(samples) // chunk * chunk
        for start in range(0, whole, chunk):
            self._measure(samples[start : start + chunk])
        self._waiting = [samples[whole:]]

    def result(self) -> Loudness:
        """The loudness of all samples; the meter takes no more."""
        n_channels = self._before.shape[1]
        ending = np.empty((0, n_channels), np.float32)
        self._raise_peak(self._oversampler.resample_chunk(ending, last=True))
        self._measure(np.concatenate([ending, *self._waiting]))
        steps = np.concatenate(self._steps)
        return Loudness(
            _integrated_lufs(_means(steps, STEPS_OF_BLOCK)),
            _range_lu(_means(steps, STEPS_OF_RANGE)),
            20 * float(np.log10(self._peak)) if self._peak else None,
        )

    def _measure(self, samples: NDArray[np.float32]) -> None:
        """Add the energies of the steps of a chunk, of which the last may be shorter."""
        heard = np.concatenate([self._before, samples])
        # One channel after the other, which bounds memory.
        self._steps.append(
            np.asarray(
                sum(
                    weight * self._filter.step_energies(channel)
                    for weight, channel in zip(self._weights, heard.T, strict=True)
                    if weight
                )
            )
            * _energy(OFFSET_DB)
        )
        self._before = heard[len(heard) - len(self._before) :]

    def _raise_peak(self, samples: NDArray[np.float32]) -> None:
        self._peak = max(self._peak, float(np.abs(samples).max(initial=0.0)))


def measure(
    channels: NDArray[np.float32], rate_hz: int, *, is_low_frequency_last: bool = False
) -> Loudness:
    """Measure samples of shape (n_samples, n_channels)."""
    meter = LoudnessMeter(channels.shape[1], rate_hz, is_low_frequency_last=is_low_frequency_last)
    meter.update(channels)
    return meter.result()


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the encoder's identity."""
    return {
        "revision": 2,  # raise it when code of this module changes its output
        "channels": [CHANNEL_WEIGHTS, LOW_FREQUENCY_LAST],
        "filters": [SHELF_HZ, SHELF_DB, SHELF_Q, SHELF_SLOPE, HIGH_PASS_HZ, HIGH_PASS_Q, OFFSET_DB],
        "gates": [GATE_LUFS, RELATIVE_GATE_LU, RANGE_GATE_LU],
        "range": [*RANGE_PERCENTILES, STEPS_OF_RANGE],
        "oversampling": OVERSAMPLING,
    }


class _KWeighting:
    """The filters of BS.1770-4 before the energies are measured, for one rate.

    The samples pass through them as products of spectra, chunk by chunk; before each chunk comes
    LEAD_S of the one before, in which the filters forget what was before that.
    """

    def __init__(self, rate_hz: int) -> None:
        self.step = round(STEP_S * rate_hz)
        self.lead = round(LEAD_S * rate_hz)
        self.chunk = round(CHUNK_S / STEP_S) * self.step
        self._response = _frequency_response(rate_hz, self.lead + self.chunk)

    def step_energies(self, heard: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean square of each whole step after the lead, of one channel."""
        length = self.lead + self.chunk
        spectrum = np.fft.rfft(heard, length) * self._response
        weighted = np.fft.irfft(spectrum, length)[self.lead : len(heard)]
        whole = weighted[: len(weighted) // self.step * self.step].reshape(-1, self.step)
        return np.asarray(np.mean(np.square(whole), axis=1, dtype=np.float64))


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
def _frequency_response(rate_hz: int, n_samples: int) -> NDArray[np.complex64]:
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


def _range_lu(short_term: NDArray[np.float64]) -> float | None:
    """Loudness range of the energies of 3 s that begin every 100 ms."""
    heard = short_term[short_term >= _energy(GATE_LUFS)]
    if not len(heard):
        return None
    gate = heard.mean() * 10 ** (RANGE_GATE_LU / 10)
    low, high = np.percentile(_level(heard[heard >= gate]), RANGE_PERCENTILES)
    return float(high - low)


def _means(steps: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Mean of each `length` steps in a row; none when there are fewer."""
    if len(steps) < length:
        return steps[:0]
    return np.convolve(steps, np.full(length, 1 / length), mode="valid")


def _energy(lufs: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(10 ** (np.asarray(lufs, np.float64) / 10))


def _level(energy: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(10 * np.log10(energy))
