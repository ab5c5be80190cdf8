"""The commands `evensong export person` and `evensong export graph`."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated

import typer

from dags.command.paths import given_path
from dags.command.printed_text import print_line, ticked
from dags.command.privacy import read_user_id
from feature_store.lake.private_files import make_private
from feature_store.settings import load_settings

app = typer.Typer(
    help="Write everything about a person, or a night's graph for ML libraries.",
    no_args_is_help=True,
)


class Library(StrEnum):
    """Library that is to read a graph."""

    PYG = "pyg"
    DGL = "dgl"


@app.command()
def person(
    user: Annotated[str, typer.Argument(help="The person's id; - reads it from standard input.")],
    output: Annotated[
        Path | None,
        typer.Option(
            parser=given_path,
            metavar="PATH",
            help="A file that only you can read; else standard output.",
        ),
    ] = None,
) -> None:
    """Print everything that is stored about a person, as JSON with a section for each table."""
    sections = resolve_name("jobs.privacy.export:export")(load_settings(), read_user_id(user))
    text = json.dumps(sections, default=str, ensure_ascii=False, indent=1) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    # In place, and not by a rename: the path may be a link or a device such as /dev/stdout.
    if not (output.is_fifo() or output.is_char_device()):
        make_private(output)
    output.write_text(text, encoding="utf-8")


@app.command()
def graph(
    output: Annotated[
        Path,
        typer.Option(
            parser=given_path, metavar="PATH", help="File to write; only you can read it."
        ),
    ],
    library: Annotated[
        Library, typer.Option("--format", help="PyG's HeteroData or DGL's heterograph.")
    ] = Library.PYG,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day of the night; else the published one."),
    ] = None,
) -> None:
    """Write a night's graph, as its newest run left it, with content of tracks and ids of nodes.

    An erasure does not reach these files: delete them when a person is erased.
    """
    from feature_store.publishing.snapshot import open_snapshot

    settings = load_settings()
    day = as_of.date() if as_of else open_snapshot(settings.lake).as_of
    written = resolve_name("training.data.graph_export:export_graph")(
        settings, day, library.value, output
    )
    for kind, count in (written.nodes | written.edges).items():
        print_line(f"  {kind:<24} {count:>12,}")
    print_line(
        ticked(f"graph of {day}: {written.graph_file}; ids of its nodes: {written.nodes_file}")
    )
