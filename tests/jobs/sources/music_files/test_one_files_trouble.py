"""The trouble of one file leaves the other files landed, and the file is named."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.sources.music_folder import MusicFolderError
from tests.jobs.sources.music_files.recordings import (
    draw,
    image,
    ingest,
    landed_files,
    landed_rows,
    tracks_by_title,
)

NOBODY = 65534


@pytest.fixture
def music(tmp_path):
    """A folder with one good recording."""
    draw(tmp_path / "music/good.wav")
    return tmp_path / "music"


def not_taken(result):
    return {remark.path: remark.reason for remark in result.not_taken}


def empty(path):
    path.write_bytes(b"")


def dangle(path):
    path.symlink_to("nowhere.mp3")


def link_to_itself(path):
    path.symlink_to(path.name)


def folder(path):
    path.mkdir()


def pipe(path):
    os.mkfifo(path)


def endless(path):
    path.symlink_to("/dev/zero")


def other_kind(path):
    path.with_suffix(".wma").write_bytes(b"sound")


TROUBLES = {
    empty: ("odd.mp3", "holds no byte"),
    dangle: ("odd.mp3", "leads nowhere"),
    link_to_itself: ("odd.mp3", "leads nowhere"),
    folder: ("odd.mp3", "is a folder"),
    pipe: ("odd.mp3", "no regular file"),
    endless: ("odd.mp3", "no regular file"),
    other_kind: ("odd.wma", "of a kind that is not read"),
}


@pytest.mark.parametrize("make", TROUBLES, ids=lambda make: make.__name__)
def test_what_is_no_readable_file_is_named_and_the_others_land(music, tmp_path, make):
    make(music / "odd.mp3")

    result = ingest(music, tmp_path)

    assert set(tracks_by_title(tmp_path)) == {"good"}
    name, reason = TROUBLES[make]
    assert list(not_taken(result)) == [name]
    assert reason in not_taken(result)[name]


ID3 = b"ID3\x04\0\0\0\0\x7f\x7f" + bytes(16_383)  # longer than what is looked at
MKV = bytes.fromhex("1a45dfa3") + bytes(100)
ADTS = (bytes.fromhex("fff15080017ffc") + bytes(4)) * 9  # frames of 11 bytes
AC3 = (b"\x0b\x77" + bytes(1_390)) * 4
MP2 = (b"\xff\xfd\x80\0" + bytes(414)) * 4  # layer II, 128 kbit/s: 144 * 128,000 / 44,100 bytes
RENAME = "under an ending that is not read; rename it to end in"
CONVERT = "which is not read; convert it to FLAC, MP3 or Opus"
UNFINISHED = "is an unfinished download that holds"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("song", ".mp3", f"holds MP3 {RENAME} .mp3"),
        ("song.mp3.", ".mp3", f"holds MP3 {RENAME} .mp3"),
        ("song.flac.bak", ".flac", f"holds FLAC {RENAME} .flac"),
        ("song.bwf", ".wav", f"holds WAV {RENAME} .wav"),
        ("song.mogg", ".ogg", f"holds Ogg {RENAME} .ogg"),
        ("song.xyz", ".aiff", f"holds AIFF {RENAME} .aiff"),
        ("song.mpx", MP2, f"holds MP3 {RENAME} .mp3"),
        ("song.tagged", ID3, f"holds audio behind an ID3 tag {RENAME} .mp3"),
        ("song.f4a", b"\0\0\0\x20ftypM4A " + bytes(50), f"holds MP4 (AAC or ALAC), {CONVERT}"),
        ("song.weba", MKV, f"holds Matroska or WebM, {CONVERT}"),
        ("film.mkv", MKV, f"holds Matroska or WebM, {CONVERT}"),
        ("film.avi", b"RIFF\0\0\0\0AVI LIST", f"holds AVI, {CONVERT}"),
        ("song.adts", ADTS, f"holds AAC, {CONVERT}"),
        ("song.eac3", AC3, f"holds AC-3, {CONVERT}"),
        ("song.dts", b"\x7f\xfe\x80\x01" + bytes(50), f"holds DTS, {CONVERT}"),
        ("song.flac.part", ".flac", f"{UNFINISHED} FLAC; finish it and ingest again"),
        ("song.mp3.crdownload", ".mp3", f"{UNFINISHED} MP3; finish it and ingest again"),
        ("song.ogg.!qB", ".ogg", f"{UNFINISHED} Ogg; finish it and ingest again"),
    ],
)
def test_audio_of_any_ending_is_named_by_its_content(music, tmp_path, name, content, reason):
    if isinstance(content, str):
        content = draw(tmp_path / f"source{content}", seed=1).read_bytes()
    (music / name).write_bytes(content)

    result = ingest(music, tmp_path / "lake")

    assert set(tracks_by_title(tmp_path / "lake")) == {"good"}
    assert not_taken(result) == {name: reason}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("scan.jpg", image()),
        ("scan.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("picture.webp", image(image_format="WEBP")),
        ("good.nfo", b"ID3 tags by hand"),
        ("good.cue", b'FILE "good.wav" WAVE'),
        ("list.m3u8", b"#EXTM3U"),
        ("rip.log", "Exact Audio Copy".encode("utf-16")),
        ("notes", b"MAC addresses"),
        ("ones.bin", b"\xff" * 20_000),
        ("half.part", b"PK\3\4"),
        ("empty", b""),
    ],
)
def test_files_without_audio_go_without_a_remark(music, tmp_path, name, content):
    (music / name).write_bytes(content)

    assert ingest(music, tmp_path).not_taken == ()


@contextmanager
def without_root():
    """Root may read everything: for a while this process is nobody."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


