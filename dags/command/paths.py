"""Paths on the command line."""

from __future__ import annotations

from pathlib import Path

import typer


def given_path(text: str) -> Path:
    """The path that the command line names.

    An unset variable of the shell is an empty text, which Path takes for the current folder.

    Raises:
        typer.BadParameter: the text is empty.
    """
    if not text.strip():
        raise typer.BadParameter("is empty: is a variable unset? Write . for the current folder")
    return Path(text)
