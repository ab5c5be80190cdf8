"""Searches every file below a folder for an id, also inside compressed and binary formats."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pyarrow.parquet as pq


def files_containing_id(folder: str | Path, user_id: str) -> list[str]:
    """Files below a folder whose name or decoded content contains the id; sorted."""
    return sorted(
        file.relative_to(folder).as_posix()
        for file in Path(folder).rglob("*")
        if file.is_file() and (user_id in file.name or user_id.encode() in _decoded(file))
    )


def _decoded(file: Path) -> bytes:
    """The file's bytes, and the decoded content of a Parquet, gzip or SQLite file."""
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
