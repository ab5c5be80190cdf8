"""A recording is decoded once for windows, beginning and loudness."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile

from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.audio.decoding import loudness, recording
from jobs.encoders.audio.decoding.recording import Recording
from jobs.encoders.audio.descriptors import signal
from tests.jobs.encoders.audio.decoding.test_audio_file import encoded, sine, square
from tests.jobs.encoders.audio.decoding.test_stream import FALSE_LENGTHS
from tests.jobs.encoders.audio.recordings import RECORDINGS


def decoded(
    content: bytes, first_s=0.0, windows_s=60.0, n_windows=1, encoder_hz=16_000
) -> Recording:
    return Recording.of(recording.decode(content, encoder_hz, first_s, windows_s, n_windows))


STEPS = np.concatenate([square(level / 10) for level in range(1, 11)])
"""Ten seconds, of the levels .1, .2, ... 1.0."""


def test_windows_and_beginning_hold_what_is_there_in_the_file():
    """Five windows of .4 s lie in seconds 1, 3, 5, 7 and 9; the first 2.5 s end in the third."""
    heard = decoded(encoded(STEPS), first_s=2.5, windows_s=2, n_windows=5)

    levels = [
        np.unique(np.abs(window).astype(np.float64).round(3)).tolist() for window in heard.windows
    ]
    assert [len(window) for window in heard.windows] == [6_400] * 5
    assert levels == [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8], [0.9, 1.0]]
    assert len(heard.first) == 40_000
    assert np.abs(heard.first[[100, 20_000, 39_000]]) == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 96_000])
def test_windows_of_another_rate_lie_at_the_same_seconds(rate_hz):
    """A sine that changes its pitch each second tells where a window is from."""
    content = encoded(
        np.concatenate([sine(400 * (second + 1), 1.0, rate_hz) for second in range(8)]), rate_hz
    )
    heard = decoded(content, first_s=1.5, windows_s=1, n_windows=4)

    for number, window in enumerate(heard.windows):
        assert len(window) == pytest.approx(4_000, abs=2)
        expected_hz = 400 * (2 * number + 1), 400 * (2 * number + 2)
        for part, hz in zip(np.split(window[:4_000], 2), expected_hz, strict=True):
            assert np.abs(np.fft.rfft(part)).argmax() * 8 == pytest.approx(hz, abs=16)


def test_windows_do_not_depend_on_whether_the_beginning_is_wanted():
    """Each is mixed by itself, so that one cannot change the level of the other."""
    content = encoded(np.stack([STEPS, 0.3 * STEPS[::-1]], axis=1))
    alone, both = (decoded(content, first_s, 2, 4) for first_s in (0, 5))

    for one, other in zip(alone.windows, both.windows, strict=True):
        np.testing.assert_array_equal(one, other)
    assert silent(alone, "first")
    assert len(both.first) == 80_000


SILENCE = np.zeros(80_000)


def silent(heard, excerpt):
    """Whether this excerpt is refused because it is silent."""
    with pytest.raises(ContentFailure) as raised:
        getattr(heard, excerpt)
    return raised.value.reason is FailureReason.SILENT


def test_a_silent_beginning_is_no_fault_of_the_windows():
    heard = decoded(encoded(np.concatenate([SILENCE, STEPS])), first_s=4, windows_s=2)
    assert silent(heard, "first")
    assert [len(window) for window in heard.windows] == [32_000]


def test_silent_windows_are_no_fault_of_the_beginning():
    """Sound, then silence: windows in the middle of 15 s begin after the sound has ended."""
    content = encoded(np.concatenate([STEPS[-32_000:], SILENCE, SILENCE, SILENCE]))
    heard = decoded(content, first_s=4, windows_s=2, n_windows=2)
    assert silent(heard, "windows")
    assert len(heard.first) == 64_000


def test_a_silent_recording_is_silent_throughout():
    heard = decoded(encoded(SILENCE), first_s=2, windows_s=2, n_windows=3)
    assert silent(heard, "windows")
    assert silent(heard, "first")


def test_two_hours_are_never_in_memory(tmp_path):
    """The first 120 s and four windows of 15 s are 11.5 MB at 16 kHz; two hours would be 461 MB.

    A tone of 300 Hz stands in the first 120 s, and one of 700 Hz behind them. NumPy's arrays are counted.
    """
    file = tmp_path / "two_hours.flac"
    with soundfile.SoundFile(file, "w", 2_000, 1, format="FLAC") as written:
        for minute in range(120):
            written.write(0.5 * sine(300 if minute < 2 else 700, 60.0, 2_000))
    content = file.read_bytes()

    tracemalloc.start()
    heard = decoded(content, first_s=120, windows_s=60, n_windows=4)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 100e6
    assert len(heard.first) == 120 * 16_000
    assert [len(window) for window in heard.windows] == [15 * 16_000] * 4
    for excerpt, hz in ((heard.first, 300), (heard.windows[1], 700)):
        second = excerpt[-20_000:-4_000]
        assert np.abs(np.fft.rfft(second)).argmax() == hz


@pytest.mark.parametrize("content", FALSE_LENGTHS.values(), ids=FALSE_LENGTHS)
def test_a_false_length_gives_windows_of_what_there_is(content):
    """10 s of noise that grows; windows of .5 s, of which the last is the loudest."""
    heard = decoded(content, first_s=3, windows_s=2, n_windows=4)
    assert [len(window) for window in heard.windows] == [8_000] * 4
    levels = [float(np.sqrt(np.mean(window**2))) for window in heard.windows]
    assert levels == sorted(levels)
    assert 32_000 <= len(heard.first) <= 48_000


def test_loudness_is_measured_in_the_channels_of_the_file():
    """Two channels of a tone of 1 kHz at -20 dBFS, which BS.1770 gives -20 LUFS."""
    tone = np.tile(0.1 * 2 * sine(1_000, 5.0, 48_000)[:, None], (1, 2))
    heard = decoded(encoded(tone, 48_000))
    assert heard.loudness.integrated_lufs == pytest.approx(-20.0, abs=0.1)
    assert heard.loudness.true_peak_dbtp == pytest.approx(-20.0, abs=0.1)


def test_opposite_channels_are_heard():
    """A plug wired the wrong way round: clicks at 120 bpm whose mean is silence."""
    beats = np.zeros(10 * 16_000)
    for start in range(1_600, len(beats) - 800, 8_000):
        beats[start : start + 800] = np.sin(np.arange(800) * 0.4) * np.exp(-np.arange(800) / 150)
    heard = decoded(encoded(np.stack([0.5 * beats, -0.5 * beats], axis=1)))
    one_sided = decoded(encoded(0.5 * beats))

    level, expected = (np.sqrt(np.mean(one.windows[0] ** 2)) for one in (heard, one_sided))
    assert level == pytest.approx(expected, rel=0.01)
    assert signal.measure(heard.windows).tempo_bpm == pytest.approx(120, rel=0.01)


@pytest.mark.parametrize("encoder_hz", [16_000, 24_000, 48_000])
def test_an_encoder_hears_the_same_windows_at_its_rate(encoder_hz):
    content = encoded(STEPS)
    heard, of_16_khz = decoded(content, 2.5, 2, 5, encoder_hz), decoded(content, 2.5, 2, 5)

    assert [len(window) for window in heard.encoder_windows] == [encoder_hz * 2 // 5] * 5
    for window, other in zip(heard.windows, of_16_khz.windows, strict=True):
        np.testing.assert_array_equal(window, other)
    levels = [[round(float(np.sqrt(np.mean(one**2))), 2) for one in each]
              for each in (heard.encoder_windows, heard.windows)]  # fmt: skip
    assert levels[0] == pytest.approx(levels[1], abs=0.02)


@pytest.mark.parametrize(
    ("file_format", "subtype", "low_frequencies"),
    [("FLAC", "PCM_16", 3), ("WAV", "PCM_16", 3), ("OGG", "VORBIS", 5)],
)
def test_the_channel_of_low_frequencies_is_known_by_the_format(
    file_format, subtype, low_frequencies
):
    """A tone in it alone has no loudness; Vorbis has it last."""
    content = np.zeros((3 * 48_000, 6), np.float32)
    content[:, low_frequencies] = 0.1 * sine(1_000, 3.0, 48_000)
    content[:, 0] = 1e-5 * sine(1_000, 3.0, 48_000)

    heard = decoded(encoded(content, 48_000, format=file_format, subtype=subtype))

    assert heard.loudness.integrated_lufs is None
    assert heard.loudness.true_peak_dbtp > -30


@pytest.mark.parametrize("order", [1, -1], ids=["loud first", "loud last"])
def test_loudness_is_that_of_the_whole_recording(order):
    """200 s, of which 60 s are encoded and 20 s are the beginning; half of it is 15 dB softer."""
    tone = np.repeat([0.5, 0.5 * 10**-0.75], 8_000 * 100)[::order] * sine(1_000, 200.0, 8_000)
    heard = decoded(encoded(tone.astype(np.float32), 8_000), first_s=20, n_windows=4)

    expected = loudness.measure(tone[:, None].astype(np.float32), 8_000)
    assert heard.loudness.integrated_lufs == pytest.approx(expected.integrated_lufs, abs=0.05)
    assert heard.loudness.range_lu == pytest.approx(expected.range_lu, abs=0.05)
    assert heard.loudness.true_peak_dbtp == pytest.approx(expected.true_peak_dbtp, abs=0.05)


REAL = {
    "198-209-0000": (-27.8, -7.4),
    "5703-47212-0000": (-19.6, -1.9),
    "Hungarian_Dance": (-18.5, -2.1),
    "Karissa_Hobbs": (-14.0, -0.3),
    "Kevin_MacLeod_-_P_I": (-18.6, -0.5),
    "Kevin_MacLeod_-_Vibe": (-17.2, -0.4),
    "admiralbob77": (-25.5, -7.6),
    "glacier-bay": (-27.8, -2.3),
    "sorohanro": (-16.0, -2.9),
}
"""Integrated loudness and true peak by `ffmpeg -filter_complex ebur128=peak=true` of Debian 12."""


@pytest.mark.parametrize("name", REAL)
def test_real_recordings_are_as_loud_as_ffmpeg_says(name):
    if not RECORDINGS.is_dir():
        pytest.skip(f"the recordings of librosa-cc-audio are not in {RECORDINGS}")
    [file] = RECORDINGS.glob(f"{name}*.ogg")
    lufs, peak_dbtp = REAL[name]
    heard = decoded(file.read_bytes(), first_s=120, windows_s=60, n_windows=4)
    assert heard.loudness.integrated_lufs == pytest.approx(lufs, abs=0.5)
    assert heard.loudness.true_peak_dbtp == pytest.approx(peak_dbtp, abs=0.3)


@pytest.mark.parametrize(
    ("name", "tempo_bpm", "key"),
    [
        ("admiralbob77", 136.0, None),
        ("Karissa_Hobbs", 117.5, None),
        ("147793__setuniman", 152.0, None),
        ("442789__lena-orsa", 143.6, None),
        ("Kevin_MacLeod_-_Vibe", 129.2, None),
        ("Kevin_MacLeod_-_P_I", 107.7, ("E", "minor")),
        ("Hungarian_Dance", None, ("G", "minor")),
    ],
)
def test_real_recordings_have_their_tempo_and_key(name, tempo_bpm, key):
    """Tempo within 4 % or an octave, by librosa 0.10.2's beat_track; keys by their scores.

    The Dance of the Sugar Plum Fairy is in E minor. The Hungarian Dance, in F sharp minor for
    piano, is in G minor for orchestra, and D, G and B flat are what is heard most in this file.
    """
    if not RECORDINGS.is_dir():
        pytest.skip(f"the recordings of librosa-cc-audio are not in {RECORDINGS}")
    [file] = RECORDINGS.glob(f"{name}*.ogg")
    heard = decoded(file.read_bytes(), first_s=120, windows_s=60, n_windows=4)
    measured = signal.measure(heard.windows)
    if tempo_bpm is not None:
        assert measured.tempo_bpm is not None
        octaves = np.log2(measured.tempo_bpm / tempo_bpm)
        assert abs(octaves - round(octaves)) < np.log2(1.04)
    if key is not None:
        assert (measured.key_tonic, measured.key_mode) == key
