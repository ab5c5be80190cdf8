"""Real music: which files count, how they are cut into windows, and that the cache keeps them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mutagen.flac import FLAC
from rich.console import Console

from tests.benchmarks.support.htcl.real import windows as real_windows
from tests.benchmarks.support.htcl.real.music import LEARNED, MissingMusic, MusicFile, find_music
from tests.benchmarks.support.htcl.real.windows import TrackTags, UnreadableMusic, decoded_tracks
from training.data.spectrograms import N_FRAMES, N_MELS

RATE_HZ = 16_000
CONSOLE = Console(file=io.StringIO())


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def flac(length_s: float, *, silent_s: tuple[float, float] = (0, 0), **tags: str) -> bytes:
    """Noise, with silence between two times, and tags."""
    samples = np.random.default_rng(7).normal(0, 0.1, round(length_s * RATE_HZ))
    samples[round(silent_s[0] * RATE_HZ) : round(silent_s[1] * RATE_HZ)] = 0
    content = io.BytesIO()
    soundfile.write(content, samples, RATE_HZ, format="FLAC")
    content.seek(0)
    tagged = FLAC(content)
    tagged.update(tags)
    content.seek(0)
    tagged.save(content)
    return content.getvalue()


def test_music_lies_in_folders_of_music_and_in_archives(tmp_path):
    """Sounds and voices are no music; held-out packages come first, each in the order of names."""
    for package in LEARNED:
        put(tmp_path / package / "usr" / "Music" / "b.ogg", b"")
        put(tmp_path / package / "usr" / "Music" / "forest" / "a.OPUS", b"")
        put(tmp_path / package / "usr" / "sounds" / "bang.ogg", b"")
        put(tmp_path / package / "usr" / "music" / "notes.txt", b"")
    put(tmp_path / "supertux-data" / "music" / "c.ogg", b"")
    archive = tmp_path / "nexuiz-music" / "data" / "music.pk3"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("sound/cdtracks/d.ogg", b"inside")
        written.writestr("sound/misc/hit.ogg", b"")

    found = find_music(tmp_path)

    assert [(one.package, one.name) for one in found[:4]] == [
        ("nexuiz-music", "sound/cdtracks/d.ogg"),
        ("supertux-data", "music/c.ogg"),
        (LEARNED[0], "usr/Music/b.ogg"),
        (LEARNED[0], "usr/Music/forest/a.OPUS"),
    ]
    assert len(found) == 2 + 2 * len(LEARNED)
    assert found[0].content() == b"inside"
    assert (found[3].folder, found[3].stem, found[3].ending) == ("forest", "a", ".opus")


def test_a_missing_package_is_an_error_that_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingMusic, match=r"nexuiz-music.*apt-get download nexuiz-music"):
        find_music(tmp_path)


def test_windows_are_whole_and_silent_ones_are_left_out(tmp_path):
    """100 s are three windows of 30 s, of which the second is silent; 29 s are none."""
    put(tmp_path / "long.flac", flac(100, silent_s=(30, 60), title="Long", artist="Ann"))
    put(tmp_path / "short.flac", flac(29))
    put(tmp_path / "copy.flac", (tmp_path / "long.flac").read_bytes())
    files = [MusicFile("p", name, tmp_path / name) for name in ("long.flac", "short.flac")]
    files.append(MusicFile("q", "copy.flac", tmp_path / "copy.flac"))

    [track] = decoded_tracks(files, tmp_path / "cache", CONSOLE)

    assert (track.file, track.tags) == (files[0], TrackTags("Long", "Ann"))
    assert track.windows.num_rows == 2
    assert [len(one) for one in track.windows["musicnn"].to_pylist()] == [200, 200]
    frames = np.frombuffer(track.windows["log_mel"][0].as_py(), "<f2").reshape(N_FRAMES, N_MELS)
    assert np.ptp(frames[313:].astype(float)) == 0  # 30 s are 313 frames, and the rest is padding
    assert np.ptp(frames[:313].astype(float)) > 0.5


def test_a_decoded_recording_is_read_from_the_cache(tmp_path, monkeypatch):
    """Only the recording that is new is decoded."""
    put(tmp_path / "a.flac", flac(31))
    put(tmp_path / "b.flac", flac(61))
    files = [MusicFile("p", name, tmp_path / name) for name in ("a.flac", "b.flac")]
    before = decoded_tracks(files[:1], tmp_path / "cache", CONSOLE)
    decode, asked = real_windows._decode, []

    def counted(file, content, encoder):
        asked.append(file.name)
        return decode(file, content, encoder)

    monkeypatch.setattr(real_windows, "_decode", counted)
    after = decoded_tracks(files, tmp_path / "cache", CONSOLE)

    assert asked == ["b.flac"]
    assert [one.windows.num_rows for one in after] == [1, 2]
    assert after[0].windows.equals(before[0].windows)


def test_a_file_that_is_no_audio_is_an_error_that_names_it(tmp_path):
    put(tmp_path / "broken.ogg", b"OggS but nothing else")
    file = MusicFile("naev-data", "music/broken.ogg", tmp_path / "broken.ogg")

    with pytest.raises(UnreadableMusic, match=r"naev-data: music/broken.ogg.*unpack the package"):
        decoded_tracks([file], tmp_path / "cache", CONSOLE)
