"""The commands `evensong landing list` and `evensong landing withdraw`."""

from __future__ import annotations

from datetime import UTC, datetime
from pkgutil import resolve_name
from typing import Annotated, Any

import typer

from dags.command.printed_text import print_line, ticked
from dags.command.row_printing import Format, print_rows
from feature_store.settings import load_settings

app = typer.Typer(
    help="What arrived on a day, and which files of the landing zone count.", no_args_is_help=True
)

Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="A closed landing day.")]


@app.command(name="list")
def list_files(
    day: Day,
    output: Annotated[
        Format, typer.Option("--format", help="How to print the files.")
    ] = Format.TABLE,
    *,
    trouble: Annotated[
        bool, typer.Option("--trouble", help="Only files that do not count, or stop a job.")
    ] = False,
) -> None:
    """Print the files of a day: listed, withdrawn, changed, gone, or not taken and why."""
    from feature_store.lake.storage import open_storage

    storage = open_storage(load_settings().lake)
    rows: list[dict[str, Any]] = resolve_name("jobs.landing.status:files_of_day")(
        storage, day.date()
    )
    print_rows([row for row in rows if not trouble or row["status"] != "listed"], output)


@app.command()
def withdraw(
    path: Annotated[str, typer.Argument(help="The file, as `evensong landing list` prints it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the manifest.")],
    actor: Annotated[str, typer.Option(help="Who withdraws it.")],
) -> None:
    """Take a file out of its day: one that is gone, changed or wrong stops no night any more."""
    from feature_store.lake.storage import open_storage

    day = resolve_name("jobs.landing.withdrawal:withdraw")(
        open_storage(load_settings().lake), path, reason=reason, actor=actor, now=datetime.now(UTC)
    )
    print_line(
        ticked(
            f"{day}: withdrawn; what nights have read of it goes with `evensong backfill {day} D`, "
            "where D is the newest night: states of people and tracks are carried forward"
        )
    )
