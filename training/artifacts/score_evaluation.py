"""score_evaluation: what was measured of a night's model and the families beside it."""

from __future__ import annotations

import pyarrow as pa

from feature_store.lake.arrow_io import Written, read_table, write_slice
from feature_store.lake.delta_tables import ensure_table
from feature_store.settings import Night
from feature_store.tables.scores import SCORE_EVALUATION
from training.artifacts.model_registry import ModelRow
from training.engine.model_selection import Measured
from training.evaluation.significance import Contest

VALUE_DECIMALS = 6
AHEAD = "ndcg_at_10_ahead"  # of the champion, on the same people


def write_measured(
    night: Night,
    measured: tuple[Measured, ...],
    contests: tuple[Contest, ...],
    versions: dict[str, str],
) -> Written:
    """Replace the night's slice by what was just measured; no row when nothing could be held out.

    Args:
        night: whose slice.
        measured: metrics by family and split.
        contests: each gives the challenger three rows of validation: ndcg_at_10_ahead, and the
            ends of its interval.
        versions: model version of each family.
    """
    figures = [
        (one.family, one.split, one.quality.n_users, metric, value)
        for one in measured
        for metric, value in one.quality.values.items()
    ] + [
        (one.challenger, "validation", one.n_users, metric, value)
        for one in contests
        for metric, value in (
            (AHEAD, one.ahead.mean),
            (f"{AHEAD}_low", one.ahead.low),
            (f"{AHEAD}_high", one.ahead.high),
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
        for family, split, n_users, metric, value in figures
    ]
    return _write(night, rows)


def repeat_measured(night: Night, model: ModelRow) -> Written:
    """Repeat in the night's slice what was measured when its model was trained.

    These rows are facts about a model, not about a day: a night that reuses it has the same facts.
    None when the day's slice has become that of another training by hand.
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
