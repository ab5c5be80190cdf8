"""Artists, albums, genres, lyrics, covers and durations of a folder, as people mean them."""

from __future__ import annotations

import base64
import struct

import mutagen
import pytest
import soundfile
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, SYLT, TCMP, TCON, TIT2, TPE1, TPE2, TXXX, USLT

from jobs.sources.audio_tags import read_tags
from tests.jobs.sources.music_files.recordings import (
    draw,
    image,
    ingest,
    landed_files,
    landed_rows,
    tracks_by_title,
    with_frames,
    with_tags,
)

LRC = "[ar:Low]\n[00:01.50]first line\n[00:03.00]<00:03.00>sec<00:03.20>ond [sic]\n"
PLAIN = "first line\nsecond [sic]"


@pytest.fixture
def music(tmp_path):
    return tmp_path / "music"


def tagged(file, seed=0, **tags):
    return with_tags(draw(file, seed), **tags)


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
        ("a.flac", set_flac_sample_count, 2**36 - 1),
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


def test_an_opus_page_without_segments_lands_without_tags_and_is_named(music, tmp_path):
    """A bug of the tag reader's own, an IndexError, is a matter of this file too."""
    file = music / "a.opus"
    draw(file)
    soundfile.write(file, [0.1] * 24_000, 48_000, format="OGG", subtype="OPUS")
    content = bytearray(file.read_bytes())
    content[content.index(b"OggS", 4) + 26] = 0
    file.write_bytes(content)

    [remark] = ingest(music, tmp_path).remarks

    assert remark.path == "a.opus"
    assert remark.reason.startswith("tags: ")
    assert tracks_by_title(tmp_path)["a"]["artist_name"] == "unknown artist"


@pytest.mark.parametrize("kind", [".mp3", ".wav", ".m4a", ".ogg", ".aiff"])
def test_a_file_of_another_ending_is_read_by_its_content(music, tmp_path, kind):
    flac = tagged(music / "a.flac", title="Weir", artist="Low")
    flac.rename(music / f"a{kind}")

    assert ingest(music, tmp_path).remarks == ()

    assert tracks_by_title(tmp_path)["Weir"]["artist_name"] == "Low"
    [name] = landed_files(tmp_path, "audio")
    assert name.endswith(".flac")


@pytest.mark.parametrize("kind", [".flac", ".wav", ".ogg"])
def test_an_mp3_of_another_ending_is_read_by_its_content(music, tmp_path, kind):
    mp3 = with_frames(draw(music / "a.mp3"), TIT2(encoding=3, text="Weir"))
    mp3.rename(music / f"a{kind}")

    ingest(music, tmp_path)

    assert set(tracks_by_title(tmp_path)) == {"Weir"}
    assert read_tags(mutated_id3_before_flac(music / "b.flac"), "b.mp3").title == "River"


def mutated_id3_before_flac(file):
    """Some programs write an ID3 tag before a FLAC, although it has tags of its own."""
    flac = tagged(file, title="River").read_bytes()
    return b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + flac


@pytest.mark.parametrize(
    ("names", "lead", "shown"),
    [
        (["Low"], "Low", "Low"),
        (["Low", "Mimi"], "Low", "Low, Mimi"),
        (["Low\0Mimi"], "Low", "Low, Mimi"),
        (["Low; Mimi"], "Low", "Low; Mimi"),
        (["Low / Mimi"], "Low", "Low / Mimi"),
        (["Low feat. Mimi"], "Low", "Low feat. Mimi"),
        (["Low (ft. Mimi)"], "Low", "Low (ft. Mimi)"),
        (["Low", "low", " LOW "], "Low", "Low"),
        (["AC/DC"], "AC/DC", "AC/DC"),
        (["Earth, Wind & Fire"], "Earth, Wind & Fire", "Earth, Wind & Fire"),
        (["Feat"], "Feat", "Feat"),
    ],
)
def test_all_artists_are_named_and_the_first_leads(music, tmp_path, names, lead, shown):
    tagged(music / "a.flac", title="several", artist=names)
    tagged(music / "b.flac", 1, title="lead", artist=lead)

    ingest(music, tmp_path)

    tracks = tracks_by_title(tmp_path)
    assert tracks["several"]["artist_name"] == shown
    assert tracks["several"]["artist_id"] == tracks["lead"]["artist_id"]


def test_all_artists_of_id3_are_named_and_a_list_of_artists_completes_the_name(music, tmp_path):
    with_frames(
        draw(music / "a.mp3"), TIT2(encoding=3, text="a"), TPE1(encoding=3, text=["Low", "Mimi"])
    )
    listed = TXXX(encoding=3, desc="ARTISTS", text=["Low", "Mimi"])
    with_frames(
        draw(music / "b.mp3", 1),
        TIT2(encoding=3, text="b"),
        TPE1(encoding=3, text="Low with Mimi"),
        listed,
    )
    with_frames(
        draw(music / "c.mp3", 2), TIT2(encoding=3, text="c"), TPE1(encoding=3, text="Low"), listed
    )

    ingest(music, tmp_path)

    tracks = tracks_by_title(tmp_path)
    assert [tracks[title]["artist_name"] for title in "abc"] == [
        "Low, Mimi",
        "Low with Mimi",
        "Low, Mimi",
    ]
    assert len({tracks[title]["artist_id"] for title in "abc"}) == 1


