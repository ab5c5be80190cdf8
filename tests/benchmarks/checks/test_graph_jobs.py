"""What the Spark part of the graph benchmark draws and builds, on listens few enough to count."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from feature_store.lake.arrow_io import Written
from feature_store.tables.core import CORE_LISTENS
from tests.benchmarks import graph_jobs
from tests.benchmarks.graph_jobs import (
    FIRST_DAY,
    LAST_DAY,
    N_DAYS,
    BuildsDifferError,
    built,
    drawn_listens,
    refuse_difference,
)

N_LISTENS = 3_000
EDGES = Written("graph_user_listened_track", 3, 10, 100, "a" * 64)


@pytest.fixture(scope="module")
def listens(spark):
    return drawn_listens(spark, N_LISTENS).toPandas()


@pytest.fixture(scope="module")
def builds(spark, session_settings, tmp_path_factory):
    """What was built, and what each job of its three nights wrote, in order."""
    written = []

    def run_job(*asked):
        written.append(graph_jobs_run(*asked))
        return written[-1]

    graph_jobs_run = graph_jobs.run_job
    lake = str(tmp_path_factory.mktemp("graph-jobs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_jobs, "run_job", run_job)
        found = built(spark, session_settings.model_copy(update={"lake": lake}), N_LISTENS)
    return found, written


def test_every_day_has_as_many_listens_each_at_a_time_of_that_day(listens):
    """3,000 listens of 30 days: 100 each, from midnight to midnight in UTC."""
    a_day = Counter(listens["known_from_date"])

    assert set(a_day.values()) == {N_LISTENS // N_DAYS}
    assert (min(a_day), max(a_day)) == (FIRST_DAY, LAST_DAY)
    assert (listens["listened_at_utc"].dt.date == listens["known_from_date"]).all()
    assert listens["listen_id"].is_unique


def test_people_hear_some_tracks_often_and_share_few(listens):
    """4 people, 12 favourites each of 100 tracks; the first favourite takes (1/12)^(1/3) = 44 %."""
    of_pairs = listens.groupby(["user_id", "track_id"]).size()
    tracks_each = of_pairs.groupby("user_id").size()

    assert len(tracks_each) == 4
    assert tracks_each.between(6, 12).all()
    assert of_pairs.groupby("user_id").max().sum() / N_LISTENS == pytest.approx(0.44, abs=0.06)


def test_rows_are_those_of_the_contract_and_the_same_each_time(spark, listens):
    again = drawn_listens(spark, N_LISTENS)

    assert again.columns == CORE_LISTENS.column_names
    assert [field.dataType for field in again.schema] == [
        field.dataType for field in CORE_LISTENS.spark_schema()
    ]
    assert again.toPandas().equals(listens)


def test_a_day_more_gives_the_edges_of_a_full_build(builds, listens):
    """Both builds agree, and count what was drawn: rows of user, track and day, and pairs."""
    found, written = builds

    assert written[3].content_sha256 == written[5].content_sha256 != written[1].content_sha256
    assert found.n_rows == len(listens.groupby(["user_id", "track_id", "known_from_date"]))
    assert found.n_edges == len(listens.groupby(["user_id", "track_id"]))


def test_an_incremental_build_reads_the_newest_day_alone(builds, listens):
    """The sums written on the last night are those of its own listens; a full build writes all."""
    _, written = builds
    last = listens[listens["known_from_date"] == LAST_DAY]

    assert {one.table_name for one in written[::2]} == {"core_daily_listens"}
    assert written[2].row_count == len(last.groupby(["user_id", "track_id"]))
    assert written[4].row_count == written[0].row_count + written[2].row_count


def test_other_edges_stop_the_benchmark():
    refuse_difference(EDGES, replace(EDGES, table_version=7))
    with pytest.raises(BuildsDifferError, match="a full build gives 10 rows of hash aaaaaaaaaaaa"):
        refuse_difference(EDGES, replace(EDGES, content_sha256="b" * 64))
