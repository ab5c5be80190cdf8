"""Random listens and builds of the graph benchmark's Spark part, on 3,000 listens."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from feature_store.lake.arrow_io import Written
from feature_store.tables.core import CORE_LISTENS
from tests.benchmarks.support import graph_jobs
from tests.benchmarks.support.graph_jobs import (
    FIRST_DAY,
    LAST_DAY,
    N_DAYS,
    BuildsDifferError,
    build,
    random_listens,
    refuse_difference,
)

N_LISTENS = 3_000
EDGES = Written("graph_user_listened_track", 3, 10, 100, "a" * 64)


@pytest.fixture(scope="module")
def listens(spark):
    return random_listens(spark, N_LISTENS).toPandas()


@pytest.fixture(scope="module")
def builds(spark, session_settings, tmp_path_factory):
    """The cost of the builds, and the writes of each job in the three nights, in order."""
    written = []

    def run_job(*arguments):
        written.append(original_run_job(*arguments))
        return written[-1]

    original_run_job = graph_jobs.run_job
    lake = str(tmp_path_factory.mktemp("graph-jobs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_jobs, "run_job", run_job)
        cost = build(spark, session_settings.model_copy(update={"lake": lake}), N_LISTENS)
    return cost, written


def test_every_day_has_equally_many_listens_at_times_of_that_day(listens):
    """3,000 listens of 30 days: 100 each, from midnight to midnight in UTC."""
    per_day = Counter(listens["known_from_date"])

    assert set(per_day.values()) == {N_LISTENS // N_DAYS}
    assert (min(per_day), max(per_day)) == (FIRST_DAY, LAST_DAY)
    assert (listens["listened_at_utc"].dt.date == listens["known_from_date"]).all()
    assert listens["listen_id"].is_unique


def test_users_hear_favourites_often_and_share_few_tracks(listens):
    """4 users with 12 favourites each of 100 tracks; the first favourite takes (1/12)^(1/3) = 44 %."""
    per_pair = listens.groupby(["user_id", "track_id"]).size()
    tracks_per_user = per_pair.groupby("user_id").size()

    assert len(tracks_per_user) == 4
    assert tracks_per_user.between(6, 12).all()
    assert per_pair.groupby("user_id").max().sum() / N_LISTENS == pytest.approx(0.44, abs=0.06)


def test_rows_match_the_contract_and_are_the_same_each_time(spark, listens):
    again = random_listens(spark, N_LISTENS)

    assert again.columns == CORE_LISTENS.column_names
    assert [field.dataType for field in again.schema] == [
        field.dataType for field in CORE_LISTENS.spark_schema()
    ]
    assert again.toPandas().equals(listens)


def test_an_incremental_build_gives_the_edges_of_a_full_build(builds, listens):
    """Both builds agree, and their counts are those of the random listens."""
    cost, written = builds

    assert written[3].content_sha256 == written[5].content_sha256 != written[1].content_sha256
    assert cost.n_rows == len(listens.groupby(["user_id", "track_id", "known_from_date"]))
    assert cost.n_edges == len(listens.groupby(["user_id", "track_id"]))


def test_an_incremental_build_writes_only_the_sums_of_the_newest_day(builds, listens):
    """The last night writes the sums of its day; a full build writes those of all days."""
    _, written = builds
    last = listens[listens["known_from_date"] == LAST_DAY]

    assert {one.table_name for one in written[::2]} == {"core_daily_listens"}
    assert written[2].row_count == len(last.groupby(["user_id", "track_id"]))
    assert written[4].row_count == written[0].row_count + written[2].row_count


def test_different_edges_stop_the_benchmark():
    refuse_difference(EDGES, replace(EDGES, table_version=7))
    with pytest.raises(BuildsDifferError, match="a full build gives 10 rows of hash aaaaaaaaaaaa"):
        refuse_difference(EDGES, replace(EDGES, content_sha256="b" * 64))
