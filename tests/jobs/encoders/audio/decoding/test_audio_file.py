"""Audio files decode to mono samples at 16 kHz, or fail with a reason."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
import soundfile

from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.audio.decoding import audio_file


def encoded(samples: np.ndarray, rate_hz: int = 16_000, **options: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, **({"format": "WAV", "subtype": "FLOAT"} | options))
    return file.getvalue()


def sine(hz: float, seconds: float, rate_hz: int = 16_000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def square(level: float, n_samples: int = 16_000) -> np.ndarray:
    """A square wave of 500 Hz."""
    return level * np.where(np.arange(n_samples) // 16 % 2 == 0, 1.0, -1.0)


def test_only_the_middle_of_a_long_recording_is_decoded():
    """Of the levels 0, 1, 2, 3, 4 of a second each, the middle one is 2."""
    steps = np.concatenate([square(level) for level in range(5)])
    middle = audio_file.decode(encoded(steps), 1.0)
    assert middle.shape == (16_000,)
    assert np.abs(middle) == pytest.approx(2.0)


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
        (encoded(sine(440, 1.0)[:1]), FailureReason.TOO_SHORT),
        (encoded(np.full(16_000, np.nan)), FailureReason.NOT_FINITE),
        (encoded(np.r_[sine(440, 1.0), np.inf]), FailureReason.NOT_FINITE),
        (encoded(sine(440, 1.0) * 32_767), FailureReason.OUT_OF_RANGE),
        (encoded(np.zeros(16_000)), FailureReason.SILENT),
        (encoded(np.full(16_000, 0.25)), FailureReason.SILENT),
        (encoded(np.tile(sine(440, 1.0), (33, 1)).T), FailureReason.OUT_OF_RANGE),
        (encoded(sine(440, 1.0), 500), FailureReason.OUT_OF_RANGE),
        (
            encoded(np.zeros((9, 8)), 655_350, format="FLAC", subtype="PCM_16"),
            FailureReason.TOO_LARGE,
        ),
    ],
    # libsndfile writes the second of the day into a WAV file: bytes must not name a test.
    ids=[
        *("no byte", "no audio", "cut off", "no sample", "half a second", "one sample"),
        *("not a number", "infinite", "floats scaled as integers", "digital silence", "offset"),
        *("33 channels", "500 Hz", "8 channels at 655 kHz"),
    ],
)
def test_undecodable_bytes_fail_with_a_reason(content, reason):
    with pytest.raises(ContentFailure) as raised:
        audio_file.decode(content, 60)
    assert raised.value.reason is reason


@pytest.mark.parametrize(
    ("rate_hz", "options"),
    [
        (192_000, {"format": "FLAC", "subtype": "PCM_24"}),
        (8_000, {"format": "WAV", "subtype": "PCM_U8"}),
        (44_100, {"format": "WAV", "subtype": "DOUBLE"}),
        (22_050, {"format": "AIFF", "subtype": "PCM_S8"}),
        (11_025, {"format": "WAV", "subtype": "ULAW"}),
    ],
)
def test_every_rate_and_depth_has_its_level(rate_hz, options):
    """A sine of half the full scale has a root mean square of .354, in 8 bits and in 64."""
    samples = audio_file.decode(encoded(sine(440, 1.0, rate_hz), rate_hz, **options), 60)
    assert len(samples) == pytest.approx(16_000, abs=2)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


ID3_TAG = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)


@pytest.mark.parametrize("n_tags", [1, 2])
@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("OGG", "VORBIS"), ("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("FLAC", "PCM_16")],
)
def test_an_id3_tag_may_stand_before_any_format(kind, subtype, n_tags):
    content = encoded(sine(440, 1.0), format=kind, subtype=subtype)
    decoded = audio_file.decode(ID3_TAG * n_tags + content, 60)
    assert decoded == pytest.approx(audio_file.decode(content, 60))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\0\0\0\x20ftypM4A " + bytes(100), "MP4 (AAC or ALAC)"),
        (ID3_TAG + b"wvpk" + bytes(100), "WavPack"),
    ],
)
def test_a_format_that_is_not_decoded_is_called_so_and_not_damaged(content, name):
    with pytest.raises(ContentFailure) as raised:
        audio_file.decode(content, 60)
    assert raised.value.reason is FailureReason.UNREADABLE
    assert raised.value.detail == f"{name} is not decoded; convert the file to FLAC, MP3 or Opus"


def test_floats_above_full_scale_keep_their_level():
    """Mixes are stored at +12 dB; a sine with a peak of 4 stays one."""
    samples = audio_file.decode(encoded(8 * sine(440, 1.0)), 60)
    assert np.abs(samples).max() == pytest.approx(4.0, rel=0.01)


def test_an_offset_is_no_part_of_the_sound():
    """A sine around .4 is a sine around 0."""
    samples = audio_file.decode(encoded(sine(440, 1.0) + 0.4), 60)
    assert samples == pytest.approx(sine(440, 1.0), abs=0.01)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
def test_a_constant_signal_is_silent_at_any_rate(rate_hz):
    """A resampler rings at both ends of an offset; a constant channel takes nothing of a mix."""
    offset = np.full(rate_hz, 0.25)
    with pytest.raises(ContentFailure) as raised:
        audio_file.decode(encoded(offset, rate_hz), 60)
    two_channels = encoded(np.stack([sine(440, 1.0, rate_hz), offset], axis=1), rate_hz)

    assert raised.value.reason is FailureReason.SILENT
    level = np.sqrt(np.mean(audio_file.decode(two_channels, 60) ** 2))
    assert level == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_memory_does_not_grow_with_the_sample_rate():
    """Twenty seconds of 8 channels at 192 kHz are 123 MB of samples; 16 kHz keep 10 MB of them."""
    quiet = np.tile(sine(440, 20.0, 192_000), (8, 1)).T
    content = encoded(quiet, 192_000, format="FLAC", subtype="PCM_16")
    tracemalloc.start()
    samples = audio_file.decode(content, 60)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(samples) == 320_000
    assert peak_bytes < 60e6


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
