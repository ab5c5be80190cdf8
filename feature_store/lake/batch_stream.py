"""Hands record batches from the thread that produces them to a writer in another thread.

delta-rs has as many threads as the machine has cores, and waits for the next batch in one of them.
What else it is asked meanwhile may need that very thread, and then both wait for ever: so whoever
produces batches opens no Delta table (`refuse_in_stream`), or its batches are kept in a file before
the write begins (`kept_on_disk`). For the same reason no reader is left waiting for a batch that
nobody will hand over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from enum import Enum
from queue import Empty, Full, Queue
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from feature_store.lake.private_files import make_private_folder

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_LOOK_AT_WRITER_S = 0.5
"""How often a producer that waits for the writer looks whether the writer has failed."""

_PRODUCER = threading.local()


class OpenedInStreamError(RuntimeError):
    """A Delta table is opened by what makes the batches of a write; a fault of the program."""


class _End(Enum):
    COMPLETE = "complete"
    BROKEN = "broken"


def write_stream(
    write: Callable[[pa.RecordBatchReader], None],
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
) -> None:
    """Call `write` with a reader of the batches, which the calling thread produces one at a time.

    delta-rs reads a stream in threads of its own. There a model that scores would not see its
    caller's torch modes and devices, and no signal would stop it.

    Raises:
        OpenedInStreamError: `batches` open a Delta table.
        Exception: what `batches` or `write` raised; `write` fails when `batches` does.
    """
    import pyarrow as pa

    handed: Queue[pa.RecordBatch | _End] = Queue(maxsize=1)
    reader = pa.RecordBatchReader.from_batches(schema, _taken(handed))
    try:
        with ThreadPoolExecutor(max_workers=1) as pool:
            writer = pool.submit(write, reader)
            try:
                for batch in _produced(batches):
                    _hand_over(batch, handed, writer)
            except BaseException:
                if not writer.done():
                    _hand_over(_End.BROKEN, handed, writer)
                raise
            _hand_over(_End.COMPLETE, handed, writer)
            writer.result()
    finally:
        _release(handed)


@contextmanager
def kept_on_disk(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], folder: Path
) -> Iterator[Iterator[pa.RecordBatch]]:
    """The same batches from a file, into which all of them are written first.

    For a write whose batches are made from Delta tables. The file has no name: when the process
    ends, however it does, it is gone.

    Args:
        schema: of the batches.
        batches: may open and write tables.
        folder: on the disk that holds the file; it is made where there is none, for its owner.
    """
    import pyarrow as pa

    with TemporaryFile(dir=make_private_folder(folder)) as file:
        with pa.ipc.new_stream(file, schema) as stream:
            for batch in batches:
                stream.write_batch(batch)
        file.seek(0)
        with pa.ipc.open_stream(file) as kept:
            yield iter(kept)


def refuse_in_stream(table_name: str) -> None:
    """Raise OpenedInStreamError if this thread is making batches of a write."""
    if getattr(_PRODUCER, "is_at_work", False):
        raise OpenedInStreamError(
            f"{table_name}: opened by what makes the batches of a write, so that both could wait "
            "for ever; read it before, or write from batch_stream.kept_on_disk"
        )


def _produced(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches; while each one is made this thread may open no Delta table."""
    iterator = iter(batches)
    while True:
        was_at_work = getattr(_PRODUCER, "is_at_work", False)
        _PRODUCER.is_at_work = True
        try:
            batch = next(iterator, None)
        finally:
            _PRODUCER.is_at_work = was_at_work
        if batch is None:
            return
        yield batch


def _taken(handed: Queue[pa.RecordBatch | _End]) -> Iterator[pa.RecordBatch]:
    while not isinstance(item := handed.get(), _End):
        yield item
    if item is _End.BROKEN:
        raise RuntimeError("the producer of these rows failed, so they must not be committed")


def _release(handed: Queue[pa.RecordBatch | _End]) -> None:
    """Let go of a reader that delta-rs has abandoned while it waited: it holds a thread of its."""
    with suppress(Empty):
        handed.get_nowait()
    handed.put_nowait(_End.BROKEN)


def _hand_over(
    item: pa.RecordBatch | _End, handed: Queue[pa.RecordBatch | _End], writer: Future[None]
) -> None:
    """Wait until the writer has room for the item; raises the error of a writer that failed."""
    while not writer.done():
        try:
            handed.put(item, timeout=_LOOK_AT_WRITER_S)
        except Full:
            continue
        return
    writer.result()
