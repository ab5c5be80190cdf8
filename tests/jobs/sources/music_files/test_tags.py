"""Artists, albums, genres, lyrics, covers and durations of a folder, as people mean them."""

from __future__ import annotations

import io
import zlib
from datetime import date

import mutagen
import pytest
import soundfile
from mutagen.flac import FLAC
from mutagen.id3 import TCMP, TCON, TIT2, TPE1, TPE2, TXXX

from jobs.sources.audio_tags.reading import read_tags
from jobs.sources.audio_tags.tag_process import read_tags_apart
from jobs.sources.music_files.audio_format import ending_by_content
from tests.jobs.sources.music_files.recordings import (
    draw,
    image,
    ingest,
    landed_files,
    landed_rows,
    mp4,
    tagged,
    tracks_by_title,
    value,
    with_frames,
)


@pytest.fixture
def music(tmp_path):
    return tmp_path / "music"


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
    assert (
        read_tags(io.BytesIO(mutated_id3_before_flac(music / "b.flac")), ".flac").title == "River"
    )


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
        (["Low;Mimi"], "Low", "Low;Mimi"),
        (["Low // Mimi"], "Low", "Low // Mimi"),
        (["Low | Mimi"], "Low", "Low | Mimi"),
        (["Low|Mimi"], "Low", "Low|Mimi"),
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
            TCMP(encoding=3, text="1") if seed else TXXX(encoding=3, desc="TCMP", text="1"),
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
        (["4;18"], {"Disco", "Techno"}),
        (["Pop; 17", "2000; 80s"], {"Pop", "Rock", "2000", "80s"}),
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


def title_of(file, odd, monkeypatch):
    monkeypatch.setattr(FLAC, "__getitem__", lambda _, key: [odd] if key == "TITLE" else [])
    return read_tags(io.BytesIO(file.read_bytes()), ".flac")


def test_nul_in_a_text_counts_as_a_blank_and_is_named(music, monkeypatch):
    found = title_of(draw(music / "a.flac"), "Ri\0ver", monkeypatch)

    assert (found.title, found.failure) == ("Ri ver", "title: holds NUL, which counts as a blank")


def test_half_a_surrogate_pair_is_no_text_and_is_named(music, monkeypatch):
    """The tag reader hands it on from damaged UTF-16."""
    found = title_of(draw(music / "a.flac"), "Ri\ud800ver", monkeypatch)

    assert (found.title, found.failure) == (
        None,
        "title: is in another encoding than its format has; left out",
    )


@pytest.mark.parametrize("encoding", ["cp1251", "cp1252", "shift-jis"])
def test_texts_of_another_encoding_are_left_out_and_join_no_artists(music, tmp_path, encoding):
    """Of four letters each, all would be the artist of four replacement characters."""
    for seed, artist in enumerate(("Кино", "Аква", "Blåå", "Ööbø", "山川山川")):
        try:
            text = artist.encode(encoding)
        except UnicodeEncodeError:
            continue
        texts = b"INFOIART" + len(text).to_bytes(4, "little") + text + b"\0" * (len(text) % 2)
        content = draw(music / f"{seed}.wav", seed).read_bytes()
        content += b"LIST" + len(texts).to_bytes(4, "little") + texts
        content = content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:]
        (music / f"{seed}.wav").write_bytes(content)

    remarks = ingest(music, tmp_path).remarks

    assert {one.reason for one in remarks} == {
        "artist: is in another encoding than its format has; left out"
    }
    assert {row["artist_name"] for row in landed_rows(tmp_path, "tracks")} == {"unknown artist"}


@pytest.mark.parametrize(
    ("written", "lead", "shown"),
    [
        ("A &amp; B", "A & B", "A & B"),
        ("A &amp; B; C", "A & B", "A & B; C"),
        ("Rock &#39;n&#x27; Roll", "Rock 'n' Roll", "Rock 'n' Roll"),
        ("Bj&ouml;rk", "Björk", "Björk"),
        ("AT&T; B", "AT&T", "AT&T; B"),
        ("A &notit; B", "A &notit", "A &notit; B"),
        ("A &amp B", "A &amp B", "A &amp B"),
        ("A &#0; B", "A &#0", "A &#0; B"),
    ],
)
def test_entities_of_html_are_the_characters_that_they_name(music, tmp_path, written, lead, shown):
    tagged(music / "a.flac", title=written, artist=written, genre="R&amp;B; Rock")
    tagged(music / "b.flac", 1, title="lead", artist=lead)

    ingest(music, tmp_path)

    tracks = tracks_by_title(tmp_path)
    assert tracks[shown]["artist_name"] == shown
    assert tracks[shown]["artist_id"] == tracks["lead"]["artist_id"]
    assert {row["tag"] for row in landed_rows(tmp_path, "tags")} == {"R&B", "Rock"}


