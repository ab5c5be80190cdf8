"""The `evensong` command."""

from __future__ import annotations

import csv
import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as RichTable

from dags.command.privacy import erase, export
from dags.policy.error_hints import with_next_step
from feature_store.settings import Night, load_settings

if TYPE_CHECKING:
    from feature_store.publishing.snapshot import Snapshot

app = typer.Typer(
    name="evensong",
    help="Nightly recommendation tables for a music service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
ERRORS = Console(stderr=True)

Day = Annotated[
    datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day that the night covers.")
]
Json = Annotated[bool, typer.Option("--json", help="End with one JSON object as the last line.")]


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def main() -> None:
    """Run the command; an error is one message and exit status 1, with --debug a traceback."""
    debug = "--debug" in sys.argv
    if debug:
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except Exception as error:
        if debug:
            raise
        ERRORS.print(f"[bold red]error[/] {type(error).__name__}: ", end="", highlight=False)
        ERRORS.print(with_next_step(str(error)), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


@app.callback()
def _options() -> None:
    """Nightly recommendation tables for a music service. Any command takes --debug."""


@app.command()
def demo(
    tracks: Annotated[int, typer.Option(help="Tracks in the catalogue on the last day.")] = 245,
    users: Annotated[int, typer.Option(help="People registered on the last day.")] = 205,
    days: Annotated[int, typer.Option(help="Days of listening.")] = 45,
    nights: Annotated[
        int, typer.Option(min=1, help="Nights to run: the next ones see new days.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Of the sample world.")] = 11,
    *,
    as_json: Json = False,
) -> None:
    """Make a sample world, run one real night over it, and show what came out."""
    from dags.command.demo_world import demo_days, land_demo_world

    console = Console(stderr=as_json)
    world = {"tracks": tracks, "users": users, "days": days, "seed": seed}
    for day in demo_days(world, nights):
        land_demo_world(load_settings(), world, day, console)
        _night(day, {"publish": "auto", "retrain": "auto"}, console, as_json=as_json)


@app.command()
def night(
    as_of: Day,
    publish: Annotated[str, typer.Option(help="auto, stage_only or make_current.")] = "auto",
    retrain: Annotated[str, typer.Option(help="auto, always or never.")] = "auto",
    *,
    as_json: Json = False,
) -> None:
    """Run the night of one date over what has landed."""
    from dags.command.backfill import refuse_unfinished

    _one_of("--publish", publish, ("auto", "stage_only", "make_current"))
    _one_of("--retrain", retrain, ("auto", "always", "never"))
    refuse_unfinished(as_of.date(), datetime.now(UTC))
    conf = {"publish": publish, "retrain": retrain}
    _night(as_of.date(), conf, Console(stderr=as_json), as_json=as_json)


@app.command()
def backfill(
    first: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="First date.")],
    last: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Last date.")],
    publish: Annotated[
        str, typer.Option(help="auto, stage_only or make_current (switches once, at the last).")
    ] = "auto",
    retrain: Annotated[str, typer.Option(help="auto, always or never.")] = "auto",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan.")] = False,
    as_json: Json = False,
) -> None:
    """Run the nights of past dates again, in order; readers move only when asked to."""
    from dags.command.backfill import planned
    from dags.command.backfill import show as show_plan

    _one_of("--publish", publish, ("auto", "stage_only", "make_current"))
    _one_of("--retrain", retrain, ("auto", "always", "never"))
    console = Console(stderr=as_json)
    plan = planned(load_settings(), first.date(), last.date(), publish, datetime.now(UTC))
    show_plan(plan, console)
    if dry_run:
        if as_json:
            sys.stdout.write(json.dumps([night.as_json() for night in plan]) + "\n")
        return
    for night in plan:
        conf = {"publish": night.publish, "retrain": retrain}
        _night(night.as_of, conf, console, as_json=as_json)


