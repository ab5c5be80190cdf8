"""The log-mel spectrogram of feat_mel."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.audio.spectrograms import htcl_mel

RATE_HZ = 16_000


def frames_of(samples: np.ndarray) -> tuple[np.ndarray, int]:
    stored, n_frames = htcl_mel.clip_features(samples.astype(np.float32))
    return np.frombuffer(stored, "<f2").reshape(1251, 128).astype(np.float64), n_frames


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(8).normal(0, 0.1, round(seconds * RATE_HZ))


def test_it_equals_librosa():
    """By frame and band, in dB.

    Expected: librosa 0.10.2, power_to_db(feature.melspectrogram(sr=16000, n_fft=2048,
    hop_length=1536, n_mels=128, fmin=0, fmax=8000, htk=True, norm=None, pad_mode="constant"),
    amin=1e-10, top_db=80). On three real recordings all frames differed by less than 9e-5.
    """
    time = np.arange(16_384)
    samples = 0.5 * np.sin(0.05 * time) + 0.3 * np.sin(0.7 * time + 1) * np.cos(0.001 * time)
    level = htcl_mel.log_mel_db(samples.astype(np.float32))
    expected = {
        (0, 0): 22.8771,
        (0, 5): 29.0215,
        (5, 2): -22.6798,
        (5, 10): 0.2556,
        (8, 60): -32.6438,
        (10, 127): -32.6438,
    }
    assert {at: float(level[at]) for at in expected} == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("seconds", "n_frames"), [(120, 1251), (130, 1251), (9.6, 101), (0.5, 6)])
def test_a_clip_has_1251_frames_of_128_bands(seconds, n_frames):
    """A frame each 96 ms and the one at 0; the rest of a short clip is padding."""
    frames, counted = frames_of(noise(seconds))
    assert counted == n_frames
    assert len(np.unique(frames[n_frames:])) <= 1


def test_each_clip_has_mean_0_and_deviation_1():
    frames, _ = frames_of(5 * noise(30))
    assert frames.mean() == pytest.approx(0, abs=1e-3)
    assert frames.std() == pytest.approx(1, abs=1e-3)


def test_padding_is_80_db_below_the_maximum():
    """Undone, the standardisation of a clip keeps distances: padding is 80 dB below the top."""
    samples = noise(9.6)
    frames, n_frames = frames_of(samples)
    level = htcl_mel.log_mel_db(samples.astype(np.float32))
    scale = (level.max() - level.min()) / (frames[:n_frames].max() - frames[:n_frames].min())
    assert (frames.max() - frames[-1, 0]) * scale == pytest.approx(80, abs=0.2)


@pytest.mark.parametrize("hz", [440, 2_000, 6_000])
def test_a_tone_peaks_in_the_band_around_it(hz):
    """Band b of HTK's scale has its centre at (b + 1) of 129 equal steps to 8 kHz."""
    level = htcl_mel.log_mel_db(
        np.sin(2 * np.pi * hz * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    )
    step = 2595 * np.log10(1 + 8_000 / 700) / 129
    assert level[5].argmax() == pytest.approx(2595 * np.log10(1 + hz / 700) / step - 1, abs=1)
