"""Views of published tables for Spark SQL: one snapshot, without erased people."""

from __future__ import annotations

import pytest

from feature_store import open_snapshot
from feature_store.privacy import suppression
from feature_store.spark.views import create_views
from feature_store.tables import PUBLISHED_TABLES
from tests.feature_store.publishing.staging import MARCH_1, MARCH_2, publish_run


@pytest.fixture
def published(run_of, settings, monkeypatch):
    """Readers see the list of MARCH_1, which holds t1."""
    monkeypatch.setenv("EVENSONG_STATE", str(settings.state))
    publish_run(run_of(MARCH_1, "r1", "t1"))


def tracks_seen(spark):
    return [row.track_id for row in spark.sql("SELECT track_id FROM rec_topk").collect()]


@pytest.mark.usefixtures("published")
def test_views_show_their_snapshot_until_they_are_created_again(spark, lake, run_of):
    names = create_views(spark, open_snapshot(lake))
    assert sorted(names) == sorted(table.name for table in PUBLISHED_TABLES)

    publish_run(run_of(MARCH_2, "r2", "t2"))

    assert tracks_seen(spark) == ["t1"]
    create_views(spark, open_snapshot(lake))
    assert tracks_seen(spark) == ["t2"]


@pytest.mark.usefixtures("published")
def test_no_view_holds_a_person_on_the_suppression_list(spark, lake, settings):
    create_views(spark, open_snapshot(lake))
    assert tracks_seen(spark) == ["t1"]
    [person] = open_snapshot(lake).read("rec_topk")["user_id"].to_pylist()
    suppression.suppress(settings, person)

    create_views(spark, open_snapshot(lake))

    assert tracks_seen(spark) == []
