"""A stated duration that cannot be true is left out and named."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from tests.jobs.sources.music_files.recordings import (
    RATE_HZ,
    draw,
    ingest,
    landed_rows,
    mp4,
    tracks_by_title,
)


@pytest.fixture
def music(tmp_path):
    return tmp_path / "music"


def set_mp3_frame_count(file, count):
    """A Xing header before the first frame states so many frames; ours of LAME has one already."""
    content = bytearray(file.read_bytes())
    start = max(content.find(b"Xing"), content.find(b"Info"))
    content[start + 8 : start + 12] = struct.pack(">I", count)
    file.write_bytes(content)


def set_flac_sample_count(file, count):
    """The low 36 bits of the 8 bytes behind block and frame sizes (RFC 9639, 8.2)."""
    content = bytearray(file.read_bytes())
    packed = int.from_bytes(content[18:26]) >> 36 << 36 | count
    content[18:26] = packed.to_bytes(8)
    file.write_bytes(content)


def set_wav_sizes(file, size):
    """A recorder that writes to a pipe cannot come back to correct the sizes."""
    content = bytearray(file.read_bytes())
    start = content.find(b"data")
    content[start + 4 : start + 8] = struct.pack("<I", size)
    content[4:8] = struct.pack("<I", size or len(content) - 8)
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "spoil", "value"),
    [
        ("a.mp3", set_mp3_frame_count, 0xFFFFFFFF),
        ("a.mp3", set_mp3_frame_count, 100_000),  # 2 h at 8 kHz in 3 kB
        ("a.mp3", set_mp3_frame_count, 4),  # half of them
        ("a.mp3", set_mp3_frame_count, 17),  # twice as many
        ("a.flac", set_flac_sample_count, 2**36 - 1),
        ("a.flac", set_flac_sample_count, 10 * 3600 * 8_000),
        ("a.flac", set_flac_sample_count, 5_000),
        ("a.wav", set_wav_sizes, 0xFFFFFFFF),
        ("a.wav", set_wav_sizes, 0x7FFFFFFF),
        ("a.wav", set_wav_sizes, 1_000_000),  # a minute, of which a second is there
        ("a.wav", set_wav_sizes, 0),
    ],
)
def test_a_duration_that_cannot_be_true_is_null_and_named(music, tmp_path, name, spoil, value):
    spoil(draw(music / name), value)
    draw(music / "good.wav", seed=1)

    result = ingest(music, tmp_path)

    durations = {
        title: row["track_duration_ms"] for title, row in tracks_by_title(tmp_path).items()
    }
    assert durations == {"a": None, "good": 500}
    [remark] = result.remarks
    assert remark.path == name
    assert remark.reason.startswith("duration_ms: ")


def test_a_true_duration_stays(music, tmp_path):
    """Half a second in each format; MP3 pads its frames."""
    for seed, name in enumerate(("w.wav", "f.flac", "o.ogg", "i.aiff", "m.mp3")):
        draw(music / name, seed)

    assert ingest(music, tmp_path).remarks == ()
    for title, row in tracks_by_title(tmp_path).items():
        assert row["track_duration_ms"] == pytest.approx(500, abs=200 if title == "m" else 0)


@pytest.mark.parametrize(
    ("name", "kind", "subtype"),
    [
        ("a.wav", "WAV", "IMA_ADPCM"),
        ("a.wav", "WAV", "MS_ADPCM"),
        ("a.wav", "WAV", "GSM610"),
        ("a.wav", "WAV", "ULAW"),
        ("a.wav", "WAV", "G721_32"),
        ("a.aiff", "AIFF", "ULAW"),
        ("a.aiff", "AIFF", "IMA_ADPCM"),
        ("a.aiff", "AIFF", "GSM610"),
        ("a.wav", "WAV", "FLOAT"),
        ("a.aiff", "AIFF", "FLOAT"),
    ],
)
def test_a_compressed_recording_has_its_true_duration(music, tmp_path, name, kind, subtype):
    music.mkdir()
    soundfile.write(music / name, np.zeros(80_000), RATE_HZ, format=kind, subtype=subtype)

    assert ingest(music, tmp_path).remarks == ()

    durations = [row["track_duration_ms"] for row in tracks_by_title(tmp_path).values()]
    assert durations == [pytest.approx(10_000, abs=150)]


@pytest.mark.parametrize(
    ("name", "kind", "subtype"),
    [
        *(("a.wav", "WAV", subtype) for subtype in ("PCM_16", "FLOAT", "ULAW", "IMA_ADPCM")),
        *(("a.wav", "WAV", subtype) for subtype in ("MS_ADPCM", "GSM610")),
        *(("a.aiff", "AIFF", subtype) for subtype in ("PCM_16", "FLOAT", "ULAW", "IMA_ADPCM")),
        ("a.flac", "FLAC", "PCM_16"),
    ],
)
def test_a_recording_cut_in_half_has_no_duration_and_is_named(music, tmp_path, name, kind, subtype):
    music.mkdir()
    soundfile.write(
        music / name, np.sin(np.arange(80_000) / 5), RATE_HZ, format=kind, subtype=subtype
    )
    content = (music / name).read_bytes()
    (music / name).write_bytes(content[: len(content) // 2])

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason.startswith("duration_ms: ")
    assert [row["track_duration_ms"] for row in landed_rows(tmp_path, "tracks")] == [None]


def test_an_aiff_that_states_more_frames_than_its_sound_has_is_named(music, tmp_path):
    """The number of frames lies behind the number of channels (AIFF 1.3, COMM)."""
    draw(music / "a.aiff")
    content = bytearray((music / "a.aiff").read_bytes())
    at = content.index(b"COMM") + 10
    content[at : at + 4] = (8_000).to_bytes(4)
    (music / "a.aiff").write_bytes(content)

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason == "duration_ms: the file states 1 s and ends before; left out"


def test_an_mp4_that_states_more_than_it_holds_is_named(music, tmp_path):
    music.mkdir()
    (music / "a.m4a").write_bytes(mp4(seconds=80_000))

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason.startswith("duration_ms: ")


def test_an_mp3_without_a_header_is_as_long_as_its_frames(music, tmp_path):
    """The first frame, which holds the header, is cut out; frames of other rates follow."""
    content = draw(music / "a.mp3").read_bytes()
    start = max(content.find(b"Xing"), content.find(b"Info"))
    (music / "a.mp3").write_bytes(content.replace(content[start : start + 4], b"\0\0\0\0", 1))

    assert ingest(music, tmp_path).remarks == ()

    [row] = tracks_by_title(tmp_path).values()
    assert row["track_duration_ms"] == pytest.approx(500, abs=250)


def mp3_frames(rate_hz):
    """Half a second or more of MP3 without the frame that states their number."""
    sink = io.BytesIO()
    tone = np.sin(np.arange(rate_hz) * 0.2) / 2
    soundfile.write(sink, tone, rate_hz, format="MP3", bitrate_mode="CONSTANT")
    content = sink.getvalue()
    mark = max(content.find(b"Xing"), content.find(b"Info"))
    return content.replace(content[mark : mark + 4], b"\0\0\0\0", 1)


@pytest.mark.parametrize("second_hz", [48_000, 22_050, 11_025])
def test_an_mp3_joined_of_two_sample_rates_is_named(music, tmp_path, second_hz):
    """A decoder stops where the rate changes, also between versions of MPEG."""
    music.mkdir()
    (music / "joined.mp3").write_bytes(mp3_frames(44_100) + mp3_frames(second_hz))
    (music / "twice.mp3").write_bytes(mp3_frames(44_100) * 2)

    [remark] = ingest(music, tmp_path).remarks

    durations = {
        title: row["track_duration_ms"] for title, row in tracks_by_title(tmp_path).items()
    }
    assert durations == {"joined": None, "twice": pytest.approx(2_000, abs=150)}
    assert remark.path == "joined.mp3"
    assert "several sample rates" in remark.reason


@pytest.mark.parametrize("kind", ["VORBIS", "OPUS"])
def test_of_ogg_streams_one_behind_the_other_the_first_is_read_which_is_named(
    music, tmp_path, kind
):
    """A radio's recorder begins a stream with every song."""
    links = []
    for seed in range(3):
        sink = io.BytesIO()
        tone = np.sin(np.arange(24_000) * (0.2 + seed / 50)) / 2
        soundfile.write(sink, tone, 48_000, format="OGG", subtype=kind)
        links.append(sink.getvalue())
    music.mkdir()
    (music / "radio.ogg").write_bytes(b"".join(links))
    (music / "song.ogg").write_bytes(links[0])

    [remark] = ingest(music, tmp_path).remarks

    durations = {
        title: row["track_duration_ms"] for title, row in tracks_by_title(tmp_path).items()
    }
    assert durations == {"radio": None, "song": 500}
    assert remark.path == "radio.ogg"
    assert "3 Ogg streams" in remark.reason
