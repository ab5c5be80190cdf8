"""A music folder lands each audio file with its tags, lyrics and cover."""

import base64
import hashlib
import io
import struct
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import mutagen
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from mutagen.flac import Picture, VCFLACDict
from mutagen.id3 import APIC, TDRC, TDRL, TIT2, TPE1, UFID, USLT
from mutagen.mp3 import MP3
from mutagen.ogg import OggPage
from PIL import Image

from feature_store.lake.storage import FolderStorage
from jobs.sources.audio_tags.reading import read_tags
from jobs.sources.music_folder import MusicFolderError, write_music_folder

ARRIVAL = date(2026, 3, 1)
REAL_FOLDER = Path(__file__).parents[4] / "shared/data/librosa-cc-audio"
SECOND = np.sin(np.arange(8_000) * 0.3).astype(np.float32) / 2  # at 8 kHz


def _draw(file: Path, samples: np.ndarray = SECOND) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, 8_000)
    return file


def _image(image_format: str) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 30, 30)).save(sink, image_format)
    return sink.getvalue()


def _land(folder: Path, lake: Path) -> dict[str, list[dict]]:
    write_music_folder(folder, FolderStorage(lake), arrival_date=ARRIVAL)
    return {
        file.parts[-3]: pq.read_table(file).to_pylist()
        for file in lake.glob("landing/*/2026-03-01/music-folder.parquet")
    }


def _landed_files(lake: Path, source: str) -> dict[str, bytes]:
    return {
        unquote(file.name): file.read_bytes()
        for file in lake.glob(f"landing/{source}/2026-03-01/*")
    }


def _id_of(file: Path) -> str:
    return "file-" + hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def test_tags_of_an_ogg_become_a_catalogue_row(tmp_path):
    file = _draw(tmp_path / "music/a.ogg")
    tags = mutagen.File(file)
    tags.update(
        {
            "title": "River Song",
            "artist": "The Weirs",
            "album": "Locks",
            "date": "2011-07-19",
            "genre": "Folk",
            "isrc": "ZZABC1100001",
            "musicbrainz_trackid": "11111111-2222-3333-4444-555555555555",
        }
    )
    tags.save()

    landed = _land(tmp_path / "music", tmp_path)
    [track] = landed["tracks"]
    assert track | {"artist_id": "-", "album_id": "-"} == {
        "track_id": _id_of(file),
        "title": "River Song",
        "artist_id": "-",
        "artist_name": "The Weirs",
        "album_id": "-",
        "album_title": "Locks",
        "released_date": date(2011, 7, 19),
        "track_duration_ms": 1000,
        "isrc": "ZZABC1100001",
        "recording_mbid": "11111111-2222-3333-4444-555555555555",
        "is_available": True,
    }
    assert landed["tags"] == [
        {"track_id": track["track_id"], "tag": "Folk", "user_id": None, "tagged_date": None}
    ]
    assert _landed_files(tmp_path, "audio") == {f"{track['track_id']}.ogg": file.read_bytes()}


def test_tags_lyrics_and_cover_of_an_mp3_are_read(tmp_path):
    """ID3 has other tag names; a year alone is no release date."""
    file = _draw(tmp_path / "music/b.mp3")
    tags = MP3(file)
    tags.add_tags()
    for frame in (
        TIT2(encoding=3, text="Night"),
        TPE1(encoding=3, text="Ola"),
        TDRC(encoding=3, text="1999"),
        USLT(encoding=3, lang="eng", desc="", text="dark dark"),
        APIC(encoding=3, mime="image/png", type=3, desc="", data=_image("PNG")),
    ):
        tags.tags.add(frame)
    tags.save()

    landed = _land(tmp_path / "music", tmp_path)
    [track] = landed["tracks"]
    assert (track["title"], track["artist_name"], track["released_date"]) == ("Night", "Ola", None)
    assert [row["lyrics_bytes"] for row in landed["lyrics"]] == [b"dark dark"]
    assert _landed_files(tmp_path, "covers") == {f"{_id_of(file)}.png": _image("PNG")}


