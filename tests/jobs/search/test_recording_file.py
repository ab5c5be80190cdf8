"""Audio files on disk: decoded as the night decodes, and refused with the reason."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jobs.encoders.audio.decoding.recording import Recording
from jobs.encoders.audio.spectrograms import htcl_mel
from jobs.encoders.content_decoding import decode_all_apart
from jobs.search.recording_file import UnusableRecordingError, read_recording
from tests.jobs.report.sample_media import flac_tone


def wav(samples, rate_hz=16_000):
    sink = io.BytesIO()
    soundfile.write(sink, samples, rate_hz, format="WAV", subtype="PCM_16")
    return sink.getvalue()


@pytest.fixture
def saved(tmp_path):
    def save(content, name="a.flac"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return save


def test_equal_bytes_have_the_spectrogram_of_the_night(settings, saved):
    """As jobs/features/audio.py decodes, with an encoder of another rate and all windows."""
    content = flac_tone(150.0)
    encoders = settings.encoders
    excerpts = htcl_mel.CLIP_S, encoders.max_audio_s, encoders.audio_windows
    night = Recording.of(decode_all_apart("recording", content, 48_000, *excerpts))

    found = read_recording(settings, saved(content))

    assert found.log_mel == htcl_mel.clip_features(night.first)[0]
    assert found.mel_version == str(htcl_mel.identity())
    assert found.content_hash == hashlib.sha256(content).hexdigest()


def test_a_short_file_is_heard_whole_and_a_long_one_for_two_minutes(settings, saved):
    short = read_recording(settings, saved(flac_tone(1.0)))
    long = read_recording(settings, saved(flac_tone(130.0), "b.flac"))

    assert (short.heard_s, short.is_longer) == (pytest.approx(1.0, abs=0.01), False)
    assert (long.heard_s, long.is_longer) == (120.0, True)


def test_what_comes_after_two_minutes_does_not_count(settings, saved):
    """A tone of three minutes, and the same with noise in its last one."""
    times_s = np.arange(180 * 16_000) / 16_000
    tone = 0.5 * np.sin(2 * np.pi * 440 * times_s)
    noisy = tone.copy()
    noisy[121 * 16_000 :] = np.random.default_rng(1).uniform(-0.5, 0.5, 59 * 16_000)

    one, other = (
        read_recording(settings, saved(wav(samples), name))
        for samples, name in ((tone, "a.wav"), (noisy, "b.wav"))
    )

    assert one.log_mel == other.log_mel
    assert one.content_hash != other.content_hash


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty: "),
        (b"no audio at all" * 100, "unreadable: "),
        (flac_tone(0.2), "too_short: 0.200 s of audio"),
        (wav(np.zeros(32_000)), "silent: "),
    ],
    ids=["empty", "text", "short", "silence"],
)
def test_a_file_that_is_no_recording_says_why_and_what_to_do(settings, saved, content, reason):
    path = saved(content)

    with pytest.raises(UnusableRecordingError) as caught:
        read_recording(settings, path)

    assert str(caught.value).startswith(f"{path}: {reason}")
    assert "name a file of FLAC, MP3" in str(caught.value)


def test_a_folder_and_a_file_that_is_gone_are_refused(settings, tmp_path):
    with pytest.raises(UnusableRecordingError, match="it is a folder; name a file in it"):
        read_recording(settings, tmp_path)
    with pytest.raises(UnusableRecordingError, match="it cannot be read: No such file"):
        read_recording(settings, tmp_path / "gone.flac")


def test_a_device_is_not_read(settings):
    """It would never end."""
    with pytest.raises(UnusableRecordingError, match="/dev/zero: it is a device or a pipe"):
        read_recording(settings, Path("/dev/zero"))


def test_sound_after_two_minutes_of_silence_is_said_to_come_too_late(settings, saved):
    samples = np.zeros(125 * 16_000)
    samples[122 * 16_000 :] = 0.5

    with pytest.raises(UnusableRecordingError, match="of sound or more in its first 120 s"):
        read_recording(settings, saved(wav(samples), "late.wav"))
