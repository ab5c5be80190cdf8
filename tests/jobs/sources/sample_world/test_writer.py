"""The landing files of a sample world are repeatable and hold every case that a night must handle."""

import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from feature_store.lake.storage import FolderStorage
from jobs.inputs import Slice
from jobs.sources.sample_world.options import SampleWorld, SampleWorldError
from jobs.sources.sample_world.writer import write_sample_world

FIRST_DAY = date(2024, 2, 27)  # the fourth day is 1 March: a leap day lies within
TINY = SampleWorld(
    first_day=FIRST_DAY,
    n_days=4,
    n_artists=8,
    n_tracks_at_start=24,
    n_releases_per_day=1,
    n_users_at_start=16,
    signup_every_days=2,
    withdrawal_every_days=2,
    follows_per_user=2,
    clip_s=1.0,
    sample_rate_hz=16_000,
    cover_px=32,
    faulty_listens_every_days=2,
)


def _write(folder: Path, world: SampleWorld = TINY, **options) -> Path:
    write_sample_world(world, FolderStorage(folder), **options)
    return folder / "landing"


def _bytes_by_path(landing: Path) -> dict[str, bytes]:
    return {
        file.relative_to(landing).as_posix(): file.read_bytes()
        for file in landing.rglob("*")
        if file.is_file()
    }


def _rows(landing: Path, source: str, part: str = "part-*") -> list[dict]:
    """Rows of all days, each with the day on which it landed."""
    found = []
    for file in sorted(landing.glob(f"{source}/*/{part}.parquet")):
        landed_on = date.fromisoformat(file.parent.name)
        found += [{**row, "landed_on": landed_on} for row in pq.read_table(file).to_pylist()]
    return found


@pytest.fixture(scope="module")
def landing(tmp_path_factory) -> Path:
    return _write(tmp_path_factory.mktemp("world"))


def test_the_same_options_give_the_same_bytes(landing, tmp_path):
    """Names and bytes of all files are equal, with one thread as with two."""
    assert _bytes_by_path(_write(tmp_path, n_threads=1)) == _bytes_by_path(landing)


def test_another_seed_gives_another_world(landing, tmp_path):
    other = SampleWorld(**{**_options(TINY), "seed": TINY.seed + 1})
    assert _rows(_write(tmp_path, other), "listens") != _rows(landing, "listens")


def test_a_longer_world_begins_with_the_shorter_one(landing, tmp_path):
    """Five days hold every file of four days, byte for byte, and files of the fifth day."""
    longer = _bytes_by_path(_write(tmp_path, SampleWorld(**{**_options(TINY), "n_days": 5})))
    shorter = _bytes_by_path(landing)

    assert {path: longer[path] for path in shorter} == shorter
    assert {path.split("/")[1] for path in longer.keys() - shorter.keys()} == {"2024-03-02"}


def test_the_day_after_can_be_written_alone(tmp_path):
    """The day of a second night, written alone, equals that day in a longer world."""
    fifth_day = FIRST_DAY + timedelta(days=4)
    longer = _write(tmp_path / "longer", SampleWorld(**{**_options(TINY), "n_days": 5}))
    alone = _write(tmp_path / "alone", days=Slice(fifth_day, fifth_day + timedelta(days=1)))

    of_fifth_day = {
        path: content
        for path, content in _bytes_by_path(longer).items()
        if path.split("/")[1] == str(fifth_day)
    }
    assert _bytes_by_path(alone) == of_fifth_day
    assert "audio" in {path.split("/")[0] for path in of_fifth_day}


def test_days_before_the_world_are_refused(tmp_path):
    with pytest.raises(SampleWorldError, match="days begin on 2024-02-26; must be 2024-02-27"):
        _write(tmp_path, days=Slice(FIRST_DAY - timedelta(days=1), FIRST_DAY))


