"""Measures of signals whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.audio.descriptors import signal

RATE_HZ = 16_000


def tone(hz: float, seconds: float, level: float = 0.5) -> np.ndarray:
    moments_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * hz * moments_s)).astype(np.float32)


@pytest.mark.parametrize("hz", [500, 4_000])
def test_the_centroid_of_a_tone_is_its_frequency(hz):
    assert signal.measure([tone(hz, 2)]).spectral_centroid_hz == pytest.approx(hz, rel=0.02)


def test_the_centroid_of_white_noise_is_the_middle_of_the_spectrum():
    noise = np.random.default_rng(2).normal(0, 0.1, 2 * RATE_HZ).astype(np.float32)
    assert signal.measure([noise]).spectral_centroid_hz == pytest.approx(4_000, rel=0.03)


def test_silence_is_a_share_of_the_time_and_has_no_brightness():
    """Of 4 s the last is at -74 dB: a quarter is silent, and the centroid is that of the tone."""
    samples = np.concatenate([tone(1_000, 3), tone(3_000, 1, level=2e-4)])
    measured = signal.measure([samples])
    assert measured.silence_ratio == pytest.approx(0.25, abs=0.02)
    assert measured.spectral_centroid_hz == pytest.approx(1_000, rel=0.03)


def test_windows_add_up():
    """Three windows of 2 s, one of them silent."""
    silent = np.zeros(2 * RATE_HZ, dtype=np.float32)
    measured = signal.measure([tone(700, 2), silent, tone(700, 2)])
    assert measured.decoded_s == pytest.approx(6.0)
    assert measured.silence_ratio == pytest.approx(1 / 3, abs=0.01)


def test_silence_and_the_shortest_recording_have_no_tempo_and_no_key():
    for samples in (np.zeros(RATE_HZ, dtype=np.float32), tone(440, 0.5)):
        measured = signal.measure([samples])
        assert (measured.tempo_bpm, measured.beat_strength_ratio) == (None, None)
    assert signal.measure([np.zeros(RATE_HZ, dtype=np.float32)]).key_tonic is None
