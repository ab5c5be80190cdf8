"""OpenLineage events: the table versions that each task reads and writes.

Events go to a file below EVENSONG_STATE, or to the server of the setting `lineage_url`; what the
server does not take waits in an outbox. A task emits START, and in the end COMPLETE or FAIL.
Datasets have the names of OpenLineage's convention, which other tools derive in the same way from a
table's address.

Reference: https://openlineage.io/spec, RunEvent 2-0-2 with the facets datasetVersion, schema,
    outputStatistics, dataQualityAssertions, errorMessage, nominalTime and parent;
    https://openlineage.io/docs/spec/naming.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from feature_store.as_of import check_as_of
from feature_store.lake.commits import find_recent_commit
from feature_store.lake.delta_tables import exists, open_table, table_uri
from feature_store.lake.private_files import close_folder
from feature_store.runs.lineage_outbox import Outbox
from feature_store.tables import table_called
from feature_store.tables.runs import PUBLISHED_RUNS

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent
    from openlineage.client.facet_v2 import DatasetFacet, RunFacet
    from openlineage.client.transport import Transport

    from feature_store.contract import Table
    from feature_store.lake.arrow_io import Written
    from feature_store.publishing.snapshot import Event
    from feature_store.settings import Night, Settings

NAMESPACE = "evensong"
"""Of jobs; datasets have that of where they are stored."""
FILE = "lineage/events.jsonl"
UNSENT_FILE = "lineage/unsent.jsonl"
"""Events that the lineage server has not taken yet; see `runs/lineage_outbox.py`."""
# Airflow's provider writes its own events: two writers need two files.
AIRFLOW_FILE = "lineage/airflow.jsonl"
_S3 = "s3://"


def versions_of(lake: str, tables: Sequence[Table]) -> dict[str, int]:
    """The newest version of each of these tables that exists."""
    return {
        table.name: open_table(lake, table).version() for table in tables if exists(lake, table)
    }


@contextmanager
def run_events(night: Night, tasks: Sequence[str], clock: Callable[[], datetime]) -> Iterator[None]:
    """Emit START for each of these tasks, and FAIL when the block raises.

    Every entry point of a run passes here first, so this is where a day far ahead is refused.

    COMPLETE belongs to `emit_written` and `emit_published`, which know what was written. FAIL names
    the type of the error only: a message may hold a person's id.

    Raises:
        DayAhead: the night's day is later than tomorrow by the clock; nothing is emitted.
    """
    check_as_of(night.as_of, clock())
    for task in tasks:
        _emit(night, task, "START", clock())
    try:
        yield
    except BaseException as error:
        for task in tasks:
            _emit(night, task, "FAIL", clock(), error=type(error).__name__)
        raise


def emit_written(
    night: Night, task: str, written: Written, inputs: Mapping[str, int], now: datetime
) -> None:
    """Emit that a task read `inputs` (table name to version) and wrote a version of its table."""
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    lake = night.settings.lake
    output = OutputDataset(
        *dataset_name(lake, written.table_name),
        outputFacets={
            "outputStatistics": statistics.OutputStatisticsOutputDatasetFacet(
                rowCount=written.row_count, size=written.added_bytes
            )
        },
        facets=_table_facets(lake, written.table_name, written.table_version),
    )
    _emit(night, task, "COMPLETE", now, _inputs(lake, inputs), [output])


def emit_published(night: Night, event: Event, now: datetime) -> None:
    """Emit the versions that a publication audited, its gates as assertions, and its commit."""
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality

    lake = night.settings.lake
    inputs = []
    for pin in event.tables:
        assertions = [
            quality.Assertion(
                assertion=gate["rule"],
                success=gate["is_passed"],
                expected=gate["threshold"],
                actual=f"{gate['value']:g}",
            )
            for gate in event.gates
            if gate["table_name"] == pin.table_name
        ]
        gates = quality.DataQualityAssertionsDatasetFacet(assertions)
        facets = _table_facets(lake, pin.table_name, pin.table_version)
        inputs.append(
            InputDataset(
                *dataset_name(lake, pin.table_name), {"dataQualityAssertions": gates}, facets=facets
            )
        )
    events_table = PUBLISHED_RUNS.name
    newest = open_table(lake, PUBLISHED_RUNS).version()
    commit = find_recent_commit(lake, PUBLISHED_RUNS, event.commit_note, newest=newest)
    committed = commit.version if commit is not None else None  # erasures purge earlier commits
    output = OutputDataset(
        *dataset_name(lake, events_table), facets=_table_facets(lake, events_table, committed)
    )
    _emit(night, events_table, "COMPLETE", now, inputs, [output])


def run_uuid(run_id: str, task: str) -> str:
    """OpenLineage run id of a task: a UUID that is the same for every try."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}/{run_id}/{task}"))


