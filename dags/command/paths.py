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


def given_output(text: str) -> Path:
    """The file to write that the command line names; asked before the work, not after it.

    Raises:
        typer.BadParameter: the text is empty, it names a folder, or its folder is not there.
    """
    path = given_path(text)
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"{path}: there is no folder {path.parent}; make it first")
    return path
