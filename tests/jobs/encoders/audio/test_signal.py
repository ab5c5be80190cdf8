"""Loudness, tempo and onsets of signals whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.audio import signal
from jobs.encoders.audio.mel import log_mel

RATE_HZ = 16_000


def clicks(bpm: float, seconds: float) -> np.ndarray:
    """A decaying 1 kHz click on every beat, the first after a tenth of a second."""
    samples = np.zeros(round(seconds * RATE_HZ), dtype=np.float32)
    click = np.sin(np.arange(800) * 0.4) * np.exp(-np.arange(800) / 150)
    for beat_s in np.arange(0.1, seconds - 0.06, 60 / bpm):
        start = round(beat_s * RATE_HZ)
        samples[start : start + 800] += click
    return samples


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.1, round(seconds * RATE_HZ)).astype(np.float32)


def test_a_full_scale_square_wave_has_0_db():
    assert signal.loudness_db(np.tile([1.0, -1.0], 8_000)) == pytest.approx(0.0)


def test_half_the_amplitude_is_6_db_less():
    """20 log10(0.5) = -6.02."""
    assert signal.loudness_db(np.full(100, 0.5)) == pytest.approx(-6.02, abs=0.01)


def test_silence_has_the_floor_loudness():
    assert signal.loudness_db(np.zeros(100)) == pytest.approx(-120.0)


@pytest.mark.parametrize("bpm", [72, 97, 120, 151])
def test_clicks_have_their_tempo(bpm):
    assert signal.measure(clicks(bpm, 9)).tempo_bpm == pytest.approx(bpm, rel=0.01)


def test_a_very_fast_pulse_is_reported_at_half_its_tempo():
    """The prior prefers 87 to 174 bpm."""
    assert signal.measure(clicks(174, 9)).tempo_bpm == pytest.approx(87, rel=0.01)


@pytest.mark.parametrize("samples", [noise(9), np.zeros(9 * RATE_HZ, dtype=np.float32)])
def test_without_a_pulse_there_is_no_tempo(samples):
    """Neither noise nor silence repeats itself: unknown, and not 0 bpm."""
    assert signal.measure(samples).tempo_bpm is None


def test_half_a_second_is_too_short_for_a_tempo_but_not_an_error():
    """Half a second holds no two beats of 220 bpm or slower in its half-length correlation."""
    assert signal.measure(noise(0.5)).tempo_bpm is None


def test_every_click_is_one_onset():
    """120 bpm over 8 s from 0.1 s on: 16 clicks, 2 a second."""
    measured = signal.measure(clicks(120, 8))
    assert measured.onset_rate_hz == pytest.approx(2.0)
    assert measured.decoded_s == pytest.approx(8.0)


def test_a_steady_tone_has_one_onset_at_most():
    """Only its beginning can be one."""
    tone = np.sin(np.arange(5 * RATE_HZ) * 0.2).astype(np.float32)
    assert signal.count_onsets(signal.onset_flux(log_mel(tone))) <= 1


def test_only_rises_count_as_flux():
    """Two bands: one rises by 3, one falls by 5; the mean rise is 1.5, and the fall is none."""
    frames = np.array([[0.0, 5.0], [3.0, 0.0]], dtype=np.float32)
    np.testing.assert_array_equal(signal.onset_flux(frames), [0.0, 1.5])