def test_a_release_date_comes_before_the_day_of_the_recording(tmp_path):
    """ID3 has both; the MusicBrainz id of an ID3 tag is a frame of its own."""
    file = _draw(tmp_path / "music/b.mp3")
    tags = MP3(file)
    tags.add_tags()
    for frame in (
        TDRC(encoding=3, text="1999-01-02"),
        TDRL(encoding=3, text="2003-04-05T12:00:00"),
        UFID(owner="http://musicbrainz.org", data=b"11111111-2222-3333-4444-555555555555"),
    ):
        tags.tags.add(frame)
    tags.save()

    [track] = _land(tmp_path / "music", tmp_path)["tracks"]
    assert track["released_date"] == date(2003, 4, 5)
    assert track["recording_mbid"] == "11111111-2222-3333-4444-555555555555"


def test_lyrics_with_a_description_are_lyrics(tmp_path):
    file = _draw(tmp_path / "music/b.mp3")
    tags = MP3(file)
    tags.add_tags()
    tags.tags.add(USLT(encoding=3, lang="eng", desc="English", text="la la la"))
    tags.save()

    assert [row["lyrics_bytes"] for row in _land(tmp_path / "music", tmp_path)["lyrics"]] == [
        b"la la la"
    ]


def test_flac_in_ogg_has_tags_and_a_duration(tmp_path):
    """Mediafile refuses this kind; the headers are written here, because libsndfile writes none."""
    (tmp_path / "music").mkdir()
    file = tmp_path / "music/a.oga"
    file.write_bytes(ogg_flac({"TITLE": "River", "ARTIST": "The Weirs", "DATE": "2011-07-19"}))

    [track] = _land(tmp_path / "music", tmp_path)["tracks"]

    assert (track["title"], track["artist_name"]) == ("River", "The Weirs")
    assert (track["released_date"], track["track_duration_ms"]) == (date(2011, 7, 19), 500)


def ogg_flac(tags):
    """Two header packets of FLAC in Ogg (https://xiph.org/flac/ogg_mapping.html), 4,000 samples at 8 kHz."""
    info = struct.pack(">HH", 4096, 4096) + bytes(6)  # block sizes, unknown frame sizes
    info += ((8_000 << 44) | (0 << 41) | (15 << 36) | 4_000).to_bytes(8, "big") + bytes(16)
    first = b"\x7fFLAC\x01\x00\x00\x01fLaC" + b"\x00\x00\x00\x22" + info
    comment = VCFLACDict()
    for name, value in tags.items():
        comment[name] = value
    block = comment.write()
    second = b"\x84" + len(block).to_bytes(3, "big") + block
    pages = []
    for number, packet in enumerate((first, second)):
        page = OggPage()
        page.packets, page.serial, page.sequence = [packet], 7, number
        page.first, page.last, page.position = number == 0, number == 1, 4_000 * number
        pages.append(page.write())
    return b"".join(pages)


@pytest.mark.parametrize("text", ["2011", "2011-07", "2011-02-30", "03/04/05", "19-07-11", "soon"])
def test_what_is_no_full_date_is_no_release_date(tmp_path, text):
    file = _draw(tmp_path / "music/a.ogg")
    tags = mutagen.File(file)
    tags["date"], tags["unsyncedlyrics"] = text, "la la"
    tags.save()

    landed = _land(tmp_path / "music", tmp_path)
    assert landed["tracks"][0]["released_date"] is None
    assert [row["lyrics_bytes"] for row in landed["lyrics"]] == [b"la la"]


def test_an_untagged_file_gets_its_file_name_as_title(tmp_path):
    _draw(tmp_path / "music/slow_blue_train.wav")
    [track] = _land(tmp_path / "music", tmp_path)["tracks"]

    assert (track["title"], track["artist_name"]) == ("slow blue train", "unknown artist")
    assert (track["album_id"], track["album_title"], track["released_date"]) == (None, None, None)


def test_artist_names_are_compared_without_letter_case(tmp_path):
    for name, artist in (("a.flac", "Low"), ("b.flac", "LOW"), ("c.flac", "Lower")):
        tags = mutagen.File(_draw(tmp_path / "music" / name, SECOND[: 4_000 + ord(name[0])]))
        tags["artist"] = artist
        tags.save()
    first, second, third = _land(tmp_path / "music", tmp_path)["tracks"]

    assert first["artist_id"] == second["artist_id"] != third["artist_id"]