def test_every_codec_decodes_to_the_length_of_the_clip(landing):
    """One second at 16 kHz; MP3 may add the encoder's padding, less than 0.1 s."""
    seconds = {"flac": [], "ogg": [], "mp3": []}
    for file in landing.glob("audio/*/*"):
        if file.stem != "track-00005":  # faulty on purpose
            samples, rate_hz = soundfile.read(file)
            seconds[file.suffix[1:]].append(len(samples) / rate_hz)
            assert abs(samples).max() > 0.05, f"{file.name} is silent"

    assert all(len(found) >= 7 for found in seconds.values())
    assert set(seconds["flac"]) == set(seconds["ogg"]) == {1.0}
    assert all(1.0 <= found < 1.1 for found in seconds["mp3"])


def test_content_is_missing_at_the_stated_positions(landing):
    """Of 27 tracks: no audio at 22; no cover at 16; instrumental at 8, 17, 26; no lyrics at 12, 25."""
    all_ids = {f"track-{position:05d}" for position in range(27)}
    lyrics = {row["track_id"] for row in _rows(landing, "lyrics")}

    assert all_ids - {file.stem for file in landing.glob("audio/*/*")} == {"track-00022"}
    assert all_ids - {file.stem for file in landing.glob("covers/*/*")} == {"track-00016"}
    assert all_ids - lyrics == {f"track-000{at}" for at in ("08", "12", "17", "25", "26")}
    instrumental = {
        row["track_id"] for row in _rows(landing, "tags") if row["tag"] == "instrumental"
    }
    assert {"track-00008", "track-00017", "track-00026"} <= instrumental
    assert not instrumental & lyrics


def test_tracks_of_the_last_day_land_with_their_content(landing):
    released = [row for row in _rows(landing, "tracks") if row["landed_on"] == TINY.last_day]
    new = next(row for row in released if row["is_available"])

    assert (new["track_id"], new["released_date"]) == ("track-00026", TINY.last_day)
    assert list(landing.glob(f"audio/{TINY.last_day}/{new['track_id']}.*"))


def test_each_kind_of_content_has_a_faulty_file(landing):
    """Position 5 has undecodable audio, 11 a truncated cover, 14 lyrics that are not UTF-8."""
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(next(landing.glob("audio/*/track-00005.*")))
    with pytest.raises(OSError, match="truncated"):
        Image.open(next(landing.glob("covers/*/track-00011.*"))).load()
    lyrics = {row["track_id"]: row["lyrics_bytes"] for row in _rows(landing, "lyrics")}
    with pytest.raises(UnicodeDecodeError):
        lyrics["track-00014"].decode()
    assert lyrics["track-00013"].decode()


def test_faulty_listens_land_in_a_file_of_their_own(landing):
    """On days 0 and 2: a duplicate, an unknown track, a negative duration, the future, no user."""
    days = sorted(path.parent.name for path in landing.glob("listens/*/part-1.parquet"))
    assert days == ["2024-02-27", "2024-02-29"]
    valid = pq.read_table(landing / "listens/2024-02-27/part-0.parquet").to_pylist()
    duplicate, unknown, negative, future, no_user = pq.read_table(
        landing / "listens/2024-02-27/part-1.parquet"
    ).to_pylist()

    assert valid.count(duplicate) == 1
    assert unknown["track_id"] not in {row["track_id"] for row in _rows(landing, "tracks")}
    assert negative["duration_ms"] < 0
    assert future["listened_at_utc"].date() > TINY.last_day
    assert no_user["user_id"] is None


def test_a_world_without_faults_has_none(tmp_path):
    valid = _write(tmp_path, SampleWorld(**{**_options(TINY), "has_faults": False}))

    assert not list(valid.glob("listens/*/part-1.parquet"))
    assert soundfile.info(next(valid.glob("audio/*/track-00005.*"))).frames >= 16_000
    assert Image.open(next(valid.glob("covers/*/track-00011.*"))).convert("RGB").size == (32, 32)
    assert all(row["lyrics_bytes"].decode() for row in _rows(valid, "lyrics"))


