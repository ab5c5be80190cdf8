"""Hand-made rows of models, decisions and evaluations, for tests of promotion."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa

from feature_store.lake import arrow_io
from feature_store.tables.runs import RUN_MODELS
from feature_store.tables.scores import SCORE_EVALUATION


def march(day):
    return date(2026, 3, day)


def noon(day, hour=12):
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def model(version, *, family="mm_gnn", task="ranking", role="champion", trained=1, checked=None,
          promoted=None, no_data_reason=None, recorded=None):  # fmt: skip
    """A row of run_models; days are of March 2026, and a row is recorded at noon of its check."""
    checked = checked or trained
    filled = dict.fromkeys(RUN_MODELS.column_names, "x")
    return filled | {
        "training_task": task,
        "family": family,
        "model_version": version,
        "model_role": role,
        "trained_as_of_date": march(trained),
        "checked_as_of_date": march(checked),
        "fitted_until_date": march(trained),
        "held_out_from_date": None,
        "promoted_as_of_date": march(promoted) if promoted else None,
        "upstream_versions": [],
        "no_data_reason": no_data_reason,
        "recorded_at_utc": recorded or noon(checked),
    }


def decision(version, what, as_of, *, recorded=None, family="mm_gnn", task="ranking", actor="ann"):
    """A row of run_promotions; recorded at noon of its day unless another time is given."""
    return {
        "training_task": task,
        "family": family,
        "model_version": version,
        "decision": what,
        "decision_as_of_date": march(as_of),
        "actor": actor,
        "reason": "why not",
        "recorded_at_utc": recorded or noon(as_of),
    }


def evaluated(version, values, *, day=1, family="mm_gnn", task="ranking", split="validation"):
    """Rows of score_evaluation for metrics given as name: value."""
    return [
        {
            "as_of_date": march(day),
            "training_task": task,
            "subject": family,
            "split": split,
            "metric": metric,
            "value": value,
            "n_units": 40,
            "model_version": version,
            "run_id": "r",
        }
        for metric, value in values.items()
    ]


def ahead(mean, low, high, segment=""):
    """The three metrics of a champion-challenger test by nDCG@10."""
    name = "ndcg_at_10_ahead" + (f".{segment}" if segment else "")
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def write_models(lake, *rows):
    arrow_io.append(lake, RUN_MODELS, pa.Table.from_pylist(list(rows), schema=RUN_MODELS.arrow_schema))  # fmt: skip


def write_evaluation(lake, rows):
    """Write rows of one day."""
    table = pa.Table.from_pylist(rows, schema=SCORE_EVALUATION.arrow_schema)
    arrow_io.write_slice(lake, SCORE_EVALUATION, table, as_of=rows[0]["as_of_date"])
