"""Spark's graph table and training's tensors hold the same pairs with equal edge weights."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

import pyarrow as pa
import pytest

from feature_store.lake import spark_io
from feature_store.lake.arrow_io import append
from feature_store.settings import load_settings
from feature_store.tables.core import CORE_DAILY_LISTENS, CORE_LISTEN_COUNTS
from jobs.graph import user_listened_track
from tests.training import lake as sample
from training.data.reading import read_dataset

AS_OF = date(2026, 3, 1)


def drawn_listens():
    """Daily sums of 8 listeners and 6 tracks over 90 days; organic are none, all or some."""
    rng = random.Random(7)  # noqa: S311  draws a small world, not a secret
    rows = []
    for user in sample.USERS[:8]:
        for track in rng.sample(sample.TRACKS[:6], 4):
            for offset in rng.sample(range(90), 3):
                count, day = rng.randint(1, 5), AS_OF - timedelta(days=offset)
                row = {"user_id": user, "track_id": track, "listened_date": day}
                row |= {"listen_count": count, "completion_permille": rng.randint(0, 1000 * count)}
                row |= {"organic_count": rng.choice([0, count, rng.randint(0, count)])}
                rows.append(row | {"known_from_date": day})
    return rows


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"organic_only": True},
        {"listened_window_days": 30},
        {"min_listen_count": 4, "organic_only": True, "listened_window_days": 60},
    ],
)
def test_spark_and_training_give_every_pair_the_same_weight(spark, night, rules):
    """For every rule of the settings; two pairs have counts without times, which do not age."""
    settings = load_settings(lake=night.settings.lake, state=night.settings.state, graph=rules)
    lake = settings.lake
    sample.fill(lake, AS_OF)
    counts = [
        {"user_id": "u09", "track_id": "t05", "listen_count": 9, "known_from_date": AS_OF},
        {"user_id": "u00", "track_id": "t01", "listen_count": 2, "known_from_date": AS_OF},
    ]
    for table, rows in ((CORE_DAILY_LISTENS, drawn_listens()), (CORE_LISTEN_COUNTS, counts)):
        append(lake, table, pa.Table.from_pylist(rows, schema=table.arrow_schema))

    edges = user_listened_track.build(
        spark_io.read_history(spark, lake, CORE_DAILY_LISTENS, until=AS_OF),
        spark_io.read(spark, lake, CORE_LISTEN_COUNTS, as_of=AS_OF),
        night=replace(night, as_of=AS_OF, settings=settings),
    ).collect()
    dataset = read_dataset(lake, AS_OF, settings.graph)
    pairs = dataset.full_view().graph.listened

    users, tracks = dataset.nodes.users.ids, dataset.nodes.tracks.ids
    in_training = {
        (str(users[user]), str(tracks[track])): weight
        for user, track, weight in zip(
            pairs.users.tolist(), pairs.tracks.tolist(), pairs.weight.tolist(), strict=True
        )
    }
    in_spark = {
        (row.user_id, row.track_id): pytest.approx(row.edge_weight, abs=2e-6) for row in edges
    }
    assert ("u09", "t05") in in_spark
    assert len(in_spark) > 10
    assert in_training == in_spark
