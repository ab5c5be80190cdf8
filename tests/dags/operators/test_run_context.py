"""Run context: the Night of a task instance."""

from __future__ import annotations

import pytest


def test_a_run_without_a_date_fails_with_the_next_step():
    from airflow.sdk.exceptions import AirflowFailException

    from dags.operators.run_context import night_of

    with pytest.raises(AirflowFailException, match="manual__1: a night needs a date"):
        night_of({"run_id": "manual__1", "data_interval_start": None})
