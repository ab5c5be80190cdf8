"""Lyrics of a music folder are plain words, wherever they come from and whatever holds them."""

from __future__ import annotations

import pytest
from mutagen.apev2 import APEv2
from mutagen.id3 import SYLT, TXXX, USLT, WXXX

from tests.jobs.sources.music_files.recordings import (
    draw,
    ingest,
    landed_rows,
    tagged,
    with_frames,
)

LRC = "[ar:Low]\n[00:01.50]first line\n[00:03.00]<00:03.00>sec<00:03.20>ond [sic]\n"
PLAIN = "first line\nsecond [sic]"


@pytest.fixture
def music(tmp_path):
    return tmp_path / "music"


@pytest.mark.parametrize("name", ["song.lrc", "song.LRC", "Song.Lrc", "song.lyrics.txt"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_lyrics_beside_the_file_are_plain_words(music, tmp_path, name, encoding):
    """Codecs without an explicit order write a byte order mark."""
    draw(music / "song.flac")
    (music / name).write_bytes(LRC.encode(encoding))

    ingest(music, tmp_path)

    assert [row["lyrics_bytes"] for row in landed_rows(tmp_path, "lyrics")] == [PLAIN.encode()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LRC, PLAIN),
        ("\ufeff" + LRC, PLAIN),
        (LRC.replace("\n", "\r\n"), PLAIN),
        ("[00:01]a\n[01:02:03.5]b\n[00:04,25] c\n[ 0:05.1 ]d", "a\nb\nc\nd"),
        ("[ti:T]\n[kana:1]\n[00:01.0]la\n[Chorus: both]\nlo", "la\n[Chorus: both]\nlo"),
        ("[Verse 1]\nla\n[Chorus: both]", "[Verse 1]\nla\n[Chorus: both]"),
        ("[offset:+500]\n[length: 3:12]\nla", "la"),
        ("John [3:16] says <1:02> so", "John says so"),
        ("[ar:only]\n[00:00.00]\n", None),
    ],
)
def test_lyrics_in_the_file_lose_what_is_no_word(music, tmp_path, text, words):
    tagged(music / "a.flac", lyrics=text)
    with_frames(draw(music / "b.mp3", 1), USLT(encoding=3, lang="eng", desc="", text=text))

    ingest(music, tmp_path)

    found = [row["lyrics_bytes"].decode() for row in landed_rows(tmp_path, "lyrics")]
    assert found == ([words, words] if words else [])


def test_timed_lyrics_of_id3_are_lyrics(music, tmp_path):
    lines = [("first ", 0), ("line", 500), ("\nsecond", 900)]
    with_frames(draw(music / "a.mp3"), SYLT(encoding=3, lang="eng", format=2, type=1, text=lines))

    ingest(music, tmp_path)

    assert landed_rows(tmp_path, "lyrics")[0]["lyrics_bytes"] == b"first line\nsecond"


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (["first line", "second line"], "first line\nsecond line"),
        (["fir", "st line", "\nsecond", " line"], "first line\nsecond line"),
        (["first line\n", "second line\n"], "first line\nsecond line"),
        (["first line\r", "second line"], "first line\nsecond line"),
    ],
)
def test_events_of_timed_lyrics_are_lines_unless_one_has_a_line_end(music, tmp_path, events, words):
    """The standard has syllables, and a line end before a line; many programs write lines."""
    timed = [(text, number * 1_000) for number, text in enumerate(events)]
    with_frames(draw(music / "a.mp3"), SYLT(encoding=3, lang="eng", format=2, type=1, text=timed))

    ingest(music, tmp_path)

    assert landed_rows(tmp_path, "lyrics")[0]["lyrics_bytes"].decode() == words


NAMES = [
    *("LYRICS", "UNSYNCEDLYRICS", "SYNCEDLYRICS", "UNSYNCED LYRICS", "LYRICS-ENG"),
    *("lyrics-xxx", "Unsynchronised Lyrics", "USLT"),
]


@pytest.mark.parametrize("name", NAMES)
def test_lyrics_under_any_of_their_names_are_lyrics(music, tmp_path, name):
    text = "[00:01.00]Don&apos;t\n[00:02.00]stop"
    tagged(music / "a.flac", **{name: text, "LYRICIST": "Mimi"})
    with_frames(draw(music / "b.mp3", 1), TXXX(encoding=3, desc=name, text=text))
    ape = APEv2()
    ape[name] = text
    ape.save(draw(music / "c.mp3", 2))

    ingest(music, tmp_path)

    found = [row["lyrics_bytes"] for row in landed_rows(tmp_path, "lyrics")]
    assert found == [b"Don't\nstop"] * 3


def test_links_to_lyrics_and_names_of_their_writers_are_no_lyrics(music, tmp_path):
    tagged(music / "a.flac", lyricist="Low", lyrics_url="https://example.org", mylyrics="la")
    with_frames(draw(music / "b.mp3", 1), WXXX(encoding=3, desc="LYRICS", url="https://e.org"))

    ingest(music, tmp_path)

    assert landed_rows(tmp_path, "lyrics") == []


