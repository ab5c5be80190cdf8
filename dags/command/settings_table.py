"""The command `evensong settings`: every setting, its value, and where the value comes from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as RichTable

from dags.command.printed_text import print_line, shown
from dags.command.row_printing import Format, as_cell, print_rows, print_wide
from feature_store.effective_settings import DEFAULT, effective_settings
from feature_store.settings import config_file


def settings(
    output: Annotated[
        Format, typer.Option("--format", help="How to print the settings.")
    ] = Format.TABLE,
    *,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only settings that a file or a variable sets.")
    ] = False,
) -> None:
    """Print every setting with its value and the file or variable that sets it."""
    found = [one for one in effective_settings() if not changed or one.origin != DEFAULT]
    if output is not Format.TABLE:
        print_rows([asdict(one) for one in found], output)
        return
    console = Console()
    print_line(f"file: {config_file() or 'none'}", console)
    if not found:
        console.print("every setting has its default")
        return
    table = RichTable("setting", "value", "set by")
    for one in found:
        style = "dim" if one.origin == DEFAULT else ""
        table.add_row(one.name, shown(as_cell(one.value)), shown(one.origin), style=style)
    print_wide(table)
