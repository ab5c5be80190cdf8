"""Loudness of signals that BS.1770 and EBU Tech 3341 give the answer for."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pyloudnorm
import pytest

from jobs.encoders.audio.decoding import loudness

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
    assert loudness.measure(middle, RATE_HZ).true_peak_dbtp == pytest.approx(-6.02, abs=0.1)


LAYOUTS = {
    "quad": ("L R l r", False),
    "5.0": ("L R C l r", False),
    "5.1": ("L R C . l r", False),
    "6.1": ("L R C . c l r", False),
    "7.1": ("L R C . l r l r", False),
    "5.1 of Vorbis": ("L C R l r .", True),
    "6.1 of Vorbis": ("L C R l r c .", True),
    "7.1 of Vorbis": ("L C R l r l r .", True),
}
"""Channels in their order: capitals in front, small letters behind, a point the low frequencies."""


@pytest.mark.parametrize(("layout", "is_last"), LAYOUTS.values(), ids=LAYOUTS)
def test_each_channel_counts_by_its_place(layout, is_last):
    """BS.1770-4, table 3: 1 in front, 1.41 (1.5 LU) behind, nothing for low frequencies."""
    channels = layout.split()
    for position, channel in enumerate(channels):
        samples = np.zeros((2 * RATE_HZ, len(channels)), dtype=np.float32)
        samples[:, position] = tone(-20, 2, n_channels=1)[:, 0]

        measured = loudness.measure(samples, RATE_HZ, is_low_frequency_last=is_last)

        expected = {".": None}.get(channel, -23.0 if channel.isupper() else -21.5)
        assert measured.integrated_lufs == (expected and pytest.approx(expected, abs=0.05)), channel
        assert measured.true_peak_dbtp == pytest.approx(-20, abs=0.1)


def test_three_seconds_count_alike_in_the_range():
    """Level steps: short-term loudness is the mean over 3 s, not one that fades at its ends."""
    rng = np.random.default_rng(1)
    levels = rng.uniform(-45, -15, 120)
    samples = np.concatenate([tone(level, 0.5, n_channels=1) for level in levels])
    energies = np.repeat(10 ** ((levels - 3.01) / 10), 5)  # by steps of 100 ms
    short_term = np.convolve(energies, np.full(30, 1 / 30), mode="valid")
    gated = 10 * np.log10(short_term[short_term >= 0.01 * short_term.mean()])
    expected = np.percentile(gated, 95) - np.percentile(gated, 10)

    assert loudness.measure(samples, RATE_HZ).range_lu == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("n_frames", [1, 997, 48_000, 1_000_003])
def test_blocks_of_any_size_give_the_same(n_frames):
    rng = np.random.default_rng(2)
    samples = rng.normal(0, 0.1, (25 * 8_000, 2)).astype(np.float32)
    meter = loudness.LoudnessMeter(2, 8_000, is_low_frequency_last=False)
    for start in range(0, len(samples) if n_frames > 1 else 3_000, n_frames):
        meter.update(samples[start : start + n_frames])
    known = samples if n_frames > 1 else samples[:3_000]

    for one, other in zip(
        astuple(meter.result()), astuple(loudness.measure(known, 8_000)), strict=True
    ):
        assert one == pytest.approx(other, abs=1e-4)


def test_the_filters_are_those_of_the_standard():
    """ITU-R BS.1770-4, tables 1 and 2: the coefficients at 48 kHz."""
    (shelf_above, shelf_below), (pass_above, pass_below) = loudness.k_weighting_coefficients(48_000)
    np.testing.assert_allclose(
        shelf_above, [1.53512485958697, -2.69169618940638, 1.19839281085285], atol=1e-6
    )
    np.testing.assert_allclose(shelf_below, [1, -1.69065929318241, 0.73248077421585], atol=1e-6)
    np.testing.assert_allclose(pass_above, [1, -2, 1])
    np.testing.assert_allclose(pass_below, [1, -1.99004745483398, 0.99007225036621], atol=1e-6)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_a_tone_has_its_level_at_any_rate(rate_hz):
    """A mono sine of 1 kHz at -20 dBFS has -23 LUFS."""
    moments_s = np.arange(5 * rate_hz) / rate_hz
    samples = (0.1 * np.sin(2 * np.pi * 1_000 * moments_s)).astype(np.float32)[:, None]
    assert loudness.measure(samples, rate_hz).integrated_lufs == pytest.approx(-23, abs=0.1)


def test_a_chunk_s_end_is_not_heard():
    """45 s cross the borders of chunks of 10 s, and end within one."""
    one, both = (loudness.measure(tone(-23, seconds), RATE_HZ) for seconds in (20, 45))
    assert both.integrated_lufs == pytest.approx(one.integrated_lufs, abs=0.01)
    assert both.range_lu == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_it_equals_pyloudnorm_where_that_takes_the_channels(n_channels):
    """Noise whose level changes each second, so that both gates leave something out."""
    rng = np.random.default_rng(n_channels)
    levels = np.repeat(10 ** (rng.uniform(-90, -10, 20) / 20), RATE_HZ)[:, None]
    samples = (levels * rng.normal(size=(20 * RATE_HZ, n_channels))).astype(np.float32)
    expected = pyloudnorm.Meter(RATE_HZ).integrated_loudness(samples)
    assert loudness.measure(samples, RATE_HZ).integrated_lufs == pytest.approx(expected, abs=0.1)


def test_channels_of_an_unknown_layout_add_up():
    """Six times the energy of two: 7.8 LU more."""
    measured = loudness.measure(tone(-23, 5, n_channels=12), RATE_HZ)
    assert measured.integrated_lufs == pytest.approx(-15.2, abs=0.1)


def test_it_survives_the_way_through_an_array():
    measured = loudness.measure(tone(-80, 1), RATE_HZ)
    assert loudness.Loudness.of(measured.to_array()) == measured
