"""Writes what a task predicts, with the night's model; for ranking score_candidates.

    python -m training.predict ranking --as-of 2026-03-01
    torchrun --standalone --nproc-per-node 2 -m training.predict ranking --as-of 2026-03-01

Reads the model of run_models and the night's tables: listeners and tracks that are newer than the
training are scored through their neighbours and their content. Rows are streams, so memory does not
grow with them; of several processes each predicts its own shard, and rank 0 writes.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
import structlog
import typer
from torch.distributed.elastic.multiprocessing.errors import record

from feature_store.contract import Table, Time
from feature_store.lake.arrow_io import Written, append, write_slice
from feature_store.lake.arrow_rows import batches_of
from feature_store.lake.batch_stream import kept_on_disk
from feature_store.lake.lease import writer_lease
from feature_store.privacy.suppression import erasure_guard
from feature_store.runs.lineage import run_events, versions_of
from feature_store.runs.run_log import record_task
from feature_store.settings import Night, load_settings
from feature_store.terminal import run_command
from training.artifacts import model_registry, upstream
from training.artifacts.training_inputs import lacks
from training.config import recipe_from_json
from training.engine.distributed import (
    broadcast_from_rank0,
    check_same_in_all_processes,
    gather_in_rank0,
    is_main,
    n_processes,
    process_group,
)
from training.engine.loop import deterministic
from training.progress_bars import disable_progress_bars
from training.tasks.protocol import Output, ScoringModel, Task
from training.tasks.registry import get_family, get_task
from training.train import device_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from training.artifacts.model_registry import ModelRow

LOG = structlog.get_logger()


def predict(night: Night, task_name: str, *, family: str | None = None) -> tuple[Written, ...]:
    """Write what a task predicts for the night; returns what rank 0 has written.

    The night's slice is replaced; tables of content, which have no slices, get the rows that they
    lack. A task without data, or whose champion cannot learn from it or from what it needs, writes
    empty slices.

    Args:
        night: the day and the settings.
        task_name: a name in the registry of tasks.
        family: whose model; the champion's when left out.

    Raises:
        UnknownTaskError, UnknownFamilyError: no task, or no family of it, has this name.
        NoModelError: there is no usable model.
        CheckpointError: its files are not those that its row names.
        DayAhead: the night's day is later than tomorrow.
        ErasedDuringRun: a person was erased while it predicted.
    """
    started_at_s = time.monotonic()
    disable_progress_bars()
    task = get_task(task_name)
    if family is not None:
        get_family(task_name, family)
    check_no_erasure = erasure_guard(night.settings.lake)
    inputs = versions_of(night.settings.lake, task.reads)
    names = [table.name for table in task.writes]
    with run_events(night, names if is_main() else [], partial(datetime.now, UTC)):
        with deterministic(night.settings.seed, night.settings.training.n_threads):
            outputs, row = _outputs(night, task, family)
            written = [
                one
                for output in outputs
                if (one := _write(night, output, check_no_erasure)) is not None
            ]
        for one in written:
            elapsed_s = time.monotonic() - started_at_s
            record_task(night, one, inputs, elapsed_s=elapsed_s, now=datetime.now(UTC))
            LOG.info(
                "predicted",
                training_task=task_name,
                table=one.table_name,
                as_of=str(night.as_of),
                rows=one.row_count,
                version=row and row.model_version,
                seconds=round(elapsed_s, 1),
            )
    return tuple(written)


def predict_nothing(night: Night, task_name: str) -> tuple[Written, ...]:
    """Empty the night's slices of a task that is off, so that no earlier try is left in them.

    Tables without slices stay as they are.
    """
    lake = night.settings.lake
    return tuple(
        write_slice(lake, table, (), as_of=night.as_of, commit_note=night.run_id)
        for table in get_task(task_name).writes
        if table.time is Time.AS_OF
    )


def load_model(night: Night, task: Task[Any, Any, Any], row: ModelRow, view: Any) -> nn.Module:
    """The model of a row, over the night's full view."""
    return task.from_state(
        model_registry.read_state(night, row),
        recipe_from_json(row.config_json),
        view,
        upstream.learned_states(night, row),
        device_of(night),
    )


def _outputs(
    night: Night, task: Task[Any, Any, Any], family: str | None
) -> tuple[tuple[Output, ...], ModelRow | None]:
    """Streams of the task's tables, and the model behind them; None for a task without data."""
    data = task.read(night)
    if n_processes() > 1:
        check_same_in_all_processes("data", task.data_sha256(data))
    name = family or broadcast_from_rank0(lambda: model_registry.champion_of(night, task.name))
    if lacks(task, name, data) or broadcast_from_rank0(
        lambda: model_registry.reason_without_model(night, task.name, name)
    ):
        return tuple(Output(table, iter(())) for table in task.writes), None
    row = broadcast_from_rank0(lambda: _model_of(night, task, name))
    features = upstream.learned_features(row)
    if model_registry.changed_upstream(
        row, task.feature_versions(night.settings.lake, night.as_of)
    ):
        # An older model reads the versions that it learned from; their rows are still there.
        data = task.read(night, features)
    view = task.full_view(data)
    model = load_model(night, task, row, view)
    scoring = ScoringModel(row.family, row.model_version)
    return task.predict(night, scoring, model, data, view), row


def _model_of(night: Night, task: Task[Any, Any, Any], family: str) -> ModelRow:
    """The model that scores."""
    versions = upstream.versions_of_night(night, task.name, family)
    return model_registry.usable_model(night, task.name, family, versions)


def _write(night: Night, output: Output, check_no_erasure: Callable[[], None]) -> Written | None:
    """Write a stream of all processes in rank 0; None in the others."""
    batches = gather_in_rank0(output.batches)
    if not is_main():
        for _ in batches:
            raise AssertionError("only rank 0 is given batches")
        return None
    if output.table.time is Time.NONE:
        return _append(night, output.table, batches, check_no_erasure)
    table = output.table
    kept = (
        kept_on_disk(table.arrow_schema, batches_of(table, batches), night.settings.state)
        if output.reads_tables
        else nullcontext(batches)
    )
    with kept as rows:
        return write_slice(
            night.settings.lake,
            table,
            rows,
            as_of=night.as_of,
            commit_note=night.run_id,
            before_commit=check_no_erasure,
        )


def _append(
    night: Night,
    table: Table,
    batches: Iterator[pa.RecordBatch],
    check_no_erasure: Callable[[], None],
) -> Written:
    """Append rows of new content, a commit for each batch: a task that is stopped keeps them.

    Under the table's lease, as two tasks at once would both find the same content new.
    """
    lake, written = night.settings.lake, []
    nothing = pa.RecordBatch.from_pylist([], table.arrow_schema)
    with writer_lease(lake, table.name) as check_lease:
        first = next(batches, nothing)  # so that the table is there though nothing is new
        for batch in chain([first], batches):
            check_no_erasure()
            check_lease()
            rows = pa.Table.from_batches([batch])
            written.append(append(lake, table, rows, commit_note=night.run_id))
    return Written.combined(written)


@record
def main(
    task: Annotated[str, typer.Argument(help="What was learned, such as ranking.")],
    as_of: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day covered.")],
    family: Annotated[str, typer.Option(help="A family; empty for the champion.")] = "",
    run_id: Annotated[str, typer.Option(help="Run to record it under.")] = "manual",
) -> None:
    """Predict a task's tables for a night."""
    night = Night(date(as_of.year, as_of.month, as_of.day), run_id, load_settings())
    with process_group(device_of(night)):
        predict(night, task, family=family or None)


if __name__ == "__main__":
    run_command(partial(typer.run, main))