@pytest.mark.parametrize(
    ("tags", "day"),
    [
        ({"date": "20040506"}, date(2004, 5, 6)),
        ({"date": "2004-05-06"}, date(2004, 5, 6)),
        ({"date": "2004/5/6"}, date(2004, 5, 6)),
        ({"date": "2004.05.06"}, date(2004, 5, 6)),
        ({"date": "2004-05-06T07:08:09Z"}, date(2004, 5, 6)),
        ({"date": ["2004", "2004-05-06"]}, date(2004, 5, 6)),
        ({"year": "2004-05-06"}, date(2004, 5, 6)),
        ({"date": "1999-01-02", "releasedate": "2004-05-06"}, date(2004, 5, 6)),
        ({"date": "1999-01-02", "release date": "20040506"}, date(2004, 5, 6)),
        ({"date": "2004"}, None),
        ({"date": "2004-05"}, None),
        ({"date": "200405"}, None),
        ({"date": "2004-00-00"}, None),
        ({"date": "0000"}, None),
    ],
)
def test_a_full_date_is_the_release_date_and_a_part_of_one_is_none(music, tmp_path, tags, day):
    """yt-dlp writes 20040506 into every file."""
    tagged(music / "a.flac", **tags)

    assert ingest(music, tmp_path).remarks == ()

    assert landed_rows(tmp_path, "tracks")[0]["released_date"] == day


def test_a_compact_date_of_id3_is_a_full_one(music, tmp_path):
    with_frames(draw(music / "a.mp3"), mutagen.id3.TDRC(encoding=3, text="20040506"))

    ingest(music, tmp_path)

    assert landed_rows(tmp_path, "tracks")[0]["released_date"] == date(2004, 5, 6)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("06.05.2004", "'06.05.2004' is no date such as 2004-05-06; left out"),
        ("2004-02-31", "'2004-02-31' is no day of a calendar; left out"),
        ("20041306", "'20041306' is no day of a calendar; left out"),
    ],
)
def test_a_date_that_cannot_be_read_is_named(music, tmp_path, text, reason):
    tagged(music / "a.flac", date=text)

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason == f"released_date: {reason}"
    assert landed_rows(tmp_path, "tracks")[0]["released_date"] is None


def latin_1_in_utf_8(file):
    frame = b"TIT2\0\0\0\x05\0\0\x03bl\xe5!"
    return b"ID3\4\0\0\0\0\0\x0f" + frame + draw(file).read_bytes()


def an_encoding_that_is_none(file):
    frame = b"TIT2\0\0\0\x05\0\0\x09blue"
    return b"ID3\4\0\0\0\0\0\x0f" + frame + draw(file).read_bytes()


def a_damaged_mark(file):
    return b"IDJ" + id3(*WEIR)[3:] + draw(file).read_bytes()


def a_damaged_mark_behind_a_tag(file):
    return id3(mutagen.id3.TXXX(encoding=3, text="b")) + a_damaged_mark(file)


def a_box_of_latin_1(_):
    return mp4(**{"\xa9nam": value(b"bl\xe5"), "\xa9ART": value(b"Low")})


def vorbis_of_latin_1(file):
    return tagged(file, title="bl@@").read_bytes().replace(b"bl@@", b"bl\xe5!")