def test_lyrics_come_from_lrc_or_lyrics_txt_and_never_from_a_licence(tmp_path):
    """The stamps and headers of the .lrc go; c.txt is a licence, so c has no lyrics."""
    music = tmp_path / "music"
    files = [_draw(music / f"{name}.wav", SECOND[: 5_000 + ord(name)]) for name in "abc"]
    (music / "a.lrc").write_bytes(
        b"[ar:Low]\n[00:01.50]first line\n[00:03.00][00:09.00]<00:03.00>twice [sic]\n"
    )
    (music / "b.lyrics.txt").write_bytes("blå\n".encode("latin-1"))
    (music / "c.txt").write_text("CC BY 4.0")

    lyrics = {row["track_id"]: row["lyrics_bytes"] for row in _land(music, tmp_path)["lyrics"]}
    assert lyrics == {_id_of(files[0]): b"first line\ntwice [sic]", _id_of(files[1]): b"bl\xe5\n"}


def test_an_embedded_cover_comes_before_files_in_the_folder(tmp_path):
    """Track a has an embedded cover, b an image file of its name, c only the folder's cover."""
    music = tmp_path / "music"
    a, b, c = (_draw(music / f"{name}.ogg", SECOND[: 5_000 + ord(name)]) for name in "abc")
    block = Picture()
    block.data, block.mime, block.type = _image("JPEG"), "image/jpeg", 3
    tags = mutagen.File(a)
    tags["metadata_block_picture"] = base64.b64encode(block.write()).decode()
    tags.save()
    (music / "a.png").write_bytes(_image("GIF"))
    (music / "b.png").write_bytes(_image("PNG"))
    (music / "cover.jpg").write_bytes(_image("BMP"))
    _land(music, tmp_path)

    assert _landed_files(tmp_path, "covers") == {
        f"{_id_of(a)}.jpg": _image("JPEG"),
        f"{_id_of(b)}.png": _image("PNG"),
        f"{_id_of(c)}.bmp": _image("BMP"),
    }


def test_a_malformed_cover_leaves_the_other_tags(tmp_path):
    tags = mutagen.File(_draw(tmp_path / "music/a.ogg"))
    tags["title"], tags["metadata_block_picture"] = "Fine", "not base64!"
    tags.save()

    found = read_tags((tmp_path / "music/a.ogg").open("rb"), ".ogg")
    assert found.failure is not None
    assert found.failure.startswith("cover: ")
    assert _land(tmp_path / "music", tmp_path)["tracks"][0]["title"] == "Fine"
    assert _landed_files(tmp_path, "covers") == {}


@pytest.mark.parametrize("name", ["broken_one.mp3", "broken_one.ogg", "broken_one.flac"])
def test_an_unreadable_file_lands_unchanged(tmp_path, name):
    """It gets a row with the file name as title; the feature stage reports the failure."""
    file = tmp_path / "music" / name
    file.parent.mkdir()
    file.write_bytes(b"\0" * 500)

    [track] = _land(tmp_path / "music", tmp_path)["tracks"]
    assert (track["title"], track["track_duration_ms"]) == ("broken one", None)
    assert list(_landed_files(tmp_path, "audio").values()) == [b"\0" * 500]


def test_the_same_bytes_twice_are_one_track(tmp_path):
    original = _draw(tmp_path / "music/b/first.wav")
    (tmp_path / "music/c.wav").write_bytes(original.read_bytes())

    [track] = _land(tmp_path / "music", tmp_path)["tracks"]
    assert track["title"] == "first"  # b/first.wav sorts before c.wav


def test_a_folder_without_audio_is_refused(tmp_path):
    with pytest.raises(MusicFolderError, match="must be a folder"):
        _land(tmp_path / "nowhere", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MusicFolderError, match="holds no audio file"):
        _land(tmp_path / "empty", tmp_path)


@pytest.mark.skipif(not REAL_FOLDER.is_dir(), reason=f"the recordings are not at {REAL_FOLDER}")
def test_the_real_recordings_land(tmp_path):
    """14 recordings, one with an embedded cover; no licence file is taken for lyrics."""
    landed = _land(REAL_FOLDER, tmp_path)
    by_title = {row["title"]: row for row in landed["tracks"]}

    assert len(by_title) == 14
    assert "lyrics" not in landed
    vibe_ace = by_title["Vibe Ace"]
    assert (vibe_ace["artist_name"], vibe_ace["track_duration_ms"]) == ("Kevin MacLeod", 61_459)
    assert [name.split(".")[0] for name in _landed_files(tmp_path, "covers")] == [
        vibe_ace["track_id"]
    ]
