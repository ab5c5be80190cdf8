"""The command `evensong` in the process of a test."""

from __future__ import annotations

import sys

import pytest

from dags.command import cli


def run_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int | str | None, str, str]:
    """Exit status, output, and errors whose white space is single blanks."""
    monkeypatch.setattr(sys, "argv", ["evensong", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    printed = capsys.readouterr()
    return stopped.value.code, printed.out, " ".join(printed.err.split())