@app.command()
def ingest(
    source: Annotated[str, typer.Argument(help="sample-world, music-folder or hetrec.")],
    path: Annotated[
        Path, typer.Argument(help="Folder to read; for sample-world a TOML of options.")
    ],
    arrival_date: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="Landing day to write.")
    ],
) -> None:
    """Write landing files from an outside source."""
    from feature_store.lake.storage import open_storage

    sources = resolve_name("jobs.sources.registry:SOURCES")
    _one_of("SOURCE", source, tuple(sources))
    landed = sources[source](path, open_storage(load_settings().lake), arrival_date.date())
    for kind, count in landed.counts.items():
        Console().print(f"  {kind:<16} {count:>10,}", highlight=False)


@app.command()
def read(
    table: Annotated[str, typer.Argument(help="A published table, for example rec_topk.")],
    output: Annotated[
        Format, typer.Option("--format", help="How to print the rows.")
    ] = Format.TABLE,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 20,
    user: Annotated[str | None, typer.Option(help="Only this person's rows.")] = None,
) -> None:
    """Print rows of a published table as readers see it now."""
    import pyarrow.compute as pc

    from feature_store.publishing.snapshot import open_snapshot

    snapshot = open_snapshot()
    rows = snapshot.read(table)
    if user is not None:
        if "user_id" not in rows.column_names:
            raise typer.BadParameter(f"{table} has no user_id", param_hint="--user")
        theirs = rows.filter(pc.equal(rows["user_id"], user))
        if not theirs.num_rows and not _is_known(snapshot, user):
            raise LookupError(
                f"{table}: nobody is called {user!r} in the run of {snapshot.as_of}; check the id; "
                "ids are as in core_users"
            )
        rows = theirs
    _print_dicts(rows.slice(0, limit).to_pylist(), output)


@app.command()
def published(
    output: Annotated[
        Format, typer.Option("--format", help="How to print the events.")
    ] = Format.TABLE,
) -> None:
    """Print the publication events; the current one is marked."""
    from feature_store.publishing.snapshot import current_event, events

    so_far = events(load_settings().lake)
    current = current_event(so_far)
    whole = [asdict(event) | {"is_current": event == current} for event in so_far]
    _print_dicts(whole if output is Format.JSON else [_short(event) for event in whole], output)


@app.command()
def rollback(
    run: Annotated[str, typer.Argument(help="The published run to return to; see `published`.")],
    reason: Annotated[str | None, typer.Option(help="Why, for those who read the events.")] = None,
    actor: Annotated[str, typer.Option(help="Who asks for it.")] = "command line",
) -> None:
    """Show readers an earlier published run again."""
    from feature_store.publishing.publish import rollback as restore

    event = restore(load_settings().lake, run, actor=actor, reason=reason, now=datetime.now(UTC))
    Console().print(
        f"[green]✓[/] event {event.event_number}: readers see run {event.run_id} "
        f"for {event.as_of} again",
        highlight=False,
    )


@app.command()
def publish(
    run: Annotated[str, typer.Argument(help="The staged run; see `published`.")],
    reason: Annotated[str | None, typer.Option(help="Why, for those who read the events.")] = None,
    actor: Annotated[str, typer.Option(help="Who asks for it.")] = "command line",
) -> None:
    """Show readers a run that was only staged."""
    from feature_store.publishing.manual_publication import publish_by_hand

    event = publish_by_hand(
        load_settings().lake, run, actor=actor, reason=reason, now=datetime.now(UTC)
    )
    Console().print(
        f"[green]✓[/] event {event.event_number}: readers see run {event.run_id} for {event.as_of}",
        highlight=False,
    )


