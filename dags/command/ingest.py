"""`evensong ingest`: writes landing files from an outside source, and says what became of it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import typer
from rich.console import Console

from dags.command.paths import given_path
from feature_store.as_of import newest_as_of
from feature_store.settings import load_settings

REMARKS_SHOWN = 10

_FILE_KINDS = frozenset({"audio", "covers"})


def ingest(
    source: Annotated[str, typer.Argument(help="sample-world, music-folder, hetrec or emobank.")],
    path: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="PATH",
            help="Folder to read; for sample-world a TOML of options.",
        ),
    ],
    arrival_date: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Landing day to write; else yesterday (UTC)."),
    ] = None,
    *,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="End with one JSON object as the last line: every file named."),
    ] = False,
) -> None:
    """Write landing files from an outside source."""
    from feature_store.lake.storage import open_storage

    sources = resolve_name("jobs.sources.registry:SOURCES")
    if source not in sources:
        raise typer.BadParameter(f"{source!r}; use {', '.join(sources)}", param_hint="SOURCE")
    # Yesterday is the last day that is over, so its night can run at once.
    now = datetime.now(UTC)
    day = (arrival_date or now - timedelta(days=1)).date()
    settings, latest = load_settings(), newest_as_of(now)
    if not settings.landing.earliest_date <= day <= latest:
        raise typer.BadParameter(
            f"{day} is not between landing.earliest_date = {settings.landing.earliest_date} and "
            f"tomorrow, {latest}: no night would take it; correct the day",
            param_hint="--arrival-date",
        )
    storage = open_storage(settings.lake)
    result = sources[source](path, storage, day)
    console = Console(stderr=as_json, soft_wrap=True, highlight=False, markup=False)
    console.print(f"Landed for {day} in {storage.uri('landing')}")
    print_result(result, day, console)
    if as_json:
        sys.stdout.write(json.dumps(result.as_json()) + "\n")


def print_result(result: Any, day: date, console: Console) -> None:
    """Counts, the first of the files that were left out or are odd, and the next command.

    Args:
        result: an IngestResult; this package imports no job.
        day: the landing day of the ingest.
        console: where to print.
    """
    for kind, count in result.counts.items():
        known = result.already_landed.get(kind, 0)
        there = f"  ({known:,} more had landed before)" if known else ""
        unit = "files" if kind in _FILE_KINDS else "rows"
        console.print(f"  {kind:<16} {count:>10,} {unit}{there}")
    _print_remarks("not taken", result.not_taken, console)
    _print_remarks("taken, with a remark", result.remarks, console)
    if not any(result.counts.values()):
        console.print("nothing new: everything had landed before")
    for late_day in result.late_days:
        console.print(
            f"{late_day} is closed: what landed for it now counts for the next night, "
            f"the one of {result.first_open_day}"
        )
    as_of = result.first_open_day if result.late_days else day
    console.print(f"next: evensong night --as-of {as_of}")


def _print_remarks(title: str, remarks: tuple[Any, ...], console: Console) -> None:
    if not remarks:
        return
    console.print(f"{title}: {len(remarks):,}")
    for remark in remarks[:REMARKS_SHOWN]:
        console.print(f"  {remark.path}: {remark.reason}")
    if len(remarks) > REMARKS_SHOWN:
        console.print(f"  and {len(remarks) - REMARKS_SHOWN:,} more; --json names all")
