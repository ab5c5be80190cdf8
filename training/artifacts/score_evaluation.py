"""Writes score_evaluation: metrics of a task's model, its challengers and the baselines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from feature_store.lake.arrow_io import Written, read_table, write_slice
from feature_store.lake.delta_tables import ensure_table
from feature_store.tables.scores import SCORE_EVALUATION

if TYPE_CHECKING:
    from feature_store.settings import Night
    from training.artifacts.model_registry import ModelRow
    from training.engine.model_selection import FamilyResult
    from training.evaluation.significance import ChallengerTest, Difference

VALUE_DECIMALS = 6


def write_results(
    night: Night,
    task: str,
    metric: str,
    results: Iterable[FamilyResult],
    challenger_tests: Iterable[ChallengerTest],
    versions: Mapping[str, str],
) -> Written:
    """Replace the task's part of the night's slice; no row when nothing could be held out.

    Args:
        night: whose slice.
        task: whose part.
        metric: the task's chosen metric, which challenger tests compare.
        results: metrics by family and split.
        challenger_tests: each gives the challenger rows of validation: `<metric>_ahead`, challenger
            less champion, with the ends of its interval, and the same by segment.
        versions: model version of each family.
    """
    measured = [
        (one.family, one.split, one.result.n_units, name, value)
        for one in results
        for name, value in one.result.values.items()
    ] + [
        (one.challenger, "validation", one.n_units, name, value)
        for one in challenger_tests
        for segment, difference in {"": one.difference, **one.segments}.items()
        for name, value in _ends(f"{metric}_ahead{segment and '.'}{segment}", difference)
    ]
    rows = [
        {
            "as_of_date": night.as_of,
            "training_task": task,
            "subject": family,
            "split": split,
            "metric": name,
            "value": round(value, VALUE_DECIMALS),
            "n_units": n_units,
            "model_version": versions[family],
            "run_id": night.run_id,
        }
        for family, split, n_units, name, value in measured
    ]
    return _write(night, task, rows)


def repeat_results(night: Night, model: ModelRow) -> Written:
    """Repeat in the night's slice the metrics of the day on which its model was trained.

    The rows describe a model, not a day: a night that reuses the model has the same rows. It has
    none when a later training by hand has replaced that day's slice.
    """
    lake = night.settings.lake
    ensure_table(lake, SCORE_EVALUATION)
    rows = [
        row
        for row in read_table(lake, SCORE_EVALUATION, as_of=model.trained_as_of_date).to_pylist()
        if row["training_task"] == model.training_task
    ]
    if model.model_version not in {row["model_version"] for row in rows}:
        rows = []
    repeated = [{**row, "as_of_date": night.as_of, "run_id": night.run_id} for row in rows]
    return _write(night, model.training_task, repeated)


def _ends(name: str, difference: Difference) -> Iterator[tuple[str, float]]:
    """A difference and the ends of its interval."""
    yield name, difference.mean
    yield f"{name}_low", difference.low
    yield f"{name}_high", difference.high


def _write(night: Night, task: str, rows: list[dict[str, object]]) -> Written:
    table = pa.Table.from_pylist(rows, schema=SCORE_EVALUATION.arrow_schema)
    return write_slice(
        night.settings.lake,
        SCORE_EVALUATION,
        table,
        as_of=night.as_of,
        part={"training_task": task},
        commit_note=night.run_id,
    )