@pytest.mark.parametrize("closed", ["a file", "a folder"])
def test_a_file_or_folder_without_permission_is_named(closed):
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        with without_root():
            top = Path(name) / "music"
            draw(top / "good.wav")
            target = draw(top / "albums/closed.wav", seed=1)
            shut = target if closed == "a file" else target.parent
            shut.chmod(0)
            result = ingest(top, Path(name) / "lake")
            shut.chmod(0o700)
        assert set(tracks_by_title(Path(name) / "lake")) == {"good"}

    [(path, reason)] = not_taken(result).items()
    assert path == ("albums/closed.wav" if closed == "a file" else "albums")
    assert "cannot be read: Permission denied" in reason


def test_a_file_that_grows_while_it_is_read_is_named(music, tmp_path, monkeypatch):
    """The writer appends between the two looks at the size; a thread does so in real life."""
    growing = draw(music / "growing.wav", seed=1)
    fstat, looks = os.fstat, []

    def append_and_fstat(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").readlink() == growing:
            looks.append(descriptor)
            if len(looks) == 2:
                with growing.open("ab") as opened:
                    opened.write(b"more")
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", append_and_fstat)
    result = ingest(music, tmp_path)

    assert set(tracks_by_title(tmp_path)) == {"good"}
    assert "was written to while it was read" in not_taken(result)["growing.wav"]


def test_a_file_that_is_too_large_is_named_and_not_read_as_a_whole(music, tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.sources.music_folder.AUDIO_BYTES_MAX", 20_000)
    with (music / "huge.wav").open("wb") as opened:
        opened.truncate(20_001)

    assert "20,001 bytes; at most 20,000" in not_taken(ingest(music, tmp_path))["huge.wav"]


@pytest.mark.parametrize("call", ["fstat", "scandir"])
def test_a_shortage_of_the_machine_is_no_fault_of_a_file(music, tmp_path, monkeypatch, call):
    def no_handle(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    draw(music / "album/second.wav", seed=1)
    with monkeypatch.context() as shortage:
        shortage.setattr(os, call, no_handle)
        with pytest.raises(OSError, match="Too many open files"):
            ingest(music, tmp_path)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        (b"caf\xe9.wav", r"caf\xe9"),
        (b"a\nb\x1b[31m.wav", r"a\nb\x1b[31m"),
        ("ü".encode() * 123 + b".wav", "ü" * 123),
        (b"100% [live] & more.wav", "100% [live] & more"),
        (b"  .wav", "untitled"),
        (b"___.wav", "___"),
    ],
)
def test_any_file_name_lands_and_can_be_printed(music, tmp_path, name, title):
    """Bytes that are no UTF-8, control characters, 250 bytes, blanks: the title is shown escaped."""
    draw(Path(os.fsdecode(os.fsencode(music) + b"/" + name)), seed=1)

    result = ingest(music, tmp_path)

    assert set(tracks_by_title(tmp_path)) == {"good", title}
    assert result.not_taken == ()


def test_names_with_a_leading_dot_are_left_out_and_named(music, tmp_path):
    for name in ("._01 ghost.mp3", ".hidden.flac", ".trash/old.wav"):
        draw(music / name, seed=1)
    (music / ".DS_Store").write_bytes(b"x")

    result = ingest(music, tmp_path)

    assert set(tracks_by_title(tmp_path)) == {"good"}
    assert set(not_taken(result)) == {"._01 ghost.mp3", ".hidden.flac", ".trash"}
    assert set(not_taken(result).values()) == {"is hidden: its name begins with a dot"}


def test_a_link_to_a_folder_is_followed_once_and_a_loop_is_named(music, tmp_path):
    """Two links lead to one album; one leads back to the music folder, one above it."""
    draw(tmp_path / "elsewhere/linked.wav", seed=1)
    for name, target in {
        "album": tmp_path / "elsewhere",
        "again": tmp_path / "elsewhere",
        "loop": music,
        "above": tmp_path,
        "gone": tmp_path / "nothing",
    }.items():
        (music / name).symlink_to(target)

    result = ingest(music, tmp_path / "lake")

    assert set(tracks_by_title(tmp_path / "lake")) == {"good", "linked"}
    assert set(not_taken(result)) == {"album", "loop", "above", "gone"}
    assert "read anyway" in not_taken(result)["album"]
    assert "leads nowhere" in not_taken(result)["gone"]


def test_equal_bytes_land_once_and_the_copy_is_named(music, tmp_path):
    (music / "later.wav").write_bytes((music / "good.wav").read_bytes())

    assert not_taken(ingest(music, tmp_path)) == {"later.wav": "has the same bytes as good.wav"}


def test_the_lake_in_the_music_folder_is_not_ingested(music):
    """`evensong ingest music-folder .` beside the lake: what landed is no music of the owner."""
    first = ingest(music, music / "lake")
    second = ingest(music, music / "lake")

    assert (first.counts["tracks"], second.counts["tracks"]) == (1, 0)
    assert len(landed_rows(music / "lake", "tracks")) == 1
    assert list(not_taken(second)) == ["lake/landing"]


def test_a_folder_of_which_nothing_can_be_taken_is_an_error_with_the_reasons(tmp_path):
    (tmp_path / "music").mkdir()
    empty(tmp_path / "music/a.mp3")

    with pytest.raises(MusicFolderError, match=r"none .* could be taken; a\.mp3 holds no byte"):
        ingest(tmp_path / "music", tmp_path)


def test_unusable_files_beside_a_recording_are_named_and_the_next_one_serves(music, tmp_path):
    empty(music / "good.jpg")
    pipe(music / "good.lrc")
    (music / "good.lyrics.txt").write_text("la la")
    (music / "folder.png").write_bytes(image())

    result = ingest(music, tmp_path)

    assert not_taken(result) == {"good.jpg": "holds no byte", "good.lrc": "is no regular file"}
    assert list(landed_files(tmp_path, "covers").values()) == [image()]
    assert [row["lyrics_bytes"] for row in landed_rows(tmp_path, "lyrics")] == [b"la la"]


def test_a_full_lake_stops_the_ingest(music, tmp_path, monkeypatch):
    """An error of the storage is no fault of a file: nothing is left out for it."""
    (tmp_path / "lake").write_text("no folder")

    with pytest.raises(OSError, match="lake"):
        ingest(music, tmp_path / "lake")


def test_folders_without_end_are_walked(tmp_path):
    """600 folders in each other: no recursion."""
    deep = tmp_path / "music" / "/".join(["d"] * 600)
    deep.mkdir(parents=True)
    draw(deep / "deep.wav")

    ingest(tmp_path / "music", tmp_path)

    assert set(tracks_by_title(tmp_path)) == {"deep"}
