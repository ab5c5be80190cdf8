"""Spark starts in a thread while a command does other work."""

from __future__ import annotations

import threading

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
