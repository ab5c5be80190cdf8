"""Loudness of signals that BS.1770 and EBU Tech 3341 give the answer for."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.audio import loudness

RATE_HZ = 48_000


def tone(db: float, seconds: float, n_channels: int = 2, hz: float = 1_000.0) -> np.ndarray:
    """A sine whose peak is `db` below full scale, in each channel."""
    moments_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    one = 10 ** (db / 20) * np.sin(2 * np.pi * hz * moments_s)
    return np.tile(one[:, None], (1, n_channels)).astype(np.float32)


@pytest.mark.parametrize("db", [-23, -33])
def test_a_stereo_tone_of_1_khz_has_its_level(db):
    """EBU Tech 3341, cases 1 and 2: a stereo sine of -23 dBFS has -23 LUFS."""
    assert loudness.measure(tone(db, 20), RATE_HZ).integrated_lufs == pytest.approx(db, abs=0.1)


def test_one_channel_is_3_lu_less():
    """Half the energy of two equal channels."""
    measured = loudness.measure(tone(-23, 5, n_channels=1), RATE_HZ)
    assert measured.integrated_lufs == pytest.approx(-26.0, abs=0.1)


def test_quiet_passages_do_not_count():
    """Tech 3341, case 3: -36, -23, -36 dBFS for 10, 60, 10 s has -23 LUFS."""
    levels = [(-36, 10), (-23, 60), (-36, 10)]
    samples = np.concatenate([tone(*level) for level in levels])
    assert loudness.measure(samples, RATE_HZ).integrated_lufs == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize(
    ("levels", "range_lu"),
    [([(-20, 20), (-30, 20)], 10), ([(-20, 20), (-15, 20)], 5), ([(-40, 20), (-20, 20)], 20)],
)
def test_the_range_is_that_of_its_levels(levels, range_lu):
    """EBU Tech 3342, cases 1 to 3, within the 1 LU that they allow."""
    samples = np.concatenate([tone(*level) for level in levels])
    assert loudness.measure(samples, RATE_HZ).range_lu == pytest.approx(range_lu, abs=1)


def test_what_is_too_short_or_too_quiet_has_no_value():
    assert loudness.measure(tone(-20, 2), RATE_HZ).range_lu is None
    quiet = loudness.measure(tone(-80, 5), RATE_HZ)
    assert (quiet.integrated_lufs, quiet.range_lu) == (None, None)
    assert quiet.true_peak_dbtp == pytest.approx(-80, abs=0.1)


def test_the_true_peak_lies_between_the_samples():
    """A sine at a quarter of the rate, 45 degrees off: its samples are at .707 of its peak."""
    moments = np.arange(RATE_HZ)
    samples = (0.5 * np.sin(np.pi / 2 * moments + np.pi / 4)).astype(np.float32)[:, None]
    assert np.abs(samples).max() == pytest.approx(0.354, abs=0.001)
    middle = samples[:, [0]] * np.hanning(RATE_HZ)[:, None].astype(np.float32)
    assert loudness.true_peak_dbtp(middle, RATE_HZ) == pytest.approx(-6.02, abs=0.1)


def test_the_low_frequency_channel_of_5_1_does_not_count():
    """Left and right at -23 dBFS; the fourth channel is loud."""
    samples = np.zeros((5 * RATE_HZ, 6), dtype=np.float32)
    samples[:, :2] = tone(-23, 5)
    samples[:, 3] = 1.0 * tone(0, 5, n_channels=1, hz=60.0)[:, 0]
    assert loudness.measure(samples, RATE_HZ).integrated_lufs == pytest.approx(-23, abs=0.1)


def test_eight_channels_add_up():
    """Four times the energy of two: 6 LU more."""
    measured = loudness.measure(tone(-23, 5, n_channels=8), RATE_HZ)
    assert measured.integrated_lufs == pytest.approx(-17, abs=0.1)


def test_it_survives_the_way_through_an_array():
    measured = loudness.measure(tone(-80, 1), RATE_HZ)
    assert loudness.Loudness.of(measured.to_array()) == measured
