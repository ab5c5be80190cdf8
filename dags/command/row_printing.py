"""Print rows of tables as a text table, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from dags.command.printed_text import shown

_ANY_WIDTH = 1_000_000


class Format(StrEnum):
    """Output format of rows."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def print_rows(rows: list[dict[str, Any]], output: Format) -> None:
    """Print rows to standard output; the first row gives the column names.

    The table is for people: control characters in it are escaped. JSON and CSV are for programs and
    hold each value as it is, so a title like `=1+1` is a formula to a spreadsheet that trusts it.
    """
    if output is Format.JSON:
        sys.stdout.write(json.dumps(rows, default=str) + "\n")
        return
    columns = list(rows[0]) if rows else []
    if output is Format.CSV:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows([as_cell(value) for value in row.values()] for row in rows)
        return
    table = RichTable(*columns)
    for row in rows:
        table.add_row(*[shown(as_cell(value)) for value in row.values()])
    print_wide(table)


def as_cell(value: object) -> str:
    """A value as one cell: text as it is, lists and mappings as JSON, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def print_wide(table: RichTable) -> None:
    """Print a table without cutting a cell: a terminal can scroll, and a cut name is lost."""
    console = Console()
    unbounded = console.options.update(width=_ANY_WIDTH)
    console.width = max(console.width, console.measure(table, options=unbounded).maximum)
    console.print(table)
