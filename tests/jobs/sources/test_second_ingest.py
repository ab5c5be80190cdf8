"""A second ingest for a day: nothing lands twice, and no file that a manifest lists changes."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from feature_store.lake.storage import FolderStorage
from feature_store.lake.stored_file import StorageError
from jobs.landing.manifests import arrived_files, close_days, read_manifest
from jobs.sources.emobank import write_emobank
from jobs.sources.hetrec import write_hetrec
from jobs.sources.music_folder import write_music_folder
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.writer import write_sample_world
from tests.jobs.sources.music_files.recordings import (
    draw,
    image,
    landed_files,
    landed_rows,
    with_tags,
)

DAY = date(2026, 3, 1)
NEXT = DAY + timedelta(days=1)
SOURCES = (
    "tracks",
    "tags",
    "lyrics",
    "users",
    "listens",
    "follows",
    "listen_counts",
    "emotion_texts",
    "audio",
)


@pytest.fixture
def lake(tmp_path):
    """The path has a blank and a percent sign, as the folders of people do."""
    return tmp_path / "my lake 100%25"


@pytest.fixture
def storage(lake):
    return FolderStorage(lake)


@pytest.fixture
def music(tmp_path):
    """Two songs, one with lyrics, a cover and a tag."""
    folder = tmp_path / "music & more 50%20"
    with_tags(draw(folder / "one %41.flac"), title="one", genre="Folk")
    (folder / "one %41.lrc").write_text("[00:01.00]la")
    (folder / "one %41.jpg").write_bytes(image("red"))
    draw(folder / "two.wav", seed=1)
    return folder


@pytest.fixture
def hetrec(tmp_path):
    """Two listeners, two artists, one tag."""
    folder = tmp_path / "hetrec"
    folder.mkdir()
    for name, lines in {
        "artists": ["id\tname\turl\tpictureURL", "1\tLow\tu\tp", "2\tWeir\tu\tp"],
        "tags": ["tagID\ttagValue", "7\tslow"],
        "user_artists": ["userID\tartistID\tweight", "1\t1\t5", "2\t2\t3"],
        "user_friends": ["userID\tfriendID", "1\t2", "2\t1"],
        "user_taggedartists": ["userID\tartistID\ttagID\tday\tmonth\tyear", "1\t1\t7\t1\t4\t2009"],
    }.items():
        (folder / f"{name}.dat").write_text("\n".join([*lines, ""]))
    return folder


@pytest.fixture
def emobank(tmp_path):
    """Two sentences, one rated by a reader too."""
    folder = tmp_path / "emobank"
    folder.mkdir()
    main = "id,split,V,A,D,text\na,train,3.1,3.0,3.0,So.\nb,test,2.8,3.3,3.0,No.\n"
    (folder / "emobank.csv").write_text(main)
    (folder / "reader.csv").write_text("id,V,A,D,stdV,stdA,stdD,N\na,3.2,3.0,3.0,.4,.0,.0,5\n")
    return folder


def add_to_hetrec(folder):
    with (folder / "user_artists.dat").open("a") as opened:
        opened.write("2\t1\t9\n")


def world(**options):
    first = DAY - timedelta(days=1)
    return SampleWorld(
        n_days=2, first_day=first, n_tracks_at_start=2, n_users_at_start=8, clip_s=1.0, **options
    )


def landing(lake):
    """Bytes and time of the last writing of every landed file."""
    return {
        file.relative_to(lake).as_posix(): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in lake.rglob("landing/*/*/*")
        if "_manifests" not in file.parts
    }


def listed(storage, day):
    return [file.path for file in read_manifest(storage, day).files]


def check_listed_files_are_whole(storage, day):
    """The jobs of the day can be run again."""
    for source in SOURCES:
        arrived_files(storage, source, [day])


@pytest.fixture(params=["music-folder", "hetrec", "emobank", "sample-world"])
def write(request, music, hetrec, emobank, storage):
    """The ingest of each source for DAY."""
    return {
        "music-folder": lambda: write_music_folder(music, storage, DAY),
        "hetrec": lambda: write_hetrec(hetrec, storage, DAY),
        "emobank": lambda: write_emobank(emobank, storage, DAY),
        "sample-world": lambda: write_sample_world(world(), storage),
    }[request.param]


@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
def test_the_same_ingest_again_writes_nothing(write, storage, lake, is_closed):
    first = write()
    if is_closed:
        close_days(storage, DAY)
    before = landing(lake)

    second = write()

    assert landing(lake) == before
    assert sum(first.counts.values()) > 0
    assert not any(second.counts.values())
    assert second.already_landed == {name: n for name, n in first.counts.items() if n}
    assert second.late_days == ()


def test_a_song_for_a_closed_day_counts_for_the_next_night(music, storage, lake):
    write_music_folder(music, storage, DAY)
    close_days(storage, DAY)
    before = landing(lake)
    with_tags(draw(music / "three.flac", seed=2), title="three", genre="Folk")

    result = write_music_folder(music, storage, DAY)

    assert {path: landing(lake)[path] for path in before} == before
    assert [row["title"] for row in landed_rows(lake, "tracks")] == ["one", "two", "three"]
    assert (result.late_days, result.first_open_day) == ((DAY,), NEXT)
    assert dict(result.counts) == {"audio": 1, "covers": 0, "tracks": 1, "tags": 1, "lyrics": 0}
    assert result.already_landed == {"audio": 2, "covers": 1, "tracks": 2, "tags": 1, "lyrics": 1}
    check_listed_files_are_whole(storage, DAY)
    close_days(storage, NEXT)
    new = sorted(set(landing(lake)) - set(before))
    assert listed(storage, NEXT) == new
    assert [path for path in new if path.endswith(".parquet")] == [
        "landing/tags/2026-03-01/music-folder_0002.parquet",
        "landing/tracks/2026-03-01/music-folder_0002.parquet",
    ]


def test_a_song_for_an_open_day_lands_alone(music, storage, lake):
    write_music_folder(music, storage, DAY)
    draw(music / "three.wav", seed=2)

    result = write_music_folder(music, storage, DAY)

    assert [row["title"] for row in landed_rows(lake, "tracks")] == ["one", "two", "three"]
    assert (result.late_days, result.counts["tracks"]) == ((), 1)


def test_two_folders_of_one_day_both_land(music, storage, lake, tmp_path):
    draw(tmp_path / "other/three.wav", seed=2)
    write_music_folder(music, storage, DAY)
    write_music_folder(tmp_path / "other", storage, DAY)

    assert [row["title"] for row in landed_rows(lake, "tracks")] == ["one", "two", "three"]


def test_lyrics_and_cover_that_change_for_a_closed_day_land_beside(music, storage, lake):
    """Of one day the last name counts, so a correction sorts behind what it corrects."""
    write_music_folder(music, storage, DAY)
    close_days(storage, DAY)
    for number, (words, colour) in enumerate([("lo", "blue"), ("lu", "green"), ("la", "red")]):
        (music / "one %41.lrc").write_text(words)
        (music / "one %41.jpg").write_bytes(image(colour))
        write_music_folder(music, storage, DAY)
        if number == 0:
            close_days(storage, NEXT)

    covers = landed_files(lake, "covers")
    assert [row["lyrics_bytes"] for row in landed_rows(lake, "lyrics")] == [
        b"la",
        b"lo",
        b"lu",
        b"la",
    ]
    [first, second, third] = sorted(covers)
    assert (second, third) == (f"{first}_0002", f"{first}_0003")
    assert list(covers.values()) == [image("red"), image("blue"), image("red")]
    check_listed_files_are_whole(storage, DAY)
    check_listed_files_are_whole(storage, NEXT)


def test_a_listed_file_that_is_gone_keeps_its_name(music, storage, lake):
    """Landing files expire: what lands now would never be read under a name that is listed."""
    write_music_folder(music, storage, DAY)
    close_days(storage, DAY)
    for path in listed(storage, DAY):
        storage.delete(path)
    draw(music / "three.wav", seed=2)

    first = write_music_folder(music, storage, DAY)
    second = write_music_folder(music, storage, DAY)

    assert (first.counts["tracks"], second.counts["tracks"]) == (3, 0)
    assert sorted(path for path in landing(lake) if "/tracks/" in path) == [
        "landing/tracks/2026-03-01/music-folder_0002.parquet"
    ]
    assert {row["title"] for row in landed_rows(lake, "tracks")} == {"one", "two", "three"}
    for source in ("audio", "covers"):  # the same bytes: restored
        arrived_files(storage, source, [DAY])
    close_days(storage, NEXT)
    assert "landing/tracks/2026-03-01/music-folder_0002.parquet" in listed(storage, NEXT)


@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
def test_hetrec_with_a_line_more_lands_that_line(hetrec, storage, lake, is_closed):
    write_hetrec(hetrec, storage, DAY)
    if is_closed:
        close_days(storage, DAY)
    add_to_hetrec(hetrec)

    result = write_hetrec(hetrec, storage, DAY)

    assert len(landed_rows(lake, "listen_counts")) == 3
    assert result.late_days == ((DAY,) if is_closed else ())
    if is_closed:
        assert result.counts["listen_counts"] == 1
        check_listed_files_are_whole(storage, DAY)


def test_another_sample_world_leaves_the_files_of_closed_days_as_they_are(storage, lake):
    """The tracks have the same ids and other sound."""
    write_sample_world(world(seed=1), storage)
    close_days(storage, DAY)
    before = landing(lake)

    result = write_sample_world(world(seed=2), storage)

    assert {path: landing(lake)[path] for path in before} == before
    assert result.late_days == (DAY - timedelta(days=1), DAY)
    check_listed_files_are_whole(storage, DAY)
    again = landing(lake)
    write_sample_world(world(seed=2), storage)
    assert landing(lake) == again


def test_another_sample_world_replaces_the_files_of_open_days(storage, lake, tmp_path):
    write_sample_world(world(seed=1), storage)
    write_sample_world(world(seed=2), storage)
    write_sample_world(world(seed=2), FolderStorage(tmp_path / "fresh"))

    for source in ("tracks", "listens", "users"):
        assert landed_rows(lake, source) == landed_rows(tmp_path / "fresh", source)


class Breaking(FolderStorage):
    """A lake whose disk is full after some writes."""

    def put_if_absent(self, path, content):
        if not type(self).n_left:
            raise StorageError(28, "No space left on device")
        type(self).n_left -= 1
        return super().put_if_absent(path, content)


@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("n_writes", range(6))
def test_an_ingest_that_broke_is_mended_by_running_it_again(
    music, storage, lake, tmp_path, n_writes, is_closed
):
    """6 files in all: 2 recordings, a cover, and rows of 3 sources; a night may come between."""
    Breaking.n_left = n_writes
    with pytest.raises(StorageError, match="No space left"):
        write_music_folder(music, Breaking(lake), DAY)
    if is_closed and n_writes:
        close_days(storage, DAY)

    write_music_folder(music, storage, DAY)
    write_music_folder(music, FolderStorage(tmp_path / "fresh"), DAY)

    for source in ("tracks", "tags", "lyrics"):
        assert landed_rows(lake, source) == landed_rows(tmp_path / "fresh", source)
    for source in ("audio", "covers"):
        assert landed_files(lake, source) == landed_files(tmp_path / "fresh", source)