def test_lyrics_in_the_file_in_another_encoding_are_left_out_and_named(music, tmp_path):
    content = tagged(music / "a.flac", lyrics="bl@@").read_bytes()
    (music / "a.flac").write_bytes(content.replace(b"bl@@", b"bl\xe5!"))

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason == "lyrics: is in another encoding than its format has; left out"
    assert landed_rows(tmp_path, "lyrics") == []


@pytest.mark.parametrize("kind", [0, 3, 4, 5, 6, 7, 8])
def test_timed_chords_and_links_of_id3_are_no_lyrics(music, tmp_path, kind):
    lines = [("Am", 0), ("F", 500)]
    with_frames(
        draw(music / "a.mp3"), SYLT(encoding=3, lang="eng", format=2, type=kind, text=lines)
    )

    ingest(music, tmp_path)

    assert landed_rows(tmp_path, "lyrics") == []


@pytest.mark.parametrize("content", [b"bl\xe5\n[00:01.0]la", "la\n".encode("utf-16-le")])
def test_lyrics_in_an_unknown_encoding_stay_as_bytes(music, tmp_path, content):
    draw(music / "song.flac")
    (music / "song.lrc").write_bytes(content)

    ingest(music, tmp_path)

    assert landed_rows(tmp_path, "lyrics")[0]["lyrics_bytes"] == content


def test_a_name_in_another_unicode_form_is_the_same(music, tmp_path):
    """A Mac writes ü as u and two dots."""
    draw(music / "gr\u00fcn.flac")
    (music / "gru\u0308n.lrc").write_text("la")

    ingest(music, tmp_path)

    assert landed_rows(tmp_path, "lyrics")[0]["lyrics_bytes"] == b"la"


def test_lyrics_of_an_unknown_encoding_do_not_hide_those_in_the_file(music, tmp_path):
    tagged(music / "song.flac", lyrics="la")
    (music / "song.lrc").write_bytes(b"bl\xe5")

    [remark] = ingest(music, tmp_path).not_taken

    assert (remark.path, remark.reason) == (
        "song.lrc",
        "is no UTF-8; the lyrics in the recording count",
    )
    assert landed_rows(tmp_path, "lyrics")[0]["lyrics_bytes"] == b"la"


@pytest.mark.parametrize(
    "name",
    ["song.flac.lrc", "song.en.lrc", "Song.pt-BR.LRC", "song.flac.de.lrc", "song.eng.lyrics.txt"],
)
def test_lyrics_may_have_the_whole_name_or_a_language(music, tmp_path, name):
    draw(music / "song.flac")
    draw(music / "other.flac", 1)
    (music / name).write_text(LRC)

    assert ingest(music, tmp_path).not_taken == ()

    assert [row["lyrics_bytes"] for row in landed_rows(tmp_path, "lyrics")] == [PLAIN.encode()]


def test_lyrics_of_the_exact_name_come_first_and_others_are_named(music, tmp_path):
    draw(music / "song.flac")
    for name, words in (("song.lrc", "exact"), ("song.flac.lrc", "whole"), ("song.de.lrc", "de")):
        (music / name).write_text(words)

    remarks = ingest(music, tmp_path).not_taken

    assert [row["lyrics_bytes"] for row in landed_rows(tmp_path, "lyrics")] == [b"exact"]
    assert {(one.path, one.reason) for one in remarks} == {
        (name, "is not used: another file has lyrics") for name in ("song.flac.lrc", "song.de.lrc")
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("song.elrc", "in a format that is not read; convert it to .lrc"),
        ("song.srt", "in a format that is not read; convert it to .lrc"),
        ("song.en.vtt", "in a format that is not read; convert it to .lrc"),
        ("song.ttml", "in a format that is not read; convert it to .lrc"),
        ("song.lrc.txt", "in a format that is not read; convert it to .lrc"),
        ("sing.lrc", "of no recording beside it; give it the name"),
        ("song2.en.lrc", "of no recording beside it; give it the name"),
        ("alone/song.lrc", "of no recording beside it; give it the name"),
    ],
)
def test_lyrics_that_nobody_reads_are_named(music, tmp_path, name, reason):
    draw(music / "song.flac")
    (music / name).parent.mkdir(exist_ok=True)
    (music / name).write_text(LRC)

    [remark] = ingest(music, tmp_path).not_taken

    assert remark.path == name
    assert f"holds lyrics {reason}" in remark.reason
    assert landed_rows(tmp_path, "lyrics") == []


@pytest.mark.parametrize("name", ["film.srt", "song.txt", "song.en.txt", "._song.lrc"])
def test_other_texts_beside_a_recording_go_without_a_remark(music, tmp_path, name):
    draw(music / "song.flac")
    (music / name).write_text("la")

    assert ingest(music, tmp_path).not_taken == ()