@pytest.mark.parametrize(
    "other",
    ["Zoe\u0308 A\u030angstro\u0308m", "Zoë  Ångström", "ZOË\u00a0ÅNGSTRÖM ", "zoë\tångström"],
)
def test_an_artist_is_one_in_any_spelling_of_unicode_case_and_blanks(music, tmp_path, other):
    tagged(music / "a.flac", title="a", artist="Zoë Ångström", album="Isär")
    tagged(music / "b.flac", 1, title="b", artist=other, album="Isa\u0308r")
    tagged(music / "c.flac", 2, title="c", artist="Zoe Angstrom", album="Isär")

    ingest(music, tmp_path)

    tracks = tracks_by_title(tmp_path)
    for column in ("artist_id", "album_id"):
        assert tracks["a"][column] == tracks["b"][column] != tracks["c"][column]


def test_a_compilation_is_one_album(music, tmp_path):
    """By its album artist, or as one that says so; two bands with an album of one name have two."""
    for seed, artist in enumerate(("Ada", "Bo", "Cy")):
        named = {"album": "Harbour Nights", "albumartist": "Various"}
        tagged(music / f"v{seed}.flac", seed, title=f"v{seed}", artist=artist, **named)
        marked = {"album": "Harbour Days", "compilation": "1"}
        tagged(music / f"m{seed}.flac", seed + 3, title=f"m{seed}", artist=artist, **marked)
        own = {"album": "Greatest Hits"}
        tagged(music / f"g{seed}.flac", seed + 6, title=f"g{seed}", artist=artist, **own)

    ingest(music, tmp_path)

    albums = {title: row["album_id"] for title, row in tracks_by_title(tmp_path).items()}
    assert len({albums[f"v{number}"] for number in range(3)}) == 1
    assert len({albums[f"m{number}"] for number in range(3)}) == 1
    assert len({albums[f"g{number}"] for number in range(3)}) == 3
    assert len(set(albums.values())) == 5


def test_a_compilation_in_id3_is_one_album(music, tmp_path):
    for seed, artist in enumerate(("Ada", "Bo")):
        album = mutagen.id3.TALB(encoding=3, text="Harbour Nights")
        by = TPE2(encoding=3, text="Various") if seed else TPE2(encoding=3, text="VARIOUS ")
        with_frames(draw(music / f"{seed}.mp3", seed), TPE1(encoding=3, text=artist), album, by)
        with_frames(
            draw(music / f"m{seed}.mp3", seed + 2),
            TPE1(encoding=3, text=artist),
            mutagen.id3.TALB(encoding=3, text="Marked"),
            TCMP(encoding=3, text="1"),
        )

    ingest(music, tmp_path)

    assert len({row["album_id"] for row in landed_rows(tmp_path, "tracks")}) == 2


@pytest.mark.parametrize(
    ("values", "tags"),
    [
        (["Rock; Pop"], {"Rock", "Pop"}),
        (["Rock", "Pop"], {"Rock", "Pop"}),
        (["Rock\0Pop"], {"Rock", "Pop"}),
        (["Rock, Pop"], {"Rock", "Pop"}),
        (["Hip-Hop/Rap"], {"Hip-Hop", "Rap"}),
        (["Rock", "ROCK ", ""], {"Rock"}),
        (["(4)Eurodisco"], {"Eurodisco", "Disco"}),
        (["(4)(17)"], {"Disco", "Rock"}),
        (["17"], {"Rock"}),
        (["(255)Odd"], {"Odd"}),
        (["(255)", "Unknown"], set()),
        (["((sic) pop"], {"(sic) pop"}),
        (["Folk, World, & Country"], {"Folk, World, & Country"}),
        ([" ;, "], set()),
    ],
)
def test_every_genre_is_a_tag(music, tmp_path, values, tags):
    """Numbers are those of ID3v1: 4 is Disco, 17 Rock; 255 names none."""
    tagged(music / "a.flac", genre=values)
    with_frames(draw(music / "b.mp3", 1), TCON(encoding=3, text=[v for v in values if v]))

    ingest(music, tmp_path)

    found = [row["tag"] for row in landed_rows(tmp_path, "tags")]
    assert sorted(found) == sorted([*tags, *tags])


