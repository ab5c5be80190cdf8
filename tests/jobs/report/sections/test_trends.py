"""Trends count one run a day with its newest tasks, and nothing later than the run."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from feature_store.lake import arrow_io
from feature_store.settings import Night
from feature_store.tables.runs import RUN_METRICS
from jobs.report.lake import open_run
from jobs.report.sections.trends import read_trends

MARCH_3 = date(2026, 3, 3)
BEFORE, TOMORROW = MARCH_3 - timedelta(days=1), MARCH_3 + timedelta(days=1)


@pytest.fixture
def recorded(settings):
    """Trends of run r3 of 3 March over rows (run, day, task, minutes, rows, hour)."""

    def trends(*rows):
        table = [
            {
                "run_id": run,
                "as_of_date": day,
                "stage": "recommendations",
                "task": task,
                "row_count": count,
                "added_bytes": 1,
                "elapsed_s": minutes * 60.0,
                "table_version": 1,
                "content_sha256": "x",
                "recorded_at_utc": datetime(2026, 3, 5, hour, tzinfo=UTC),
            }
            for run, day, task, minutes, count, hour in rows
        ]
        arrow_io.append(
            settings.lake, RUN_METRICS, pa.Table.from_pylist(table, schema=RUN_METRICS.arrow_schema)
        )
        return read_trends(open_run(Night(MARCH_3, "r3", settings)))

    return trends


def last_values(chart):
    return {line.name: line.last for line in chart.lines}


def test_this_run_counts_for_its_day_and_later_days_do_not_count(recorded):
    """r3 took 2 + 3 minutes: of the two tries of rec_topk the newest (2) counts."""
    trends = recorded(
        ("r2", BEFORE, "rec_topk", 1, 10, 1),
        ("r3", MARCH_3, "rec_topk", 50, 5, 2),
        ("r3", MARCH_3, "rec_topk", 2, 20, 3),
        ("r3", MARCH_3, "rec_changes", 3, 7, 3),
        ("other", MARCH_3, "rec_topk", 90, 90, 4),
        ("r4", TOMORROW, "rec_topk", 70, 70, 5),
    )

    assert trends.n_days == 2
    assert last_values(trends.minutes) == {"recommendations": 5.0}
    assert last_values(trends.rows) == {"rec_topk": 20}


def test_the_newest_run_of_an_earlier_day_counts(recorded):
    """The day before has two runs, of 10 and then 12 rows: the line is level, from 12 to 12."""
    trends = recorded(
        ("first", BEFORE, "rec_topk", 1, 10, 1),
        ("again", BEFORE, "rec_topk", 1, 12, 2),
        ("r3", MARCH_3, "rec_topk", 1, 12, 3),
    )

    [line] = trends.rows.lines
    heights = {point.split(",")[1] for point in line.points.split()}
    assert len(heights) == 1


def test_one_night_is_no_trend(recorded):
    trends = recorded(("r3", MARCH_3, "rec_topk", 1, 12, 3))

    assert (trends.n_days, trends.minutes, trends.rows, trends.quality) == (1, None, None, ())
