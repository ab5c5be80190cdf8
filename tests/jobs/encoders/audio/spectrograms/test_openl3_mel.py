"""OpenL3's mel spectrogram against librosa and kapre, and on sounds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.audio.spectrograms.openl3_mel import mel_decibels

TIME_S = np.arange(48_000) / 48_000


def half_a_second() -> np.ndarray:
    """A chirp from 200 to 8,200 Hz in weak noise, 24,000 samples."""
    time_s = TIME_S[:24_000]
    chirp = 0.3 * np.sin(2 * np.pi * (200 * time_s + 8000 * time_s**2))
    return (chirp + 0.1 * (np.random.default_rng(4).random(24_000) - 0.5)).astype(np.float32)


def test_it_is_what_the_weights_were_trained_on():
    """Values of librosa 0.11: float64, htk, norm slaney, no centring after 982 zeros on each side.

    Then square root and 10 log10. kapre 0.1.4's layer under tf_keras 2.21 gives the same to 2e-4 dB.
    """
    window = np.concatenate([np.zeros(24_000, np.float32), half_a_second()])

    found = mel_decibels(window)

    assert (found.shape, found.dtype) == ((256, 199), np.float32)
    cells = [(10, 150), (64, 100), (64, 140), (128, 180), (141, 150), (255, 198)]
    expected = [-22.1169, -19.5352, -22.2653, -20.5224, -1.4000, -21.6852]
    assert [float(found[cell]) for cell in cells] == pytest.approx(expected, abs=5e-4)


def test_a_tone_lies_in_the_band_of_its_mel():
    """HTK has 1,000 mel at 1 kHz and 4,016.0 at 24 kHz: 64 of 257 equal steps are 1,000.1 mel.

    So band 63, counted from 0, has its centre there.
    """
    found = mel_decibels((0.5 * np.sin(2 * np.pi * 1000 * TIME_S)).astype(np.float32))

    assert found[:, 100].argmax() == 63
    assert found.max() == 0
    assert found[200, 100] < -60


def test_a_tenth_of_the_amplitude_is_ten_decibels_less():
    """Not twenty: kapre takes 10 log10 of an amplitude."""
    loud_then_soft = np.where(TIME_S < 0.5, 0.5, 0.05) * np.sin(2 * np.pi * 1000 * TIME_S)

    found = mel_decibels(loud_then_soft.astype(np.float32))

    assert found[63, 50] - found[63, 150] == pytest.approx(10, abs=0.01)


def test_the_loudness_of_a_recording_changes_nothing():
    window = np.concatenate([half_a_second(), half_a_second()])

    assert np.abs(mel_decibels(window) - mel_decibels(window / 64)).max() < 1e-5


def test_silence_is_zero_everywhere_as_in_kapre():
    found = mel_decibels(np.zeros(48_000, np.float32))

    assert (found == 0).all()
    assert found.shape == (256, 199)


def test_eighty_decibels_below_the_loudest_is_the_floor():
    """A click of one sample is in frames 96 to 104 alone; the others are silent."""
    window = np.zeros(48_000, np.float32)
    window[24_000] = 1

    found = mel_decibels(window)

    assert (found[:, [0, 90, 110, 198]] == -80).all()
    assert found[:, 100].max() > -1
    assert (found[[0, 7]] == -80).all()  # these bands hold no bin