@pytest.mark.parametrize(
    ("write", "ending"),
    [
        (latin_1_in_utf_8, ".mp3"),
        (an_encoding_that_is_none, ".mp3"),
        (a_damaged_mark, ".mp3"),
        (a_damaged_mark_behind_a_tag, ".mp3"),
        (a_box_of_latin_1, ".m4a"),
        (vorbis_of_latin_1, ".flac"),
    ],
)
def test_a_tag_that_cannot_be_read_is_named(music, tmp_path, write, ending):
    content = write(music / f"a{ending}")
    (music / f"a{ending}").parent.mkdir(exist_ok=True)
    (music / f"a{ending}").write_bytes(content)

    [remark] = ingest(music, tmp_path).remarks

    assert "title: " in remark.reason


def id3(*frames):
    sink = io.BytesIO()
    tags = mutagen.id3.ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(sink, padding=lambda _: 0)
    return sink.getvalue()


WEIR = (TIT2(encoding=3, text="Weir"), TPE1(encoding=3, text="Low"))


def ape_alone(file):
    draw(file)
    tags = mutagen.apev2.APEv2()
    tags.update({"Title": "Weir", "Artist": "Low"})
    tags.save(file)


def behind_another_id3(file):
    file.write_bytes(
        id3(mutagen.id3.TXXX(encoding=3, desc="a", text="b")) + id3(*WEIR) + draw(file).read_bytes()
    )


def behind_other_bytes(file):
    file.write_bytes(b"\0" * 300 + id3(*WEIR) + draw(file).read_bytes())


def id3_before_flac(file):
    file.write_bytes(id3(*WEIR) + draw(file).read_bytes())


def with_texts(file, title="Weir"):
    draw(file)
    with soundfile.SoundFile(file, "r+") as opened:
        samples, rate_hz, kind = opened.read(), opened.samplerate, opened.format
    with soundfile.SoundFile(file, "w", rate_hz, 1, format=kind) as opened:
        opened.artist = "Low"
        if title:
            opened.title = title
        opened.write(samples)


def test_ape_tags_are_preferred_to_those_that_are_cut_after_30_bytes(music, tmp_path):
    """foobar2000 writes both, and an ID3v1 tag has no more room."""
    title, artist = "A title that is longer than thirty letters", "The Orchestra of the Long Names"
    draw(music / "a.mp3")
    tags = mutagen.apev2.APEv2()
    tags.update({"Title": title, "Artist": artist})
    tags.save(music / "a.mp3")
    with (music / "a.mp3").open("ab") as file:
        file.write(b"TAG" + title[:30].encode() + artist[:30].encode() + bytes(65))

    ingest(music, tmp_path)

    [(found, track)] = tracks_by_title(tmp_path).items()
    assert (found, track["artist_name"]) == (title, artist)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (ape_alone, "a.mp3"),
        (behind_another_id3, "a.mp3"),
        (behind_other_bytes, "a.mp3"),
        (id3_before_flac, "a.flac"),
        (with_texts, "a.wav"),
        (with_texts, "a.aiff"),
    ],
)
def test_tags_in_a_further_place_count(music, tmp_path, write, name):
    music.mkdir()
    write(music / name)

    ingest(music, tmp_path)

    [(title, track)] = tracks_by_title(tmp_path).items()
    assert (title, track["artist_name"]) == ("Weir", "Low")


@pytest.mark.parametrize("kind", ["ogg", "opus", "wav", "aiff", "m4a"])
@pytest.mark.parametrize("n_tags", [1, 2])
def test_id3_before_any_other_format_counts_beside_its_own_tags(music, tmp_path, kind, n_tags):
    """A tag of 20 kB, so that the sound begins behind what a reader looks at first."""
    large = mutagen.id3.PRIV(owner="x", data=bytes(20_000))
    content = mp4(**{"\xa9ART": value(b"Low")}) if kind == "m4a" else None
    if kind in {"wav", "aiff"}:
        with_texts(draw(music / f"a.{kind}"), title=None)
    elif content is None:
        tagged(music / f"a.{kind}", artist="Low")
    content = content or (music / f"a.{kind}").read_bytes()
    music.mkdir(exist_ok=True)
    tags = id3(large) * (n_tags - 1) + id3(TIT2(encoding=3, text="Weir"), large)
    (music / f"a.{kind}").write_bytes(tags + content)

    remarks = ingest(music, tmp_path).remarks

    [(title, track)] = tracks_by_title(tmp_path).items()
    assert (title, track["artist_name"]) == ("Weir", "Low")
    assert track["track_duration_ms"] == (3_000 if kind == "m4a" else 500)
    assert [one.reason[:6] for one in remarks] == (["sound:"] if kind == "m4a" else [])


