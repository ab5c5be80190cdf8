"""Rows as a person or a program reads them."""

from __future__ import annotations

import csv
import io
import json

import pytest

from dags.command.row_printing import Format, print_rows

ROWS = [
    {"track_id": "a" * 120, "title": "[/] [bold]", "scores": {"b": 0.5}, "reason": None},
    {"track_id": "b", "title": "x,y", "scores": {}, "reason": "é"},
]


@pytest.mark.parametrize("output", list(Format))
def test_every_value_is_printed_whole(output, capsys):
    """A pipe has eighty columns, and a title may look like markup."""
    print_rows(ROWS, output)

    text = capsys.readouterr().out
    if output is Format.JSON:
        assert json.loads(text) == ROWS
    elif output is Format.CSV:
        read = list(csv.DictReader(io.StringIO(text)))
        assert [row["title"] for row in read] == ["[/] [bold]", "x,y"]
        assert [json.loads(row["scores"]) for row in read] == [{"b": 0.5}, {}]
        assert [row["reason"] for row in read] == ["", "é"]
    else:
        assert all(part in text for part in ("a" * 120, "[/] [bold]", '{"b": 0.5}', "é"))
        assert "…" not in text
