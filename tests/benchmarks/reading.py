"""Somebody who reads all published tables again and again while something else goes on."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from feature_store.lake.arrow_io import content_sha256
from feature_store.publishing.snapshot import Snapshot, open_snapshot
from feature_store.tables import table_called

PAUSE_S = 2.0


class Reader:
    """Reads in a thread of its own, between `with` and its end.

    A read is mixed when a table's rows are of another run or day than the snapshot's, are fewer or more than its
    event pinned, or differ from what the same event gave before.

    Attributes:
        reads: snapshots read whole.
        mixed_reads: of these, those that were mixed.
        failure: what stopped the reader.
    """

    def __init__(self, lake: str) -> None:
        self.lake = lake
        self.reads = self.mixed_reads = 0
        self.failure: BaseException | None = None
        self._seen: dict[tuple[int, str], str] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read_on, daemon=True)

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

    def _read_on(self) -> None:
        try:
            while not self._stopped.is_set():
                self.mixed_reads += not self._is_whole(open_snapshot(self.lake))
                self.reads += 1
                self._stopped.wait(PAUSE_S)
        except BaseException as failure:  # noqa: BLE001  handed to whoever leaves the `with`
            self.failure = failure

    def _is_whole(self, snapshot: Snapshot) -> bool:
        return all(self._is_pinned(snapshot, pin.table_name) for pin in snapshot.event.tables)

    def _is_pinned(self, snapshot: Snapshot, name: str) -> bool:
        rows = snapshot.read(name)
        [pin] = [pin for pin in snapshot.event.tables if pin.table_name == name]
        content = content_sha256(table_called(name), rows)
        first_seen = self._seen.setdefault((snapshot.event.event_number, name), content)
        return (
            rows.num_rows == pin.row_count
            and set(rows["run_id"].to_pylist()) <= {snapshot.run_id}
            and set(rows["as_of_date"].to_pylist()) <= {snapshot.as_of}
            and content == first_seen
        )
