"""Writes score_evaluation: metrics of the night's model, its challengers and the baselines."""

from __future__ import annotations

import pyarrow as pa

from feature_store.lake.arrow_io import Written, read_table, write_slice
from feature_store.lake.delta_tables import ensure_table
from feature_store.settings import Night
from feature_store.tables.scores import SCORE_EVALUATION
from training.artifacts.model_registry import ModelRow
from training.engine.model_selection import FamilyResult
from training.evaluation.significance import ChallengerTest

VALUE_DECIMALS = 6
AHEAD = "ndcg_at_10_ahead"  # challenger less champion, on the same listeners


def write_results(
    night: Night,
    results: tuple[FamilyResult, ...],
    challenger_tests: tuple[ChallengerTest, ...],
    versions: dict[str, str],
) -> Written:
    """Replace the night's slice by new metrics; no row when nothing could be held out.

    Args:
        night: whose slice.
        results: metrics by family and split.
        challenger_tests: each gives the challenger three rows of validation: ndcg_at_10_ahead, and
            the ends of its interval.
        versions: model version of each family.
    """
    metrics = [
        (one.family, one.split, one.result.n_users, metric, value)
        for one in results
        for metric, value in one.result.values.items()
    ] + [
        (one.challenger, "validation", one.n_users, metric, value)
        for one in challenger_tests
        for metric, value in (
            (AHEAD, one.difference.mean),
            (f"{AHEAD}_low", one.difference.low),
            (f"{AHEAD}_high", one.difference.high),
        )
    ]
    rows = [
        {
            "as_of_date": night.as_of,
            "subject": family,
            "split": split,
            "metric": metric,
            "value": round(value, VALUE_DECIMALS),
            "n_users": n_users,
            "model_version": versions[family],
            "run_id": night.run_id,
        }
        for family, split, n_users, metric, value in metrics
    ]
    return _write(night, rows)


def repeat_results(night: Night, model: ModelRow) -> Written:
    """Repeat in the night's slice the metrics of the day on which its model was trained.

    The rows describe a model, not a day: a night that reuses the model has the same rows. It has
    none when a later training by hand has replaced that day's slice.
    """
    lake = night.settings.lake
    ensure_table(lake, SCORE_EVALUATION)
    trained = read_table(lake, SCORE_EVALUATION, as_of=model.trained_as_of_date).to_pylist()
    if model.model_version not in {row["model_version"] for row in trained}:
        trained = []
    rows = [{**row, "as_of_date": night.as_of, "run_id": night.run_id} for row in trained]
    return _write(night, rows)


def _write(night: Night, rows: list[dict[str, object]]) -> Written:
    table = pa.Table.from_pylist(rows, schema=SCORE_EVALUATION.arrow_schema)
    return write_slice(night.settings.lake, SCORE_EVALUATION, table, as_of=night.as_of)
