"""A world may lack anything: the night ends with what there is, and readers get it.

The night's functions run in one Spark session, in the order of the tables; Airflow is not what is
tried here. A night takes a minute, so most worlds are marked slow.
"""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from feature_store.lake.arrow_io import read_table
from feature_store.lake.storage import open_storage
from feature_store.publishing.snapshot import open_snapshot
from feature_store.settings import Night
from feature_store.tables.features import FEAT_TRACK_EMOTION
from jobs.landing.closing import close_landing
from jobs.landing.writer import LandingWriter
from jobs.publishing.publication import publish_night
from jobs.registry import job_names
from jobs.report.report import write_report
from jobs.run import run_job
from training.predict import predict, predict_nothing
from training.tasks.registry import TASKS
from training.train import train

DAYS = [date(2026, 2, 20) + timedelta(days=number) for number in range(9)]
NIGHT_DAY = DAYS[-1]
NOON = datetime.combine(NIGHT_DAY + timedelta(days=1), time(12), UTC)
TRACKS = [f"t{number:02}" for number in range(12)]
LISTENERS = [f"u{number}" for number in range(6)]
RATE_HZ = 16_000
READS_LYRICS = "text_emotion"

Rows = dict[str, list[dict[str, object]]]


def whole_world() -> Rows:
    """Twelve tracks of four artists, six listeners of two tastes, everything that can arrive."""
    listens = [
        {
            "user_id": user,
            "track_id": track,
            "listened_at_utc": datetime.combine(day, time(10, number), UTC),
            "played_ms": 60_000,
            "duration_ms": 60_000,
        }
        for user_number, user in enumerate(LISTENERS)
        for number, track in enumerate(TRACKS)
        for day in DAYS
        if number % 2 == user_number % 2 and (number + user_number) % 5
    ]
    return {
        "tracks": [
            {"track_id": track, "title": f"Title {track}", "artist_id": f"a{number % 4}", "artist_name": f"Artist {number % 4}"}
            for number, track in enumerate(TRACKS)
        ],
        "users": [{"user_id": user, "is_opted_out": False} for user in LISTENERS],
        "listens": listens,
        "follows": [{"user_id": "u0", "followed_user_id": "u2"}, {"user_id": "u1", "followed_user_id": "u3"}],
        "tags": [{"track_id": track, "tag": ("slow", "loud")[number % 2]} for number, track in enumerate(TRACKS)],
        "lyrics": [{"track_id": track, "lyrics_bytes": f"la la {track}".encode()} for track in TRACKS],
        "audio": [{"track_id": track} for track in TRACKS[:4]],
        "emotion_texts": [{"text_id": f"s{number}", "perspective": "combined", "emotion_text": f"Line {number}.", "valence": number / 9, "arousal": 0.0} for number in range(9)],
    }  # fmt: skip


def without(*sources: str) -> Rows:
    return {name: rows for name, rows in whole_world().items() if name not in sources}


def only_two_tracks_and_one_listener() -> Rows:
    world = without("follows", "tags", "lyrics", "audio")
    heard = [row for row in world["listens"] if row["user_id"] == "u0" and row["track_id"] == "t02"]
    return world | {"tracks": world["tracks"][1:3], "users": world["users"][:1], "listens": heard}


def nobody_but_opted_out() -> Rows:
    world = whole_world()
    return world | {"users": [row | {"is_opted_out": True} for row in world["users"]]}


def counts_alone() -> Rows:
    world = without("listens", "follows", "audio", "lyrics")
    counts = {(row["user_id"], row["track_id"]) for row in whole_world()["listens"]}
    return world | {
        "listen_counts": [
            {"user_id": user, "track_id": track, "listen_count": 3}
            for user, track in sorted(counts)
        ]
    }


OPTIONAL = ("users", "follows", "tags", "lyrics", "audio")
SINGLES = {
    "a folder of music and nobody who listens": without("listens", "users", "follows", "tags"),
}
SLOW = {
    "two tracks and one listener": only_two_tracks_and_one_listener(),
    "nobody but opted-out people": nobody_but_opted_out(),
    "everything": whole_world(),
    "tracks alone": {"tracks": whole_world()["tracks"]},
    "counts without times": counts_alone(),
    "no listens": without("listens"),
    "no labelled texts": without("emotion_texts"),
    **{f"no {name}": without(name) for name in OPTIONAL},
    **{f"no {one} and no {other}": without(one, other) for one, other in combinations(OPTIONAL, 2)},
}