@app.command()
def waive(
    run: Annotated[str, typer.Argument(help="The blocked run; see `published`.")],
    rule: Annotated[str, typer.Argument(help="The population rule that blocks it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the publication.")],
    actor: Annotated[str, typer.Option(help="Who lets it through.")],
) -> None:
    """Let one population rule through for one blocked run; then `publish` it."""
    from feature_store.publishing.waivers import waive as let_through

    gate = let_through(
        load_settings().lake, run, rule, actor=actor, reason=reason, now=datetime.now(UTC)
    )
    Console().print(
        f"[green]✓[/] {gate}: waived for run {run} by {actor}; now `evensong publish {run}`",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="A run; without it the current one.")] = None,
) -> None:
    """Write a run's page again and print where it is."""
    from feature_store.publishing.snapshot import NothingPublished, events, open_snapshot

    settings = load_settings()
    known = events(settings.lake)
    wanted = run or open_snapshot(settings.lake).run_id
    found = [event for event in known if event.run_id == wanted]
    if not found:
        raise NothingPublished(
            f"published_runs: no run is called {wanted!r}; see `evensong published`"
        )
    path = resolve_name("jobs.report.report:write_report")(
        Night(found[-1].as_of, wanted, settings), now=datetime.now(UTC)
    )
    sys.stdout.write(_uri(settings.lake, path) + "\n")


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8080,
    *,
    one_java: Annotated[
        bool,
        typer.Option("--one-java/--java-per-task", help="Whether tasks share a Java kept warm."),
    ] = True,
) -> None:
    """Run Airflow on this machine until Ctrl-C: pages, scheduler and tasks."""
    from dags.command.server import up as run_airflow

    run_airflow(load_settings(), port, Console(), has_one_java=one_java)


@app.command()
def doctor() -> None:
    """Check what a night needs on this machine, and say what to change."""
    from dags.command.doctor import checks

    results = list(checks(load_settings()))
    console = Console()
    for check in results:
        mark = "[green]✓[/]" if check.is_fine else "[red]✗[/]"
        console.print(f"{mark} {check.what:<12} {check.found}", highlight=False, soft_wrap=True)
        if not check.is_fine:
            console.print(f"  → {check.next_step}", highlight=False, soft_wrap=True)
    if not all(check.is_fine for check in results):
        raise typer.Exit(1)


app.command()(erase)
app.command()(export)

_COLUMN_CHARACTERS = 18
_LONG_FIELDS = {"gates", "inputs", "tables", "model_versions", "code_version", "contract_version"}


def _is_known(snapshot: Snapshot, user: str) -> bool:
    """Whether the service knew the person on the snapshot's day."""
    from feature_store.lake.arrow_io import read_table
    from feature_store.tables.core import CORE_USERS

    known = read_table(snapshot.lake, CORE_USERS, as_of=snapshot.as_of, columns=["user_id"])
    return user in known["user_id"].to_pylist()


def _night(as_of: date, conf: dict[str, str], console: Console, *, as_json: bool) -> None:
    from dags.command.local_airflow import prepare, run_night

    settings = load_settings()
    prepare(settings)
    from dags.command.progress import NightProgress
    from dags.command.summary import show, summary_of

    console.print(f"[bold]Night of {as_of}[/] into {settings.lake}", highlight=False)
    with NightProgress(console) as progress:
        run = run_night(as_of, conf, progress)
    summary = summary_of(Night(as_of, run.run_id, settings), _uri(settings.lake, run.report))
    show(summary, console)
    console.print(f"[bold]report[/] {summary.report}", highlight=False, soft_wrap=True)
    if as_json:
        sys.stdout.write(json.dumps(summary.as_json()) + "\n")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise typer.BadParameter(f"{value!r}; use {', '.join(allowed)}", param_hint=name)


def _short(event: dict[str, Any]) -> dict[str, Any]:
    """What of an event fits a line: tables as their row counts, the current one marked first."""
    shown = {key: value for key, value in event.items() if key not in _LONG_FIELDS}
    tables = {pin["table_name"]: pin["row_count"] for pin in event["tables"]}
    return {"is_current": shown.pop("is_current"), **shown, "tables": tables}


def _print_dicts(rows: list[dict[str, Any]], output: Format) -> None:
    if output is Format.JSON:
        sys.stdout.write(json.dumps(rows, default=str) + "\n")
        return
    headings = list(rows[0]) if rows else []
    if output is Format.CSV:
        writer = csv.DictWriter(sys.stdout, headings)
        writer.writeheader()
        writer.writerows(rows)
        return
    table = RichTable(*headings)
    for row in rows:
        table.add_row(*["" if value is None else str(value) for value in row.values()])
    # Fourteen columns squeezed into eighty characters say nothing; a wide line can be scrolled.
    console = Console()
    console.width = max(console.width, _COLUMN_CHARACTERS * len(headings))
    console.print(table)


def _uri(lake: str, path: str) -> str:
    from feature_store.lake.storage import open_storage

    return open_storage(lake).uri(path)
