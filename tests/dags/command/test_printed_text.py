"""Titles, names and reasons of people print as they are and never steer the terminal."""

from __future__ import annotations

import csv
import io
import json
from datetime import date

import polars as pl
import pytest
from rich.console import Console

from dags.command.nights.backfill import PlannedNight, print_plan
from dags.command.nights.summary import _list_table
from dags.command.printed_text import print_line, ticked
from dags.command.row_printing import Format, print_rows
from feature_store.terminal import run_command

HOSTILE = {
    "[/]": "[/]",
    "[red]x[/red]": "[red]x[/red]",
    "=1+1": "=1+1",
    "a\\": "a\\",
    ":smile:": ":smile:",
    "\x1b[2Jx": r"\x1b[2Jx",
    "\x1b]8;;http://x\x07y": r"\x1b]8;;http://x\x07y",
    "a\rb\x08c": r"a\rb\x08c",
    "\x9b31mx": r"\x9b31mx",
    "\u202egnp.exe": r"\u202egnp.exe",
    "a\nb": r"a\nb",
}
every_text = pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=HOSTILE.values())


def printed(print_it):
    out = io.StringIO()
    print_it(Console(file=out, width=200))
    return out.getvalue()


@every_text
def test_cells_of_rows(capsys, text, shown):
    print_rows([{"title": text}], Format.TABLE)

    assert f" {shown} " in capsys.readouterr().out


@every_text
def test_programs_get_the_value_as_it_is(capsys, text, shown):
    """A CSV is no page: what a spreadsheet makes of `=1+1` is for its reader to decide."""
    print_rows([{"title": text}], Format.JSON)
    assert json.loads(capsys.readouterr().out) == [{"title": text}]
    print_rows([{"title": text}], Format.CSV)
    assert list(csv.reader(io.StringIO(capsys.readouterr().out, newline=""))) == [["title"], [text]]


@every_text
def test_the_lists_after_a_night(text, shown):
    row = {"rank": 1, "title": text, "artist_name": text, "tier": "warm", "reason_text": text}
    out = printed(lambda console: console.print(_list_table(pl.DataFrame([row]), text, date(2026, 3, 1))))  # fmt: skip

    assert out.count(shown) == 4


@every_text
def test_the_plan_of_a_backfill(text, shown):
    night = PlannedNight(date(2026, 3, 1), text, "auto", text, None, None, "")

    assert printed(lambda console: print_plan([night], console)).count(shown) == 2


@every_text
def test_ticked_lines(text, shown):
    assert printed(lambda console: print_line(ticked(text), console)) == f"✓ {shown}\n"


@every_text
def test_errors(capsys, monkeypatch, text, shown):
    """An error's message may have lines of its own."""
    monkeypatch.setattr("sys.argv", ["evensong"])

    def fail():
        raise LookupError(f"core_users: no user {text}; check the id")

    with pytest.raises(SystemExit):
        run_command(fail)

    told = capsys.readouterr().err
    assert told == f"error LookupError: core_users: no user {shown}; check the id\n".replace(
        r"a\nb", "a\nb"
    )
