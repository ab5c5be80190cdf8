"""The log-mel spectrogram equals librosa's and has the expected frames, bands and range."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.audio.spectrograms import musicnn_mel


def test_it_equals_librosa():
    """The weights were trained on librosa's mel spectrograms.

    Expected: log10(10000 * m + 1) of librosa 0.11.0's feature.melspectrogram(sr=16000, n_fft=512,
    hop_length=256, n_mels=96, pad_mode="reflect"), by frame and band.
    """
    time = np.arange(4096)
    samples = 0.5 * np.sin(0.05 * time) + 0.3 * np.sin(0.7 * time + 1) * np.cos(0.001 * time)
    frames = musicnn_mel.log_mel(samples.astype(np.float32))
    expected = {
        (0, 0): 5.1800,
        (0, 3): 4.6259,
        (5, 2): 5.4095,
        (5, 4): 5.6263,
        (16, 50): 4.2465,
        (16, 95): 0.1426,
    }
    assert {at: round(float(frames[at]), 4) for at in expected} == pytest.approx(expected, abs=2e-4)


def test_three_seconds_have_one_frame_per_16_ms():
    """48,000 samples: 187 hops of 256 and the frame at 0."""
    frames = musicnn_mel.log_mel(np.ones(48_000, dtype=np.float32))
    assert frames.shape == (188, 96)
    assert frames.dtype == np.float32


def test_silence_is_zero():
    assert (musicnn_mel.log_mel(np.zeros(16_000, dtype=np.float32)) == 0).all()


def test_loud_music_does_not_overflow():
    """A full-scale tone in one band has a power above 65,504 / 10,000, the most that float16 could hold."""
    time_s = np.arange(16_000) / 16_000
    frames = musicnn_mel.log_mel(np.sin(2 * np.pi * 200 * time_s).astype(np.float32))
    assert np.isfinite(frames).all()
    assert frames.max() > np.log10(65_504)


@pytest.mark.parametrize(("hz", "band"), [(435.35, 13), (1285.94, 39), (2442.15, 59)])
def test_a_tone_peaks_in_the_band_around_it(hz, band):
    """The bands' centres are entries 1 to 96 of librosa.mel_frequencies(n_mels=98, fmax=8000)."""
    tone = np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000).astype(np.float32)
    assert int(musicnn_mel.log_mel(tone)[30].argmax()) == band
