"""Spark starts in a thread while a command does other work."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from feature_store.settings import load_settings
from feature_store.spark import session
from tests.support.log_capture import captured_log


@pytest.fixture(autouse=True)
def never_warmed(monkeypatch):
    """The lock that a process takes when it warms Spark is free."""
    monkeypatch.setattr(session, "_WARMED", threading.Lock())


def warming_threads():
    return [thread for thread in threading.enumerate() if thread.name == "warm-spark"]


def test_spark_is_warmed_once_and_leaves_no_file(spark, settings, monkeypatch):
    tracker = spark.sparkContext.statusTracker()
    before = set(tracker.getJobIdsForGroup(None))

    capture = captured_log(monkeypatch, "feature_store.spark.session.LOG")
    session.warm_spark(settings)
    session.warm_spark(settings)
    [thread] = warming_threads()
    thread.join(timeout=200)

    assert capture == []
    assert set(tracker.getJobIdsForGroup(None)) > before
    assert list((settings.state / "spark-local").iterdir()) == []
    assert list(settings.state.glob("spark-warm-*")) == []


@pytest.mark.parametrize(
    "spark_settings",
    [{"gateway": "gateway.json"}, {"submit": True}, {"master": "spark://somewhere:7077"}],
)
def test_spark_is_not_warmed_where_jobs_run_elsewhere(spark_settings):
    session.warm_spark(load_settings(spark=spark_settings))

    assert warming_threads() == []


@pytest.mark.parametrize("master", ["local[2]", "yarn", "k8s://https://cluster:6443"])
def test_spark_authenticates_with_a_secret_that_it_draws_itself(settings, master):
    """A secret among the options would stand in the arguments of Java, which every user may list."""
    options = session.session_options(load_settings(state=settings.state, spark={"master": master}))

    assert options["spark.authenticate"] == "true"
    assert not [name for name in options if "secret" in name]


def test_a_standalone_cluster_s_own_configuration_decides(settings):
    """Its master and workers share one secret, which an application has to know."""
    standalone = load_settings(state=settings.state, spark={"master": "spark://somewhere:7077"})

    assert "spark.authenticate" not in session.session_options(standalone)


def test_the_session_authenticates_and_its_files_are_its_owner_s_alone(spark, session_settings):
    """A shuffle passes through the block server, which would refuse a reader without the secret."""
    assert spark.sparkContext.getConf().get("spark.authenticate") == "true"
    assert spark.range(100).repartition(3).count() == 100

    state = session_settings.state
    spilled = Path(spark.sparkContext.getConf().get("spark.local.dir"))
    assert spilled.parent == state / "spark-local"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (state, spilled.parent)] == [0o700, 0o700]
    assert stat.S_IMODE((state / "spark.log").stat().st_mode) == 0o600
