"""A run of a day far ahead is refused, whoever starts it; otherwise it would stay current for years."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from feature_store.as_of import DayAhead, check_as_of
from feature_store.publishing.manual_publication import publish_staged_run
from feature_store.publishing.publish import rollback
from feature_store.publishing.snapshot import events
from feature_store.settings import Night
from jobs.landing.closing import close_landing
from jobs.publishing.publication import publish_night
from jobs.run import run_job
from tests.feature_store.publishing.staging import MARCH_1, MARCH_3, NOON, publish_run, staged_run
from training.predict import predict
from training.train import train

JUST_BEFORE_MIDNIGHT = datetime(2026, 3, 4, 23, 59, tzinfo=UTC)
FAR = date(2999, 1, 1)
BEFORE = NOON - timedelta(days=30)  # by this clock every day of March lies ahead


@pytest.mark.parametrize("now", [NOON, JUST_BEFORE_MIDNIGHT])
@pytest.mark.parametrize("as_of", [date(2026, 3, 3), date(2026, 3, 4), date(2026, 3, 5)])
def test_tomorrow_and_earlier_days_are_allowed(as_of, now):
    check_as_of(as_of, now)


@pytest.mark.parametrize("as_of", [date(2026, 3, 6), FAR])
def test_later_days_are_refused_by_the_clock_that_is_given(as_of):
    with pytest.raises(DayAhead, match=rf"night of {as_of}: .* tomorrow in UTC, 2026-03-05"):
        check_as_of(as_of, NOON)


@pytest.mark.parametrize(
    "start",
    [
        lambda night, spark: run_job("rec_changes", night, spark),
        lambda night, _: train(night, "ranking"),
        lambda night, _: train(night, "ranking", family="ease"),
        lambda night, _: predict(night, "ranking"),
        lambda night, _: close_landing(night),
        lambda night, spark: publish_night(
            night, mode="make_current", actor="t", now=NOON, spark=spark
        ),
    ],
    ids=["job", "training", "training by hand", "prediction", "landing", "publication"],
)
def test_no_entry_point_runs_a_day_far_ahead(spark, settings, start):
    """Nothing is written: no table, no lineage, no closed landing day."""
    landed = Path(settings.lake, "landing", "listens", str(FAR))
    landed.mkdir(parents=True)

    with pytest.raises(DayAhead, match="night of 2999-01-01"):
        start(Night(FAR, "r", settings), spark)

    assert not Path(settings.lake, "tables").exists()
    assert not Path(settings.state, "lineage").exists()
    assert not list(Path(settings.lake, "landing").rglob("*.json"))


def test_a_run_that_is_staged_for_a_day_far_ahead_is_not_published(settings, lake):
    """An earlier clock stands for runs that were staged before the rule."""
    night, _ = run = staged_run(settings, MARCH_3, "r3")
    publish_run(staged_run(settings, MARCH_1, "r1"))
    publish_run(run, mode="stage_only")
    options = {"actor": "ann", "reason": None, "now": BEFORE}

    with pytest.raises(DayAhead, match=f"night of {night.as_of}"):
        publish_staged_run(lake, "r3", **options)
    with pytest.raises(DayAhead, match="night of 2026-03-01"):
        rollback(lake, "r1", **options)

    assert [event.action for event in events(lake)] == ["publish", "stage_only"]
