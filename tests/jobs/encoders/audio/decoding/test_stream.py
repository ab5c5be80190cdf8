"""Files whose headers state no length, or a false one, are decoded as far as they go."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.audio.decoding import audio_file, stream
from tests.jobs.encoders.audio.decoding.test_audio_file import encoded

N_SAMPLES = 160_000  # 10 s
NOISE = np.random.default_rng(3).uniform(-0.5, 0.5, N_SAMPLES) * np.linspace(0.01, 1, N_SAMPLES)
"""It grows louder, so that its part tells where it is from."""
UNKNOWN = 0xFFFF_FFFF


def with_bytes(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def flac(total: int) -> bytes:
    """The total has the lower 36 of the bits 18 to 26."""
    content = encoded(NOISE, format="FLAC", subtype="PCM_16")
    others = int.from_bytes(content[18:26], "big") >> 36 << 36
    return with_bytes(content, 18, (others | total).to_bytes(8, "big"))


def mp3(factor: float) -> bytes:
    """Its Xing header states `factor` times the true number of frames."""
    content = encoded(NOISE, format="MP3", subtype="MPEG_LAYER_III")
    at = content.index(b"Xing") + 8
    [n_frames] = struct.unpack_from(">I", content, at)
    return with_bytes(content, at, struct.pack(">I", min(UNKNOWN, round(factor * n_frames))))


def mp3_without_xing() -> bytes:
    content = encoded(NOISE, format="MP3", subtype="MPEG_LAYER_III")
    return with_bytes(content, content.index(b"Xing"), bytes(8))


def wav(length: int, riff: int = UNKNOWN) -> bytes:
    content = encoded(NOISE, subtype="PCM_16")
    content = with_bytes(content, 4, struct.pack("<I", riff))
    return with_bytes(content, content.index(b"data") + 4, struct.pack("<I", length))


def rf64(lengths: bytes) -> bytes:
    content = encoded(NOISE, format="RF64", subtype="PCM_16")
    return with_bytes(content, content.index(b"ds64") + 8, lengths)


def au(length: int) -> bytes:
    return with_bytes(encoded(NOISE, format="AU", subtype="PCM_16"), 8, struct.pack(">I", length))


def caf(length: int) -> bytes:
    content = encoded(NOISE, format="CAF", subtype="PCM_16")
    return with_bytes(content, content.index(b"data") + 4, struct.pack(">q", length))


def aiff(n_frames: int) -> bytes:
    content = encoded(NOISE, format="AIFF", subtype="PCM_16")
    return with_bytes(content, content.index(b"COMM") + 10, struct.pack(">I", n_frames))


LARGE_ID3 = b"ID3\4\0\0\0\x10\0\0" + bytes(2**18)  # more than is searched behind other bytes

FALSE_LENGTHS = {
    "flac 0": flac(0),
    "flac doubled": flac(2 * N_SAMPLES),
    "flac 2^36 - 1": flac(2**36 - 1),
    "mp3 0": mp3(0),
    "mp3 halved": mp3(0.5),
    "mp3 doubled": mp3(2),
    "mp3 tripled": mp3(3),
    "mp3 FFFFFFFF": mp3(1e9),
    "mp3 without": mp3_without_xing(),
    "mp3 behind a byte": b"x" + mp3(1),
    "mp3 behind NULs": bytes(2_000) + mp3(1),
    "mp3 behind ID3 and NULs": b"ID3\4\0\0\0\0\0\x0a" + bytes(900) + mp3(2),
    "mp3 behind a byte and a large ID3": b"x" + LARGE_ID3 + mp3(2),
    "mp3 behind what looks like an ID3": b"ID3 and no tag" + mp3(1),
    "mp3 behind APE tags": b"APETAGEX\xd0\7\0\0\x20\0\0\0" + bytes(60) + mp3(1),
    "wav 0": wav(0, riff=0),
    "wav 1": wav(1),
    "wav half": wav(N_SAMPLES),
    "wav FFFFFFFF": wav(UNKNOWN),
    "rf64 0": rf64(bytes(24)),
    "rf64 FFFFFFFF": rf64(b"\xff" * 24),
    "au 0": au(0),
    "au FFFFFFFF": au(UNKNOWN),
    "caf -1": caf(-1),
    "caf 0": caf(0),
    "caf 10^15": caf(10**15),
    "aiff 0": aiff(0),
    "aiff FFFFFFFF": aiff(UNKNOWN),
}


@pytest.mark.parametrize("content", FALSE_LENGTHS.values(), ids=FALSE_LENGTHS)
def test_all_of_a_recording_is_decoded_whatever_its_header_says(content):
    """An MP3 without its header also has what its encoder added, under a tenth of a second."""
    samples = audio_file.decode(content, 60)
    assert len(samples) == pytest.approx(N_SAMPLES, abs=1_600)
    loudness = [np.sqrt(np.mean(part**2)) for part in np.array_split(samples, 4)]
    assert loudness == sorted(loudness)


@pytest.mark.parametrize("content", FALSE_LENGTHS.values(), ids=FALSE_LENGTHS)
def test_a_second_of_it_is_a_whole_second(content):
    """From the middle where the length can be counted, otherwise from the start; never empty."""
    assert len(audio_file.decode(content, 1.0)) == 16_000


@pytest.mark.parametrize("name", ["mp3 doubled", "mp3 tripled", "mp3 halved", "wav 0", "caf -1"])
def test_a_length_that_can_be_counted_gives_the_middle(name):
    """Half way the noise has half its level, .5 x .289 of a uniform distribution within 1."""
    samples = audio_file.decode(FALSE_LENGTHS[name], 1.0)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.5 * 0.289, rel=0.1)


def test_a_flac_stream_without_a_length_is_decoded_from_its_start():
    """In its first second the noise grows to a tenth."""
    samples = audio_file.decode(flac(0), 1.0)
    assert np.sqrt(np.mean(samples**2)) < 0.1 * 0.289


def test_a_cut_flac_stream_without_a_length_is_unreadable():
    """The end is checked too, though only the start is kept."""
    content = flac(0)
    with pytest.raises(ContentFailure) as raised:
        audio_file.decode(content[: len(content) * 2 // 3], 1.0)
    assert raised.value.reason is FailureReason.UNREADABLE


def test_a_stream_without_a_length_is_checked_so_far_and_no_farther(monkeypatch):
    """A file that never ends would be decoded for hours; its fault lies behind the limit of 3 s."""
    monkeypatch.setattr(stream, "MAX_CHECKED_SAMPLES", 2 * 16_000)
    content = flac(0)
    assert len(audio_file.decode(content[: len(content) * 2 // 3], 1.0)) == 16_000


@pytest.mark.parametrize("kept", ["wav", "ogg", "mp3"])
def test_what_is_left_of_a_cut_file_is_decoded(kept):
    options = {
        "wav": {"format": "WAV", "subtype": "PCM_16"},
        "ogg": {"format": "OGG", "subtype": "VORBIS"},
        "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    }
    content = encoded(NOISE, **options[kept])
    assert 60_000 < len(audio_file.decode(content[: len(content) // 2], 60)) < 90_000


def test_an_empty_wav_with_a_comment_is_empty():
    """Its length of 0 is true: a chunk follows."""
    content = encoded(np.zeros(0), subtype="PCM_16") + b"LIST" + struct.pack("<I", 4) + b"INFO"
    with pytest.raises(ContentFailure) as raised:
        audio_file.decode(content, 60)
    assert raised.value.reason is FailureReason.EMPTY


@pytest.mark.parametrize("trailer", [b"TAG" + b"x" * 125, b"\0", b"APETAGEX" + bytes(300)])
@pytest.mark.parametrize("max_audio_s", [3.0, 10.0, 60.0])
def test_what_stands_behind_the_last_frame_of_a_flac_is_no_fault(trailer, max_audio_s):
    """Old taggers write ID3v1 there."""
    content = encoded(NOISE, format="FLAC", subtype="PCM_16")

    decoded, expected = (
        audio_file.decode(each, max_audio_s) for each in (content + trailer, content)
    )

    np.testing.assert_array_equal(decoded, expected)


def test_a_flac_that_is_damaged_before_its_end_is_unreadable():
    content = encoded(NOISE, format="FLAC", subtype="PCM_16")
    middle = len(content) // 2
    with pytest.raises(ContentFailure) as raised:
        audio_file.decode(with_bytes(content, middle, bytes(5_000)), 60.0)
    assert raised.value.reason is FailureReason.UNREADABLE