def test_a_tag_that_needs_much_memory_is_left_out_and_named(music, tmp_path):
    """One MiB of zeros compresses to a thousandth: 1.5 MB of a tag would take 1.5 GB."""
    packed = zlib.compress(bytes(1_500 * 2**20), 9)
    sizes = [packed_size(len(packed) + 4), packed_size(1_500 * 2**20 & 0xFFFFFFF)]
    frame = b"TIT2" + sizes[0] + b"\0\x09" + sizes[1] + packed
    file = draw(music / "bomb.mp3")
    file.write_bytes(b"ID3\4\0\0" + packed_size(len(frame)) + frame + file.read_bytes())
    draw(music / "good.mp3", 1)

    [remark] = ingest(music, tmp_path).remarks

    assert remark.path == "bomb.mp3"
    assert "memory" in remark.reason
    assert set(tracks_by_title(tmp_path)) == {"bomb", "good"}


def packed_size(count):
    """Seven bits a byte."""
    return bytes(count >> shift & 0x7F for shift in (21, 14, 7, 0))


def test_a_recording_that_vanishes_before_its_tags_are_read_is_named(music):
    gone = read_tags_apart(music / "gone.mp3", ".mp3")

    assert gone.failure == "tags: cannot be read: No such file or directory"


def test_a_title_longer_than_any_is_left_out_and_named(music, tmp_path):
    tagged(music / "a.flac", title="x" * 2**21, artist="Low")

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason == "title: has 2,097,152 characters, at most 10,000 are taken; left out"
    assert tracks_by_title(tmp_path)["a"]["artist_name"] == "Low"


def test_a_blank_or_invisible_title_is_none(music, tmp_path):
    tagged(music / "by name.flac", title="\u200b \t\ufeff", artist="\u2060")

    ingest(music, tmp_path)

    assert tracks_by_title(tmp_path)["by name"]["artist_name"] == "unknown artist"


@pytest.mark.parametrize("name", ["a.m4a", "a.mp3", "a.wav"])
def test_an_mp4_has_all_artists_genres_and_its_album_artist(name):
    content = mp4(
        **{
            "\xa9nam": value(b"Weir"),
            "\xa9ART": value(b"Low") + value(b"Mimi"),
            "aART": value(b"Various"),
            "\xa9gen": value(b"Rock; Pop"),
            "\xa9lyr": value(b"[00:01.00]la"),
            "covr": value(b"", 13) + value(image(), 13),
        }
    )

    found = read_tags(io.BytesIO(content), ending_by_content(content, f".{name[-3:]}"))

    assert (found.title, found.artist, found.lead_artist) == ("Weir", "Low, Mimi", "Low")
    assert (found.album_artist, found.genres, found.lyrics) == ("Various", ("Rock", "Pop"), "la")
    assert (found.duration_ms, found.failure) == (3_000, None)
    assert found.cover is not None
    assert found.cover.content == image()


ADTS_FRAME = bytes.fromhex("fff15080017ffc") + bytes(4)  # 11 bytes
WMA = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(100)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.m4a", mp4(**{"\xa9nam": value(b"Weir")}), "MP4 (AAC or ALAC)"),
        ("a.mp3", mp4(**{"\xa9nam": value(b"Weir")}), "MP4 (AAC or ALAC)"),
        ("a.m4a", ADTS_FRAME * 9, "AAC"),
        ("a.mp3", ADTS_FRAME * 9, "AAC"),
        ("a.mp3", WMA, "WMA"),
        ("a.flac", b"wvpk" + bytes(100), "WavPack"),
        ("a.ogg", bytes.fromhex("1a45dfa3") + bytes(100), "Matroska or WebM"),
    ],
)
def test_a_file_whose_sound_is_not_decoded_lands_and_one_remark_says_so(
    music, tmp_path, name, content, kind
):
    music.mkdir()
    (music / name).write_bytes(content)

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason.endswith(
        f"sound: {kind} is not decoded; convert the file to FLAC, MP3 or Opus"
    )
    assert len(landed_rows(tmp_path, "tracks")) == 1
