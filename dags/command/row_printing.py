"""Print rows of tables as a text table, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

_COLUMN_CHARACTERS = 18


class Format(StrEnum):
    """Output format of rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def print_rows(rows: list[dict[str, Any]], output: Format) -> None:
    """Print rows to standard output; the first row gives the column names."""
    if output is Format.JSON:
        sys.stdout.write(json.dumps(rows, default=str) + "\n")
        return
    columns = list(rows[0]) if rows else []
    if output is Format.CSV:
        writer = csv.DictWriter(sys.stdout, columns)
        writer.writeheader()
        writer.writerows(rows)
        return
    table = RichTable(*columns)
    for row in rows:
        table.add_row(*["" if value is None else str(value) for value in row.values()])
    # Fourteen columns in eighty characters are unreadable; a terminal can scroll a wide line.
    console = Console()
    console.width = max(console.width, _COLUMN_CHARACTERS * len(columns))
    console.print(table)
