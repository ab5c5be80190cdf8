"""The rest of the hand-written lake: raw rows, rejects, run metrics, a model and a publication event."""

import json
from datetime import date

from feature_store.lake.storage import open_storage
from feature_store.settings import Night
from tests.jobs.report.sample_lake import (
    AS_OF,
    AT_NIGHT,
    append_rows,
    write_catalogue,
    write_lists,
    write_users,
)

VERSION = "f00d" * 16


def write_raw_tables(night: Night) -> None:
    """Five listens: two of the day, two before it, one after; and three rejects, two of the day."""
    origin = {"source_file": "landing/listens/2026-03-01/p.parquet", "arrival_date": AS_OF}
    listen = {
        "user_id": "ada",
        "track_id": "a",
        "listened_at_utc": AT_NIGHT,
        "played_ms": 1,
        "duration_ms": 1,
        "is_organic": True,
    }
    append_rows(
        night,
        "raw_listens",
        {**origin, **listen, "source_row": 0},
        {**origin, **listen, "source_row": 1},
        {**origin, **listen, "source_row": 2, "arrival_date": date(2026, 2, 28)},
        {**origin, **listen, "source_row": 4, "arrival_date": date(2026, 2, 28)},
        {**origin, **listen, "source_row": 3, "arrival_date": date(2026, 3, 2)},
    )
    reject = {
        **origin,
        "table_name": "raw_follows",
        "reject_detail": "dora follows dora",
        "original_text": json.dumps({"user_id": "dora", "followed_user_id": "dora"}),
    }
    append_rows(
        night,
        "raw_rejects",
        {**reject, "source_row": 7, "reject_reason": "self_follow"},
        {**reject, "source_row": 8, "reject_reason": "self_follow"},
        {
            **reject,
            "source_row": 9,
            "reject_reason": "missing_value",
            "arrival_date": date(2026, 2, 28),
        },
    )


def write_run(night: Night) -> None:
    """rec_topk has two tries, of which the newer counts; the row of another run does not count."""
    task = {
        "as_of_date": AS_OF,
        "run_id": night.run_id,
        "table_version": 1,
        "content_sha256": "c",
        "added_bytes": 2000,
    }
    later = AT_NIGHT.replace(minute=40)
    append_rows(
        night,
        "run_metrics",
        {
            **task,
            "stage": "recommendations",
            "task": "rec_topk",
            "row_count": 99,
            "elapsed_s": 50.0,
            "recorded_at_utc": AT_NIGHT,
        },
        {
            **task,
            "stage": "recommendations",
            "task": "rec_topk",
            "row_count": 6,
            "elapsed_s": 4.0,
            "recorded_at_utc": later,
        },
        {
            **task,
            "stage": "ingest",
            "task": "raw_listens",
            "row_count": 2,
            "elapsed_s": 1.5,
            "recorded_at_utc": AT_NIGHT,
        },
        {
            **task,
            "run_id": "another",
            "stage": "graph",
            "task": "graph_nodes",
            "row_count": 5,
            "elapsed_s": 900.0,
            "recorded_at_utc": AT_NIGHT,
        },
    )
    of_run = {
        "as_of_date": AS_OF,
        "run_id": night.run_id,
        "n_units": 40,
        "training_task": "ranking",
    }
    append_rows(
        night,
        "run_quality",
        {**of_run, "subject": "mm_gnn", "split": "test", "metric": "recall_at_10", "value": 0.3},
        {
            **of_run,
            "subject": "popularity",
            "split": "test",
            "metric": "recall_at_10",
            "value": 0.2,
        },
        {**of_run, "subject": "rec_topk", "split": "next_day", "metric": "hit_rate", "value": 0.25},
    )


def write_model(night: Night, *, trained_by: str) -> None:
    """One model with three epochs; the parameters of the second were kept."""
    of_run = {"as_of_date": AS_OF, "run_id": night.run_id}
    append_rows(
        night,
        "score_candidates",
        {
            **of_run,
            "user_id": "ada",
            "rank": 1,
            "track_id": "a",
            "score": 1.0,
            "heads": ["audio"],
            "family": "mm_gnn",
            "model_version": VERSION,
        },
    )
    append_rows(
        night,
        "run_models",
        {"training_task": "ranking", "family": "mm_gnn", "model_version": VERSION, "model_role": "champion",
         "trained_as_of_date": AS_OF, "checked_as_of_date": AS_OF, "fitted_until_date": AS_OF,
         "promoted_as_of_date": AS_OF, "upstream_versions": [], "inputs_sha256": "i",
         "checkpoint_uri": "models/m", "checkpoint_sha256": "c", "data_sha256": "d", "config_json": "{}",
         "mlflow_run_id": "m", "run_id": trained_by, "recorded_at_utc": AT_NIGHT},
    )  # fmt: skip
    epochs = [
        {"number": number, "losses": {"rank": 4.0 / number}, "validation": metric}
        for number, metric in ((1, None), (2, 0.31), (3, 0.29))
    ]
    history = {"selection": {"epochs": epochs, "best_epoch": 2}}
    open_storage(night.settings.lake).write("models/m/history.json", json.dumps(history).encode())


def write_event(
    night: Night, versions: dict[str, int], *, action: str, number: int = 1, is_failed: bool = False
) -> None:
    """An event of the run with two gates; the second may fail, and its example names Dora."""
    pin = {"row_count": 1, "content_sha256": "c"}
    gate = {
        "table_name": "rec_topk",
        "is_passed": True,
        "value": 0.0,
        "threshold": "at most 0",
        "examples": "",
    }
    short = {
        "rule": "full_list_ratio",
        "value": 0.9971,
        "threshold": "at least 0.999",
        "is_passed": not is_failed,
        "examples": "dora has 2 tracks",
    }
    append_rows(
        night,
        "published_runs",
        {"event_number": number, "action": action, "run_id": night.run_id, "as_of_date": night.as_of, "actor": "airflow",
         "tables": [{"table_name": name, "table_version": version, **pin} for name, version in versions.items()],
         "gates": [{**gate, "rule": "unique_keys"}, {**gate, **short}], "inputs": [], "model_versions": [],
         "code_version": "0.1.0", "contract_version": "c", "recorded_at_utc": AT_NIGHT},
    )  # fmt: skip


def write_all(night: Night, *, action: str = "publish") -> None:
    """Write all of the above."""
    write_catalogue(night)
    write_users(night)
    versions = write_lists(night)
    write_raw_tables(night)
    write_run(night)
    write_model(night, trained_by=night.run_id)
    write_event(night, versions, action=action, is_failed=action == "blocked")