@pytest.mark.parametrize("odd", ["Ri\0ver", "Ri\ud800ver"])
def test_text_that_no_table_can_hold_is_cleaned_and_named(music, tmp_path, odd, monkeypatch):
    """NUL, and half a surrogate pair, which the tag reader hands on from damaged UTF-16."""
    draw(music / "a.flac")
    monkeypatch.setattr(FLAC, "__getitem__", lambda _, key: [odd] if key == "TITLE" else [])

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason == "title: holds NUL or half a surrogate pair, which are left out"
    [title] = tracks_by_title(tmp_path)
    assert title in {"Ri ver", "Ri\N{REPLACEMENT CHARACTER}ver"}


def test_a_blank_or_invisible_title_is_none(music, tmp_path):
    tagged(music / "by name.flac", title="\u200b \t\ufeff", artist="\u2060")

    ingest(music, tmp_path)

    assert tracks_by_title(tmp_path)["by name"]["artist_name"] == "unknown artist"


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


@pytest.mark.parametrize("content", [b"bl\xe5\n[00:01.0]la", "la\n".encode("utf-16-le")])
def test_lyrics_in_an_unknown_encoding_stay_as_bytes(music, tmp_path, content):
    draw(music / "song.flac")
    (music / "song.lrc").write_bytes(content)

    ingest(music, tmp_path)

    assert landed_rows(tmp_path, "lyrics")[0]["lyrics_bytes"] == content


def picture(kind, data, mime="image/jpeg"):
    block = Picture()
    block.type, block.data, block.mime = kind, data, mime
    return block


def flac_with(file, *pictures):
    opened = FLAC(draw(file))
    for each in pictures:
        opened.add_picture(each)
    opened.save()


def vorbis_with(file, *pictures):
    blocks = [base64.b64encode(each.write()).decode() for each in pictures]
    with_tags(draw(file), metadata_block_picture=blocks)


def mp3_with(file, *pictures):
    with_frames(
        draw(file),
        *[
            APIC(encoding=3, mime=each.mime, type=each.type, desc=f"{number}", data=each.data)
            for number, each in enumerate(pictures)
        ],
    )


CONTAINERS = [(flac_with, "a.flac"), (vorbis_with, "a.ogg"), (mp3_with, "a.mp3")]
FRONT, OTHER, ARTIST, BESIDE = image("red"), image("blue"), image("green"), b"beside"


@pytest.mark.parametrize(("write", "name"), CONTAINERS, ids=["flac", "ogg", "mp3"])
@pytest.mark.parametrize(
    ("pictures", "cover"),
    [
        ([(8, ARTIST), (3, FRONT)], FRONT),
        ([(4, OTHER), (3, FRONT)], FRONT),
        ([(8, ARTIST), (0, OTHER)], OTHER),
        ([(1, FRONT), (4, OTHER)], OTHER),  # an icon is the last choice
        ([(8, ARTIST)], BESIDE),
        ([(3, b"https://example.org/front.jpg", "-->")], BESIDE),
        ([(3, b"https://example.org/front.jpg", "-->"), (4, OTHER)], OTHER),
        ([(3, b"")], BESIDE),
        ([(3, b"no image")], BESIDE),
        ([], BESIDE),
    ],
)
def test_the_front_cover_comes_first_and_the_artist_is_none(
    music, tmp_path, write, name, pictures, cover
):
    write(music / name, *[picture(*each) for each in pictures])
    (music / "Folder.JPG").write_bytes(BESIDE)

    ingest(music, tmp_path)

    assert list(landed_files(tmp_path, "covers").values()) == [cover]


def test_a_broken_picture_does_not_hide_the_next_one(music, tmp_path):
    good = base64.b64encode(picture(3, FRONT).write()).decode()
    tagged(music / "a.ogg", metadata_block_picture=["not base64!", good])

    assert ingest(music, tmp_path).remarks == ()
    assert list(landed_files(tmp_path, "covers").values()) == [FRONT]


def test_a_picture_that_is_too_large_is_named_and_the_file_beside_serves(
    music, tmp_path, monkeypatch
):
    monkeypatch.setattr("jobs.sources.cover_file.COVER_BYTES_MAX", len(FRONT) - 1)
    flac_with(music / "a.flac", picture(3, FRONT))
    (music / "a.png").write_bytes(BESIDE)

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason.startswith("cover: no picture in the file is an image of at most")
    assert list(landed_files(tmp_path, "covers").values()) == [BESIDE]


@pytest.mark.parametrize("name", ["a.JPG", "A.jpeg", "Cover.PNG", "FOLDER.jpg"])
def test_a_cover_beside_the_file_is_found_in_any_case(music, tmp_path, name):
    draw(music / "a.flac")
    (music / name).write_bytes(BESIDE)

    ingest(music, tmp_path)

    assert list(landed_files(tmp_path, "covers").values()) == [BESIDE]


def test_a_name_in_another_unicode_form_is_the_same(music, tmp_path):
    """A Mac writes ü as u and two dots."""
    draw(music / "gr\u00fcn.flac")
    (music / "gru\u0308n.lrc").write_text("la")

    ingest(music, tmp_path)

    assert landed_rows(tmp_path, "lyrics")[0]["lyrics_bytes"] == b"la"
