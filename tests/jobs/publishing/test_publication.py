"""The publishing task of a night that runs again after its commit."""

from __future__ import annotations

import pytest

from feature_store.publishing.snapshot import events
from feature_store.publishing.staged_slices import ReadBackMismatch
from jobs.publishing.publication import publish_night
from tests.feature_store.publishing.staging import MARCH_1, NOON, publish_run, staged_run


def test_a_published_night_that_runs_again_is_not_audited_again(spark, settings):
    """The staged run has no rows of Spark.s hash, so an audit would fail as the first one does."""
    night, pins = staged_run(settings, MARCH_1, "r1")
    options = {"mode": "auto", "actor": "test", "now": NOON, "spark": spark}
    with pytest.raises(ReadBackMismatch, match="read back"):
        publish_night(night, **options)
    first = publish_run((night, pins))

    assert publish_night(night, **options) == first
    assert len(events(settings.lake)) == 1
