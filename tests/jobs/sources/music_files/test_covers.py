"""The cover of a recording is the front of its album, in the file or beside it."""

from __future__ import annotations

import base64

import pytest
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC

from jobs.sources.cover_file import COVER_BYTES_MAX
from tests.jobs.sources.music_files.recordings import (
    draw,
    image,
    ingest,
    landed_files,
    landed_rows,
    tagged,
    with_frames,
    with_tags,
)


@pytest.fixture
def music(tmp_path):
    return tmp_path / "music"


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
FRONT, OTHER, ARTIST, BESIDE = image("red"), image("blue"), image("green"), image("white")


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


def test_a_broken_picture_alone_is_named(music, tmp_path):
    tagged(music / "a.ogg", metadata_block_picture="not base64!")

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason.startswith("cover: a picture of 11 bytes is no image that can be decoded")


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
CR2 = b"II*\0\x10\0\0\0CR\2\0" + bytes(60)
NO_COVERS = {"HEIC": HEIC, "CR2": CR2, "PSD": b"8BPS\0\1" + bytes(60), "cut": image("red")[:60]}


@pytest.mark.parametrize("write", [write for write, _ in CONTAINERS])
@pytest.mark.parametrize("kind", NO_COVERS)
def test_a_picture_that_cannot_be_decoded_is_named_and_hides_no_cover(music, tmp_path, write, kind):
    """By its first bytes each is an image: only the decoder of the night can tell."""
    name = dict(CONTAINERS)[write]
    write(music / name, picture(3, NO_COVERS[kind]))
    (music / "folder.jpg").write_bytes(BESIDE)
    draw(music / "two/b.flac", 1)
    (music / "two/b.jpg").write_bytes(NO_COVERS[kind])
    (music / "two/cover.jpg").write_bytes(FRONT)

    result = ingest(music, tmp_path)

    assert sorted(landed_files(tmp_path, "covers").values()) == sorted([BESIDE, FRONT])
    [remark] = result.remarks
    what = f"cover: a picture of {len(NO_COVERS[kind])} bytes is no image that can be decoded"
    assert (remark.path, remark.reason) == (name, f"{what}; replace it by a JPEG or PNG")
    assert [one.path for one in result.not_taken] == ["two/b.jpg"]


def test_a_picture_that_is_too_large_is_named_and_the_file_beside_serves(music, tmp_path):
    mp3_with(music / "a.mp3", picture(3, FRONT.ljust(COVER_BYTES_MAX + 1, b"\0")))
    (music / "a.png").write_bytes(BESIDE)

    [remark] = ingest(music, tmp_path).remarks

    assert remark.reason.startswith("cover: a picture of 33,554,433 bytes is too large (")
    assert list(landed_files(tmp_path, "covers").values()) == [BESIDE]


@pytest.mark.parametrize(
    "name", ["a.JPG", "A.jpeg", "Cover.PNG", "FOLDER.jpg", "cover.webp", "folder.gif", "a.bmp"]
)
def test_a_cover_beside_the_file_is_found_in_any_case(music, tmp_path, name):
    draw(music / "a.flac")
    (music / name).write_bytes(BESIDE)

    ingest(music, tmp_path)

    assert list(landed_files(tmp_path, "covers").values()) == [BESIDE]


@pytest.mark.parametrize(
    ("name", "kind", "ending"),
    [
        ("cover.avif", "AVIF", "avif"),
        ("Cover.tif", "TIFF", "tiff"),
        ("folder.TIFF", "TIFF", "tiff"),
        ("folder.jfif", "JPEG", "jpg"),
        ("cover.jpe", "JPEG", "jpg"),
        ("a.jp2", "JPEG2000", "jp2"),
        ("a.ico", "ICO", "ico"),
    ],
)
def test_a_cover_may_be_of_any_kind_that_is_decoded(music, tmp_path, name, kind, ending):
    draw(music / "a.flac")
    content = image(image_format=kind)
    (music / name).write_bytes(content)

    ingest(music, tmp_path)

    [(landed, bytes_landed)] = landed_files(tmp_path, "covers").items()
    assert (landed.rpartition(".")[2], bytes_landed) == (ending, content)


@pytest.mark.parametrize("name", ["cover.heic", "folder.jxl", "a.svg"])
def test_a_cover_of_a_kind_that_is_not_decoded_is_named(music, tmp_path, name):
    draw(music / "a.flac")
    (music / name).write_bytes(HEIC)

    [remark] = ingest(music, tmp_path).not_taken

    assert (remark.path, remark.reason) == (
        name,
        "is no image that can be decoded; replace it by a JPEG or PNG",
    )


def test_what_is_no_image_is_named_and_the_next_one_serves(music, tmp_path):
    draw(music / "a.flac")
    (music / "a.jpg").write_text("<html>404 Not Found</html>")
    (music / "cover.png").write_bytes(BESIDE)

    result = ingest(music, tmp_path)

    assert {one.path: one.reason for one in result.not_taken} == {
        "a.jpg": "is no image that can be decoded; replace it by a JPEG or PNG"
    }
    assert list(landed_files(tmp_path, "covers").values()) == [BESIDE]


def test_a_copy_brings_the_lyrics_and_the_cover_that_the_first_file_lacks(music, tmp_path):
    draw(music / "bare/a.flac")
    draw(music / "full/a.flac")
    (music / "full/a.lrc").write_text("la")
    (music / "full/cover.png").write_bytes(BESIDE)
    draw(music / "more/a.flac")
    (music / "more/a.lrc").write_text("lo")

    ingest(music, tmp_path)

    assert [row["lyrics_bytes"] for row in landed_rows(tmp_path, "lyrics")] == [b"la"]
    assert list(landed_files(tmp_path, "covers").values()) == [BESIDE]
