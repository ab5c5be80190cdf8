"""The program of the process that reads a landing file first: it may die of it.

    python -m jobs.landing.parquet_check MEMORY_MIB MAX_CPU_S

See jobs/decoding/serving.py for what it reads and answers; the content is the path of a file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.decoding.serving import serve
from jobs.landing.parquet_file import CHECK, UnreadableFile, decoded


def check(path: bytes) -> NDArray[np.uint8]:
    """Read a file to its end; nothing is returned.

    Raises:
        ContentFailure: its bytes cannot be read.
        StorageError: because of the disk.
    """
    try:
        for _ in decoded(Path(os.fsdecode(path))):
            pass
    except UnreadableFile as error:
        raise ContentFailure(FailureReason.UNREADABLE, str(error)) from error
    return np.empty(0, np.uint8)


def warm_up() -> None:
    """Read once, as Arrow reserves address space with its first file, a gigabyte on some machines.

    Counted as what a landing file took, it would end the process after each one.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": ["x"]}), sink)
    with NamedTemporaryFile(suffix=".parquet") as file:
        file.write(sink.getvalue())
        file.flush()
        check(os.fsencode(file.name))


if __name__ == "__main__":
    warm_up()
    serve({CHECK: check}, int(sys.argv[1]), float(sys.argv[2]))