@pytest.fixture
def small_night(settings):
    training = settings.training.model_copy(update={"families": {"ranking": "bpr"}})
    return Night(NIGHT_DAY, "small", settings.model_copy(update={"training": training}))


def tone(number: int) -> bytes:
    moments_s = np.arange(3 * RATE_HZ) / RATE_HZ
    sink = io.BytesIO()
    soundfile.write(
        sink, 0.3 * np.sin(2 * np.pi * 110 * (number + 1) * moments_s), RATE_HZ, format="FLAC"
    )
    return sink.getvalue()


def land(night: Night, world: Rows) -> None:
    writer = LandingWriter(open_storage(night.settings.lake))
    for source, rows in world.items():
        if source == "audio":
            for number, row in enumerate(rows):
                writer.write_file("audio", NIGHT_DAY, str(row["track_id"]), "flac", tone(number))
        else:
            writer.write_rows(source, NIGHT_DAY, pa.Table.from_pylist(rows))


def run_small_night(spark, night: Night) -> None:
    """Every task of the night in order; the lists come after the model, emotion after its reader."""
    close_landing(night, now=NOON)
    names = job_names()
    first_list = next(at for at, name in enumerate(names) if name.startswith("rec_"))
    is_on = {name: name in night.settings.training.tasks for name in TASKS}
    for name in TASKS:
        if not is_on[name]:
            predict_nothing(night, name)
    for name in names[:first_list]:
        if name == "feat_track_emotion" and is_on[READS_LYRICS]:
            train(night, READS_LYRICS)
            predict(night, READS_LYRICS)
        run_job(name, night, spark)
    for name in TASKS:
        if is_on[name] and name != READS_LYRICS:
            train(night, name)
            predict(night, name)
    for name in names[first_list:]:
        run_job(name, night, spark)


def check_published(spark, night: Night, world: Rows) -> None:
    land(night, world)

    run_small_night(spark, night)
    event = publish_night(night, mode="auto", actor="test", now=NOON, spark=spark)

    assert event.action == "publish"
    snapshot = open_snapshot(night.settings.lake)
    lists = snapshot.read("rec_topk").to_pylist()
    eligible = {row["user_id"] for row in world.get("users", []) if not row["is_opted_out"]} | (
        {row["user_id"] for row in world.get("listens", [])} if "users" not in world else set()
    )
    assert {row["user_id"] for row in lists} <= eligible
    similar = snapshot.read("rec_similar_tracks").to_pylist()
    has_content = bool({"lyrics", "audio", "tags"} & world.keys()) and len(world["tracks"]) > 1
    assert bool(similar) == has_content
    page = open_storage(night.settings.lake).read(write_report(night, now=NOON)).decode()
    assert "Published" in page


@pytest.mark.parametrize("name", SINGLES)
def test_a_small_world_is_published(spark, small_night, name):
    check_published(spark, small_night, SINGLES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_a_world_that_lacks_something_is_published(spark, small_night, name):
    check_published(spark, small_night, SLOW[name])


@pytest.mark.slow
@pytest.mark.parametrize("world", [whole_world(), without("emotion_texts"), without("lyrics")])
def test_a_night_that_reads_emotion_in_lyrics_is_published(spark, small_night, world):
    """Nine labelled texts are too few to hold any out, and enough for a model; without one the rules estimate."""
    training = small_night.settings.training.model_copy(update={"tasks": (READS_LYRICS, "ranking")})
    settings = small_night.settings.model_copy(update={"training": training})
    night = replace(small_night, settings=settings)

    check_published(spark, night, world)

    rows = read_table(settings.lake, FEAT_TRACK_EMOTION, as_of=NIGHT_DAY).to_pylist()
    of_lyrics = [row for row in rows if row["emotion_source"] == "lyrics"]
    expected = "words_to_waves" if "emotion_texts" in world else None
    assert len(of_lyrics) == (len(TRACKS) if "lyrics" in world else 0)
    assert {row["family"] for row in of_lyrics} <= {expected}


@pytest.mark.slow
def test_a_world_that_loses_its_listeners_is_published_again(spark, small_night):
    """The day after, everybody has opted out: the lists go, the similar tracks stay."""
    check_published(spark, small_night, whole_world())
    next_night = replace(small_night, as_of=NIGHT_DAY + timedelta(days=1), run_id="next")
    writer = LandingWriter(open_storage(small_night.settings.lake))
    gone = [{"user_id": user, "is_opted_out": True} for user in LISTENERS]
    writer.write_rows("users", next_night.as_of, pa.Table.from_pylist(gone))

    run_small_night(spark, next_night)

    assert run_job("rec_topk", next_night, spark).row_count == 0
