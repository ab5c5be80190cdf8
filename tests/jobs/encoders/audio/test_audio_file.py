"""Audio files decode to mono samples at 16 kHz, or fail with a reason."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from jobs.encoders.audio import audio_file
from jobs.encoders.failure_reasons import ContentFailure, FailureReason


def encoded(samples: np.ndarray, rate_hz: int = 16_000, **options: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **({"format": "WAV", "subtype": "FLOAT"} | options))
    return file.getvalue()


def sine(hz: float, seconds: float, rate_hz: int = 16_000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def test_channels_are_averaged():
    """1 on the left and 0.5 on the right are 0.75."""
    stereo = np.tile([1.0, 0.5], (16_000, 1))
    assert audio_file.decode(encoded(stereo), 60) == pytest.approx(0.75)


def test_only_the_middle_of_a_long_recording_is_decoded():
    """Of the seconds 0, 1, 2, 3, 4 the middle one holds the value 2."""
    steps = np.repeat([0.0, 1.0, 2.0, 3.0, 4.0], 16_000)
    middle = audio_file.decode(encoded(steps), 1.0)
    assert middle.shape == (16_000,)
    assert (middle == 2.0).all()


def test_another_rate_is_resampled_to_16_khz():
    """A second stays a second, and a tone keeps its pitch."""
    samples = audio_file.decode(encoded(sine(1000, 1.0, 44_100), 44_100), 60)
    spectrum = np.abs(np.fft.rfft(samples[:16_000]))
    assert len(samples) == pytest.approx(16_000, abs=2)
    assert np.argmax(spectrum) == 1000  # bins of 1 Hz


@pytest.mark.parametrize(
    "options",
    [
        {"format": "FLAC", "subtype": "PCM_16"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    ],
)
def test_every_supported_format_is_decoded(options):
    samples = audio_file.decode(encoded(sine(500, 1.0), **options), 60)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


FLAC = encoded(sine(440, 1.0), format="FLAC", subtype="PCM_16")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", FailureReason.EMPTY),
        (b"this is no audio at all", FailureReason.UNREADABLE),
        (FLAC[:30], FailureReason.UNREADABLE),
        (encoded(np.zeros(0)), FailureReason.EMPTY),
        (encoded(sine(440, 0.49)), FailureReason.TOO_SHORT),
        (encoded(np.full(16_000, np.nan)), FailureReason.NOT_FINITE),
    ],
    # libsndfile writes the second of the day into a WAV file: bytes must not name a test.
    ids=["no byte", "no audio", "cut off", "no sample", "half a second", "not finite"],
)
def test_undecodable_bytes_fail_with_a_reason(content, reason):
    with pytest.raises(ContentFailure) as raised:
        audio_file.decode(content, 60)
    assert raised.value.reason is reason


def test_half_a_second_is_enough():
    """MIN_S itself is long enough."""
    assert len(audio_file.decode(encoded(sine(440, 0.5)), 60)) == 8_000


def test_a_truncated_flac_file_is_unreadable():
    """Half a recording must not pass for a whole one."""
    noise = np.random.default_rng(7).uniform(-0.5, 0.5, 32_000)
    whole = encoded(noise, format="FLAC", subtype="PCM_16")
    with pytest.raises(ContentFailure) as raised:
        audio_file.decode(whole[: len(whole) // 2], 60)
    assert raised.value.reason is FailureReason.UNREADABLE