def test_labelled_texts_land_once_and_change_no_other_file(landing, tmp_path):
    """With none, all other files have the same bytes; a second ingest writes nothing."""
    without = _bytes_by_path(
        _write(tmp_path / "none", SampleWorld(**{**_options(TINY), "n_emotion_texts": 0}))
    )
    with_texts = _bytes_by_path(landing)

    assert {path: with_texts[path] for path in without} == without
    assert with_texts.keys() - without.keys() == {"emotion_texts/2024-02-27/part-0.parquet"}
    texts = _rows(landing, "emotion_texts")
    assert len(texts) == 3 * TINY.n_emotion_texts
    assert {row["source_split"] for row in texts} == {"train", "dev", "test"}


def test_listens_land_on_their_day_and_do_not_overlap(landing):
    """Each listen of a user begins after the one before has ended."""
    free_at: dict[str, datetime] = {}
    for row in _rows(landing, "listens", part="part-0"):
        begins = row["listened_at_utc"]
        assert begins.date() == row["landed_on"]
        assert 0 < row["played_ms"] <= row["duration_ms"]
        assert begins >= free_at.get(row["user_id"], datetime.min.replace(tzinfo=UTC))
        free_at[row["user_id"]] = begins + timedelta(milliseconds=row["played_ms"])
    assert len(free_at) > 5


def test_a_withdrawn_track_has_no_later_listens(landing):
    """One track is withdrawn on the second day and one on the fourth."""
    withdrawn_on = {
        row["track_id"]: row["landed_on"]
        for row in _rows(landing, "tracks")
        if not row["is_available"]
    }
    assert sorted(withdrawn_on.values()) == [date(2024, 2, 28), date(2024, 3, 1)]

    for row in _rows(landing, "listens", part="part-0"):
        assert row["landed_on"] < withdrawn_on.get(row["track_id"], date.max)


def test_every_role_has_a_user(landing):
    """user-0000 is silent, user-0001 only follows, user-0015 has opted out; user-0016 joins on day 2."""
    users = {row["user_id"]: row for row in _rows(landing, "users")}
    listeners = {row["user_id"] for row in _rows(landing, "listens", part="part-0")}
    followers = {row["user_id"] for row in _rows(landing, "follows")}

    assert "user-0000" not in listeners | followers
    assert "user-0001" in followers - listeners
    assert [name for name, row in users.items() if row["is_opted_out"]] == ["user-0015"]
    assert {row["is_named_to_others"] for row in users.values()} == {True, False}
    assert (
        users["user-0016"]["landed_on"]
        == users["user-0016"]["registered_date"]
        == date(2024, 2, 29)
    )


def test_tracks_of_an_album_share_one_cover(landing):
    covers = {file.stem: file.read_bytes() for file in landing.glob("covers/*/*")}
    del covers["track-00011"]  # faulty on purpose
    by_album: dict[str, set[bytes]] = {}
    for row in _rows(landing, "tracks"):
        if row["album_id"] and row["track_id"] in covers:
            by_album.setdefault(row["album_id"], set()).add(covers[row["track_id"]])

    assert all(len(found) == 1 for found in by_album.values())
    assert len(set.union(*by_album.values())) == len(by_album) >= 8


def test_covers_are_jpeg_and_png(landing):
    formats = {
        Image.open(io.BytesIO(file.read_bytes())).format for file in landing.glob("covers/*/*")
    }
    assert formats == {"JPEG", "PNG"}


def test_a_source_without_rows_has_no_file_and_times_are_utc(landing):
    for file in landing.rglob("*.parquet"):
        assert pq.read_metadata(file).num_rows > 0, file
    listens = pq.read_schema(landing / "listens/2024-02-27/part-0.parquet")
    assert listens.field("listened_at_utc").type == pa.timestamp("us", tz="UTC")


def test_progress_counts_the_tracks(tmp_path):
    calls: list[tuple[int, int]] = []
    _write(
        tmp_path,
        days=Slice(FIRST_DAY + timedelta(days=1), FIRST_DAY + timedelta(days=3)),
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(1, 2), (2, 2)]  # one release on each of two days


def _options(world: SampleWorld) -> dict:
    return {name: getattr(world, name) for name in SampleWorld.__dataclass_fields__}