def dataset_name(lake: str, table_name: str) -> tuple[str, str]:
    """Namespace and name of a table: s3://bucket and the key, or file and the path."""
    address = table_uri(lake, table_called(table_name))
    if not address.startswith(_S3):
        return "file", address
    bucket, _, key = address.removeprefix(_S3).partition("/")
    return f"{_S3}{bucket}", key


def _inputs(lake: str, inputs: Mapping[str, int]) -> list[InputDataset]:
    from openlineage.client.event_v2 import InputDataset

    return [
        InputDataset(*dataset_name(lake, name), facets=_table_facets(lake, name, inputs[name]))
        for name in sorted(inputs)
    ]


def _table_facets(lake: str, name: str, table_version: int | None) -> dict[str, DatasetFacet]:
    """Version, address and columns of a table; no version where it is unknown."""
    from openlineage.client.facet_v2 import (
        dataset_version_dataset,
        datasource_dataset,
        schema_dataset,
    )

    table = table_called(name)
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            name=column.name, type=column.kind.sql, description=column.meaning
        )
        for column in table.columns
    ]
    known: dict[str, DatasetFacet] = {}
    if table_version is not None:
        facet = dataset_version_dataset.DatasetVersionDatasetFacet(str(table_version))
        known = {"version": facet}
    return known | {
        "dataSource": datasource_dataset.DatasourceDatasetFacet(
            name=name, uri=table_uri(lake, table)
        ),
        "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
    }


def _emit(
    night: Night,
    task: str,
    state: Literal["START", "COMPLETE", "FAIL"],
    now: datetime,
    inputs: Sequence[InputDataset] = (),
    outputs: Sequence[OutputDataset] = (),
    *,
    error: str | None = None,
) -> None:
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState

    event = RunEvent(
        eventType=RunState[state],
        eventTime=now.isoformat(),
        producer=f"{NAMESPACE}/{version('evensong')}",
        run=Run(run_uuid(night.run_id, task), facets=_run_facets(night, error)),
        job=Job(NAMESPACE, task),
        inputs=list(inputs),
        outputs=list(outputs),
    )
    _send(night.settings, event)


def _run_facets(night: Night, error: str | None) -> dict[str, RunFacet]:
    """Facets that name the night as parent run, its day as nominal time, and the error if any."""
    from openlineage.client.facet_v2 import error_message_run, nominal_time_run, parent_run

    day = datetime.combine(night.as_of, time(), UTC)
    facets: dict[str, RunFacet] = {
        "nominalTime": nominal_time_run.NominalTimeRunFacet(nominalStartTime=day.isoformat()),
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(run_uuid(night.run_id, "evensong_nightly")),
            job=parent_run.Job(NAMESPACE, f"evensong_nightly.{night.run_id}"),
        ),
    }
    if error is not None:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(error, "PYTHON")
    return facets


def _send(settings: Settings, event: RunEvent) -> None:
    """Send an event to the server, or append it to the file when there is no server.

    An event that the server does not take waits in the outbox, which the next emission sends.
    """
    if not settings.lineage_url:
        _file_transport(str(settings.state / FILE)).emit(event)
        return
    from openlineage.client.serde import Serde

    outbox = Outbox(settings.state / UNSENT_FILE)
    outbox.path.parent.mkdir(parents=True, exist_ok=True)
    outbox.deliver(
        Serde.to_dict(event),
        lambda each: _http_transport(settings.lineage_url).emit(each),  # type: ignore[arg-type]  # JSON is taken too
    )


@cache
def _file_transport(file: str) -> Transport:
    from openlineage.client.transport.file import FileConfig, FileTransport

    close_folder(Path(file).parent)
    return FileTransport(FileConfig(log_file_path=file, append=True))


@cache
def _http_transport(url: str) -> Transport:
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    # No retry: what is not taken waits for the next emission.
    return HttpTransport(HttpConfig(url=url, timeout=5.0, retry={"total": 0}))
