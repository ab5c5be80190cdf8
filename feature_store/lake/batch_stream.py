"""Hands record batches from the thread that produces them to a writer in another thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from queue import Full, Queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_LOOK_AT_WRITER_S = 0.5
"""How often a producer that waits for the writer looks whether the writer has failed."""


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

    `batches` must not open or write a Delta table: delta-rs waits for the next batch in a thread
    that the other call may need, and both wait for ever (seen once in some hundred runs).

    Raises:
        Exception: what `batches` or `write` raised; `write` fails when `batches` does.
    """
    import pyarrow as pa

    handed: Queue[pa.RecordBatch | _End] = Queue(maxsize=1)
    reader = pa.RecordBatchReader.from_batches(schema, _taken(handed))
    with ThreadPoolExecutor(max_workers=1) as pool:
        writer = pool.submit(write, reader)
        try:
            for batch in batches:
                _hand_over(batch, handed, writer)
        except BaseException:
            if not writer.done():
                _hand_over(_End.BROKEN, handed, writer)
            raise
        _hand_over(_End.COMPLETE, handed, writer)
        writer.result()


def _taken(handed: Queue[pa.RecordBatch | _End]) -> Iterator[pa.RecordBatch]:
    while not isinstance(item := handed.get(), _End):
        yield item
    if item is _End.BROKEN:
        raise RuntimeError("the producer of these rows failed, so they must not be committed")


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
