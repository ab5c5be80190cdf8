"""Run context: the Night of a task instance."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest


def test_a_run_without_a_date_fails_with_the_next_step():
    from airflow.sdk.exceptions import AirflowFailException

    from dags.operators.run_context import night_of

    with pytest.raises(AirflowFailException, match="manual__1: a night needs a date"):
        night_of({"run_id": "manual__1", "data_interval_start": None})


def test_a_run_that_is_triggered_for_a_day_far_ahead_fails_without_retry():
    from airflow.sdk.exceptions import AirflowFailException

    from dags.operators.run_context import night_of

    far = datetime(2999, 1, 1, 2, tzinfo=UTC)
    with pytest.raises(AirflowFailException, match="night of 2999-01-01: the day lies ahead"):
        night_of({"run_id": "manual__1", "data_interval_start": far})
