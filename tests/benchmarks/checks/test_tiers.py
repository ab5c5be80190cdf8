"""What is concealed before a night, and how the lists of each tier are measured."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from feature_store.lake.storage import open_storage
from feature_store.tables.raw import (
    RAW_FEEDBACK,
    RAW_FOLLOWS,
    RAW_IMPRESSIONS,
    RAW_LISTENS,
    RAW_TAGS,
)
from jobs.landing.manifests import LandingWriter
from jobs.sources.landed import landing_rows, landing_schema
from tests.benchmarks.tiers import conceal, people_of_tiers, summaries_of

NIGHT = date(2026, 3, 1)
DAY_AFTER = NIGHT + timedelta(days=1)
STRANGER, FOLLOWER, NEWCOMER, REGULAR = "user-0010", "user-0011", "user-0012", "user-0013"
EVERYBODY = (STRANGER, FOLLOWER, NEWCOMER, REGULAR)


@pytest.fixture
def storage(tmp_path):
    """Everybody plays t0 to t3 on the day before and the night's day each, follows, likes and tags; and once more after it."""
    here = open_storage(str(tmp_path))
    writer = LandingWriter(here)
    for day in (NIGHT - timedelta(days=1), NIGHT, DAY_AFTER):
        listens = [
            (user, f"t{hour}", at(day, hour), 1_000, 1_000, True)
            for user in EVERYBODY
            for hour in range(4)
        ]
        writer.rows("listens", day, landing_rows(landing_schema(RAW_LISTENS), listens))
    feedback = [(user, "t0", "like", at(NIGHT, 1)) for user in EVERYBODY]
    tags = [("t0", "rock", user, NIGHT) for user in (None, *EVERYBODY)]
    follows = [(user, "eve", NIGHT, True) for user in EVERYBODY]
    follows += [(REGULAR, one, NIGHT, True) for one in (STRANGER, NEWCOMER)]
    shown = [(user, "t0", at(NIGHT, 1)) for user in EVERYBODY]
    for source, table, rows in (
        ("feedback", RAW_FEEDBACK, feedback),
        ("tags", RAW_TAGS, tags),
        ("follows", RAW_FOLLOWS, follows),
        ("impressions", RAW_IMPRESSIONS, shown),
    ):
        writer.rows(source, NIGHT, landing_rows(landing_schema(table), rows))
    return here


def at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def landed(storage, source: str, day: date) -> pl.DataFrame:
    return pl.read_parquet(storage.read(f"landing/{source}/{day}/part-0.parquet"))


def test_of_each_kind_of_listener_the_night_knows_so_much_and_no_more(storage):
    """The newcomer's first five listens: four of the day before, one of the night's."""
    conceal(storage, NIGHT)

    days = (NIGHT - timedelta(days=1), NIGHT, DAY_AFTER)
    played = [
        dict(landed(storage, "listens", day)["user_id"].value_counts().iter_rows()) for day in days
    ]
    assert played == [
        {NEWCOMER: 4, REGULAR: 4},
        {NEWCOMER: 1, REGULAR: 4},
        dict.fromkeys(EVERYBODY, 4),
    ]
    assert landed(storage, "listens", NIGHT).filter(user_id=NEWCOMER)["track_id"].to_list() == [
        "t0"
    ]
    follows = landed(storage, "follows", NIGHT)
    assert follows.select("user_id", "followed_user_id").rows() == [
        (FOLLOWER, "eve"),
        (REGULAR, "eve"),
    ]
    assert landed(storage, "feedback", NIGHT)["user_id"].to_list() == [REGULAR]
    assert landed(storage, "impressions", NIGHT)["user_id"].to_list() == [REGULAR]
    assert landed(storage, "tags", NIGHT)["user_id"].to_list() == [None, REGULAR]


def test_a_tier_is_measured_on_the_new_tracks_of_those_whom_it_serves_first():
    """Ann (personal) wants b and c of what she had not played, and finds b in the second place: recall 1/2.

    The popular list has both: recall 1. Bob (popular) wants a, which stands behind c in either list. Cy heard nothing
    new, and dan has no list.
    """
    lists = entries(("ann", 1, "d", "personal"), ("ann", 2, "b", "popular"), ("bob", 1, "c", "popular"),
                    ("bob", 2, "a", "popular"), ("cy", 1, "a", "warm"))  # fmt: skip
    popular = entries(("ann", 1, "c", "popular"), ("ann", 2, "b", "popular"), ("bob", 1, "c", "popular"),
                      ("bob", 2, "a", "popular"), ("cy", 1, "b", "popular"))  # fmt: skip
    known = frame(("ann", "a"), ("cy", "a"), ("cy", "c"), ("dan", "c"), ("dan", "b"))
    played = frame(
        ("ann", "a"), ("ann", "b"), ("ann", "c"), ("bob", "a"), ("cy", "c"), ("dan", "d")
    )

    people = people_of_tiers(lists, popular, known, played)

    assert people.sort("user_id").select("user_id", "tier", "recall", "popular_recall").rows() == [
        ("ann", "personal", 0.5, 1.0),
        ("bob", "popular", 1.0, 1.0),
    ]
    found = {(one.tier, one.metric): one for one in summaries_of(pl.concat([people, people]))}
    assert found.keys() == {
        (tier, metric)
        for tier in ("personal", "popular")
        for metric in ("recall_at_10", "ndcg_at_10")
    }
    personal, popular_ndcg = found["personal", "recall_at_10"], found["popular", "ndcg_at_10"]
    assert (personal.n_users, personal.value, personal.popular, personal.ahead.mean) == (
        2,
        0.5,
        1.0,
        -0.5,
    )
    assert popular_ndcg.value == pytest.approx(0.63093, abs=1e-5)  # 1 / log2(3)
    assert popular_ndcg.ahead.mean == 0


def entries(*rows: tuple[str, int, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "rank", "track_id", "tier"], orient="row")


def frame(*pairs: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema=["user_id", "track_id"], orient="row")
