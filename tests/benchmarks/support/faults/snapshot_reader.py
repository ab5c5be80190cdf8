"""A reader that opens and checks snapshots in a thread while other processes write or die."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from feature_store.lake.content_hash import arrow_content_sha256
from feature_store.publishing.snapshot import Snapshot, open_snapshot
from feature_store.tables import table_called

PAUSE_S = 2.0


class SnapshotReader:
    """Reads all published tables again and again in a thread, from `with` to its end.

    A read is mixed when the rows of a table have another run or day than the snapshot, differ in
    number from the event's pin, or differ from an earlier read of the same event.

    Attributes:
        reads: snapshots read completely.
        mixed_reads: mixed ones among them.
        failure: the exception that ended the thread.
    """

    def __init__(self, lake: str) -> None:
        self.lake = lake
        self.reads = self.mixed_reads = 0
        self.failure: BaseException | None = None
        self._first_hashes: dict[tuple[int, str], str] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read_until_stopped, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()
        if self.failure is not None and error is None:
            raise self.failure

    def _read_until_stopped(self) -> None:
        try:
            while not self._stopped.is_set():
                self.mixed_reads += not self._is_consistent(open_snapshot(self.lake))
                self.reads += 1
                self._stopped.wait(PAUSE_S)
        except BaseException as failure:  # noqa: BLE001  the end of the `with` raises it
            self.failure = failure

    def _is_consistent(self, snapshot: Snapshot) -> bool:
        return all(self._matches_pin(snapshot, pin.table_name) for pin in snapshot.event.tables)

    def _matches_pin(self, snapshot: Snapshot, name: str) -> bool:
        rows = snapshot.read(name)
        [pin] = [pin for pin in snapshot.event.tables if pin.table_name == name]
        content = arrow_content_sha256(table_called(name), rows)
        first_hash = self._first_hashes.setdefault((snapshot.event.event_number, name), content)
        return (
            rows.num_rows == pin.row_count
            and set(rows["run_id"].to_pylist()) <= {snapshot.run_id}
            and set(rows["as_of_date"].to_pylist()) <= {snapshot.as_of}
            and content == first_hash
        )
