"""HetRec 2011 lands what the data set has and nothing else."""

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from feature_store.lake.storage import FolderStorage
from jobs.sources.hetrec import HetrecError, write_hetrec

ARRIVAL = date(2026, 3, 1)
REAL_FOLDER = Path(__file__).parents[4] / "shared/data/hetrec2011-lastfm-2k"
FILES = {
    "artists.dat": "id\tname\turl\tpictureURL\n1\tBjörk\tu\tp\n2\tLow\tu\tp\n3\tQuiet\tu\tp\n",
    "tags.dat": "tagID\ttagValue\r\n7\tchanson française\r\n8\tslow\r\n9\talpha\r\n",
    "user_artists.dat": "userID\tartistID\tweight\r\n5\t1\t13883\r\n5\t2\t1\r\n6\t2\t40\r\n",
    "user_friends.dat": "userID\tfriendID\r\n5\t6\r\n6\t5\r\n6\t4\r\n",
    "user_taggedartists.dat": "userID\tartistID\ttagID\tday\tmonth\tyear\r\n"
    "5\t1\t9\t1\t4\t2009\r\n5\t1\t8\t1\t4\t2009\r\n6\t1\t8\t29\t2\t2008\r\n6\t99\t7\t2\t5\t2010\r\n",
}


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "hetrec"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_bytes(text.encode("latin-1" if name == "tags.dat" else "utf-8"))
    return folder


def _land(folder: Path, lake: Path) -> dict[str, list[tuple]]:
    """The landed rows of each source."""
    write_hetrec(folder, FolderStorage(lake), arrival_date=ARRIVAL)
    return {
        file.parts[-3]: [tuple(row.values()) for row in pq.read_table(file).to_pylist()]
        for file in lake.glob("landing/*/2026-03-01/hetrec.parquet")
    }


def test_each_artist_lands_as_a_track(folder, tmp_path):
    tracks = _land(folder, tmp_path)["tracks"]
    assert tracks[0] == (
        "hetrec-artist-1", "Björk", "hetrec-artist-1", "Björk", *(None,) * 6, True
    )  # fmt: skip
    assert len(tracks) == 3


def test_listen_counts_and_follows_land_without_a_time(folder, tmp_path):
    landed = _land(folder, tmp_path)

    assert landed["listen_counts"] == [
        ("hetrec-user-5", "hetrec-artist-1", 13883),
        ("hetrec-user-5", "hetrec-artist-2", 1),
        ("hetrec-user-6", "hetrec-artist-2", 40),
    ]
    assert landed["follows"][2] == ("hetrec-user-6", "hetrec-user-4", None, True)
    assert "listens" not in landed


def test_users_are_those_who_listen_or_follow_without_any_consent(folder, tmp_path):
    users = _land(folder, tmp_path)["users"]
    assert users == [("hetrec-user-5", None, False, False), ("hetrec-user-6", None, False, False)]


def test_tags_keep_their_day_and_their_accents(folder, tmp_path):
    tags = _land(folder, tmp_path)["tags"]
    assert tags[2] == ("hetrec-artist-1", "slow", "hetrec-user-6", date(2008, 2, 29))
    assert tags[3] == ("hetrec-artist-99", "chanson française", "hetrec-user-6", date(2010, 5, 2))


def test_tags_do_not_become_lyrics(folder, tmp_path):
    """Lyrics joined from tags would leak the tagged pairs that an evaluation holds out."""
    landed = _land(folder, tmp_path)

    assert len(landed["tags"]) == 4
    assert "lyrics" not in landed


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("artists.dat", b"id\ttitle\n1\tx\n", r"artists.dat line 1: column name must be in the header"),
        ("artists.dat", b"id\tname\n1\tx\n2\t \n", r"artists.dat line 3: column name must not be empty"),
        ("artists.dat", b"id\tname\n1\t\xff\n", r"artists.dat line 2: bytes must be utf-8"),
        ("user_artists.dat", b"userID\tartistID\tweight\n5\t1\n", r"user_artists.dat line 2: 2 values must be 3"),
        ("user_artists.dat", b"userID\tartistID\tweight\n5\t1\t-3\n", r"line 2: value '-3' must be a whole number"),
        (
            "user_taggedartists.dat",
            b"userID\tartistID\ttagID\tday\tmonth\tyear\n5\t1\t8\t29\t2\t2009\n",
            r"line 2: day, month, year .* must be a day",
        ),
        (
            "user_taggedartists.dat",
            b"userID\tartistID\ttagID\tday\tmonth\tyear\n5\t1\t77\t1\t2\t2009\n",
            r"line 2: tagID '77' must be one of tags.dat",
        ),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_with_its_line(folder, tmp_path, name, text, message):
    """A malformed file also keeps every other file from landing."""
    (folder / name).write_bytes(text)
    with pytest.raises(HetrecError, match=message):
        _land(folder, tmp_path)
    assert not (tmp_path / "landing").exists()


def test_a_missing_file_is_refused_with_the_next_step(folder, tmp_path):
    (folder / "user_friends.dat").unlink()
    with pytest.raises(HetrecError, match=r"user_friends.dat: file must exist; give the folder"):
        _land(folder, tmp_path)


@pytest.mark.skipif(not REAL_FOLDER.is_dir(), reason=f"the data set is not at {REAL_FOLDER}")
def test_the_whole_data_set_lands(tmp_path):
    """The counts of the data set's readme; five tags have a day before 1980."""
    result = write_hetrec(REAL_FOLDER, FolderStorage(tmp_path), arrival_date=ARRIVAL)
    assert result.counts == {
        "users": 1_892,
        "tracks": 17_632,
        "listen_counts": 92_834,
        "follows": 25_434,
        "tags": 186_479,
    }
    [file] = tmp_path.glob("landing/tags/*/hetrec.parquet")
    days = pq.read_table(file)["tagged_date"].to_pylist()
    assert sum(day < date(1980, 1, 1) for day in days) == 5
