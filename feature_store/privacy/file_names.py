"""Which part of a file's name can hold a person's id.

Our programs name most files without asking for anybody: `part-0.parquet` is no file of a person
called `part`, nor of one called `parquet`. Renamed, such a file would be another one to its writer.
"""

from __future__ import annotations

import re

_ENDING = re.compile(
    r"(?:\.(?:parquet|csv|tsv|json|jsonl|html|txt|log|db|gz|bz2|xz|validation)(?:\.\d+)?)+"
    r"(?:_\d{4})?$"
)
_OWN_NAME = re.compile(
    # of jobs/sources; later parts have a number
    r"(?:part-\d+|hetrec|emobank|music-folder)(?:_\d{4})?"
    r"|part-\d+-[0-9a-f-]{36}(?:[.-]c\d+)?(?:\.snappy|\.zstd)?"  # of Spark
    r"|(?:manual|scheduled|backfill|asset_triggered)__[\dT:.+%-]+(?:_\w{8})?"  # runs of Airflow
    r"|attempt=\d+|spark|airflow|events|unsent|_SUCCESS"
)


def nameable_part_and_ending(name: str) -> tuple[str, str]:
    """The part of a file's name that may hold an id, and its ending; no part for names of ours."""
    found = _ENDING.search(name)
    start = found.start() if found and found.start() else len(name)
    stem, ending = name[:start], name[start:]
    return ("", name) if _OWN_NAME.fullmatch(stem) else (stem, ending)
