"""Tempo, beats and onsets of signals whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.audio.descriptors import rhythm
from jobs.encoders.audio.spectrograms.musicnn_mel import log_mel

RATE_HZ = 16_000


def clicks(bpm: float, seconds: float) -> np.ndarray:
    """A decaying 1 kHz click on every beat, the first after a tenth of a second."""
    samples = np.zeros(round(seconds * RATE_HZ), dtype=np.float32)
    click = np.sin(np.arange(800) * 0.4) * np.exp(-np.arange(800) / 150)
    for beat_s in np.arange(0.1, seconds - 0.06, 60 / bpm):
        start = round(beat_s * RATE_HZ)
        samples[start : start + 800] += click
    return samples


def noise(seconds: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ)).astype(np.float32)


def flux(samples: np.ndarray) -> np.ndarray:
    return rhythm.onset_flux(log_mel(samples))


def tempo_bpm(*windows: np.ndarray) -> float | None:
    pulse = rhythm.pulse([flux(window) for window in windows])
    return pulse and pulse.tempo_bpm


@pytest.mark.parametrize("bpm", [72, 97, 120, 151])
def test_clicks_have_their_tempo(bpm):
    assert tempo_bpm(clicks(bpm, 9)) == pytest.approx(bpm, rel=0.01)


def test_a_very_fast_pulse_is_reported_at_half_its_tempo():
    """The prior prefers 87 to 174 bpm."""
    assert tempo_bpm(clicks(174, 9)) == pytest.approx(87, rel=0.01)


@pytest.mark.parametrize("seconds", [0.5, 1, 1.5, 2, 3, 4, 6, 12, 30])
def test_noise_of_any_length_has_no_tempo(seconds):
    """Short noise repeats itself by chance, and more clearly the shorter it is."""
    assert {tempo_bpm(noise(seconds, seed)) for seed in range(1_000, 1_020)} == {None}


@pytest.mark.parametrize("seconds", [3, 5])
def test_a_clear_pulse_needs_no_minute(seconds):
    assert tempo_bpm(clicks(120, seconds)) == pytest.approx(120, rel=0.02)


@pytest.mark.parametrize("samples", [noise(9), np.zeros(9 * RATE_HZ, dtype=np.float32)])
def test_without_a_pulse_there_is_no_tempo(samples):
    """Neither noise nor silence repeats itself: unknown, and not 0 bpm."""
    assert tempo_bpm(samples) is None


def test_half_a_second_is_too_short_for_a_tempo_but_not_an_error():
    """Half a second holds no two beats of 220 bpm or slower in its half-length correlation."""
    assert tempo_bpm(noise(0.5)) is None


def test_every_click_is_one_onset():
    """120 bpm over 8 s from 0.1 s on: 16 clicks."""
    assert rhythm.count_onsets(flux(clicks(120, 8))) == 16


def test_a_steady_tone_has_one_onset_at_most():
    """Only its beginning can be one."""
    tone = np.sin(np.arange(5 * RATE_HZ) * 0.2).astype(np.float32)
    assert rhythm.count_onsets(flux(tone)) <= 1


def test_only_rises_count_as_flux():
    """Two bands: one rises by 3, one falls by 5; the mean rise is 1.5, and the fall is none."""
    frames = np.array([[0.0, 5.0], [3.0, 0.0]], dtype=np.float32)
    np.testing.assert_array_equal(rhythm.onset_flux(frames), [0.0, 1.5])


def test_windows_that_do_not_fit_together_have_the_tempo_of_each():
    """Joined, the second window would be off the beat of the first."""
    assert tempo_bpm(clicks(97, 9), clicks(97, 9)[5_000:]) == pytest.approx(97, rel=0.01)


def test_beats_fall_on_the_clicks():
    """One click each half second from 0.1 s on; a frame has 16 ms."""
    found = rhythm.beats(flux(clicks(120, 8)), period=31.25) * 0.016
    np.testing.assert_allclose(found, np.arange(0.1, 8, 0.5), atol=0.03)


def test_beats_are_kept_through_a_click_that_is_missing():
    """The click at 4.1 s is silent; its beat is where the tempo has it."""
    samples = clicks(120, 8)
    samples[round(4.05 * RATE_HZ) : round(4.5 * RATE_HZ)] = 0
    found = rhythm.beats(flux(samples), period=31.25) * 0.016
    np.testing.assert_allclose(found, np.arange(0.1, 8, 0.5), atol=0.06)


def test_clicks_are_all_beat_and_noise_on_a_click_is_less():
    """Of clicks alone the whole flux is on beats; hiss between them rises at any time."""
    clear = rhythm.pulse([flux(clicks(120, 9))])
    hissing = rhythm.pulse([flux(clicks(120, 9) + 0.1 * noise(9))])
    assert clear is not None
    assert hissing is not None
    assert clear.beat_strength_ratio == pytest.approx(1.0, abs=0.02)
    assert clear.confidence > hissing.confidence > 0.8
    assert 5 / 31 < hissing.beat_strength_ratio < 0.7  # five of 31 frames are near a beat
