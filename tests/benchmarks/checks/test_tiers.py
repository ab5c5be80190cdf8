"""The history that the night does not see, and the metrics of each tier's lists."""

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
from jobs.landing.writer import LandingWriter
from jobs.sources.landing_rows import landing_schema, landing_table
from tests.benchmarks.support.hidden_history import hide_history
from tests.benchmarks.tiers import metrics_per_user, summarise

NIGHT = date(2026, 3, 1)
DAY_AFTER = NIGHT + timedelta(days=1)
COLD_START, FOLLOWER, FEW_LISTENS, REGULAR = "user-0010", "user-0011", "user-0012", "user-0013"
USERS = (COLD_START, FOLLOWER, FEW_LISTENS, REGULAR)


@pytest.fixture
def storage(tmp_path):
    """Every user plays t0 to t3 on the day before, the night's day and the day after; also follows, likes, tags."""
    storage = open_storage(str(tmp_path))
    writer = LandingWriter(storage)
    for day in (NIGHT - timedelta(days=1), NIGHT, DAY_AFTER):
        listens = [
            (user, f"t{hour}", at(day, hour), 1_000, 1_000, True)
            for user in USERS
            for hour in range(4)
        ]
        writer.write_rows("listens", day, landing_table(landing_schema(RAW_LISTENS), listens))
    feedback = [(user, "t0", "like", at(NIGHT, 1)) for user in USERS]
    tags = [("t0", "rock", user, NIGHT) for user in (None, *USERS)]
    follows = [(user, "eve", NIGHT, True) for user in USERS]
    follows += [(REGULAR, user, NIGHT, True) for user in (COLD_START, FEW_LISTENS)]
    impressions = [(user, "t0", at(NIGHT, 1)) for user in USERS]
    for source, table, rows in (
        ("feedback", RAW_FEEDBACK, feedback),
        ("tags", RAW_TAGS, tags),
        ("follows", RAW_FOLLOWS, follows),
        ("impressions", RAW_IMPRESSIONS, impressions),
    ):
        writer.write_rows(source, NIGHT, landing_table(landing_schema(table), rows))
    return storage


def at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def landed(storage, source: str, day: date) -> pl.DataFrame:
    return pl.read_parquet(storage.read(f"landing/{source}/{day}/part-0.parquet"))


def test_the_night_sees_only_the_visible_history_of_each_kind_of_listener(storage):
    """Five listens of a listener with few listens stay: four of the day before, one of the night's day."""
    hide_history(storage, NIGHT)

    days = (NIGHT - timedelta(days=1), NIGHT, DAY_AFTER)
    played = [
        dict(landed(storage, "listens", day)["user_id"].value_counts().iter_rows()) for day in days
    ]
    assert played == [
        {FEW_LISTENS: 4, REGULAR: 4},
        {FEW_LISTENS: 1, REGULAR: 4},
        dict.fromkeys(USERS, 4),
    ]
    assert landed(storage, "listens", NIGHT).filter(user_id=FEW_LISTENS)["track_id"].to_list() == [
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


def test_a_tier_is_measured_on_the_listeners_whose_first_entry_it_ranks():
    """Relevant for ann (personal) are b and c; her list has b at rank 2: recall 1/2.

    The popular list has both: recall 1. Relevant for bob (popular) is a, at rank 2 of both lists. Cy has no relevant
    track, and dan has no list.
    """
    lists = entries(("ann", 1, "d", "personal"), ("ann", 2, "b", "popular"), ("bob", 1, "c", "popular"),
                    ("bob", 2, "a", "popular"), ("cy", 1, "a", "warm"))  # fmt: skip
    popular = entries(("ann", 1, "c", "popular"), ("ann", 2, "b", "popular"), ("bob", 1, "c", "popular"),
                      ("bob", 2, "a", "popular"), ("cy", 1, "b", "popular"))  # fmt: skip
    known = pairs(("ann", "a"), ("cy", "a"), ("cy", "c"), ("dan", "c"), ("dan", "b"))
    played = pairs(
        ("ann", "a"), ("ann", "b"), ("ann", "c"), ("bob", "a"), ("cy", "c"), ("dan", "d")
    )

    per_user = metrics_per_user(lists, popular, known, played)

    assert per_user.sort("user_id").select(
        "user_id", "tier", "recall", "popular_recall"
    ).rows() == [
        ("ann", "personal", 0.5, 1.0),
        ("bob", "popular", 1.0, 1.0),
    ]
    summaries = {(one.tier, one.metric): one for one in summarise(pl.concat([per_user, per_user]))}
    assert summaries.keys() == {
        (tier, metric)
        for tier in ("personal", "popular")
        for metric in ("recall_at_10", "ndcg_at_10")
    }
    personal, popular_ndcg = (
        summaries["personal", "recall_at_10"],
        summaries["popular", "ndcg_at_10"],
    )
    assert (personal.n_users, personal.value, personal.popular, personal.gain.mean) == (
        2,
        0.5,
        1.0,
        -0.5,
    )
    assert popular_ndcg.value == pytest.approx(0.63093, abs=1e-5)  # 1 / log2(3)
    assert popular_ndcg.gain.mean == 0


def entries(*rows: tuple[str, int, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "rank", "track_id", "tier"], orient="row")


def pairs(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "track_id"], orient="row")
