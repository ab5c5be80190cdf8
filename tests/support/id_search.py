"""Where an id is still to be found: every byte of every file, however it is packed."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pyarrow.parquet as pq


def traces(folder: str | Path, user_id: str) -> list[str]:
    """Files below a folder that hold the id, in their name or unpacked content; sorted."""
    return sorted(
        file.relative_to(folder).as_posix()
        for file in Path(folder).rglob("*")
        if file.is_file() and (user_id in file.name or user_id.encode() in _unpacked(file))
    )


def _unpacked(file: Path) -> bytes:
    """The bytes, and what a Parquet file, a gzip file or an SQLite database says when it is read."""
    content = file.read_bytes()
    if content[:4] == b"PAR1" == content[-4:]:
        parquet = pq.ParquetFile(file)
        content += str(parquet.read().to_pylist()).encode()
        content += str(parquet.metadata.to_dict()).encode()
    if content[:2] == b"\x1f\x8b":
        content += gzip.decompress(content)
    if content[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
            content += "\n".join(database.iterdump()).encode()
    return content
