"""The `evensong` command."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, date, datetime
from importlib.metadata import version
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dags.command import exports, landing
from dags.command.ingest import ingest
from dags.command.models import demote, models, promote
from dags.command.mood import mood
from dags.command.printed_text import print_line, shown, ticked
from dags.command.privacy import erase
from dags.command.publication import publish, published, report, rollback, waive
from dags.command.row_printing import Format, print_rows
from dags.command.search import find, similar
from dags.command.settings_table import settings
from dags.policy.error_hints import with_hint
from feature_store import extras
from feature_store.settings import Night, config_file, load_settings
from feature_store.terminal import DEBUG, run_command

if TYPE_CHECKING:
    from feature_store.publishing.snapshot import Snapshot

app = typer.Typer(
    name="evensong",
    help="Nightly recommendation tables for a music service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
RECIPE_REMARKS = "training.recipe_changes:recipe_remarks"
WARM_SPARK = "feature_store.spark.session:warm_spark"

Day = Annotated[
    datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day that the night covers.")
]
Json = Annotated[bool, typer.Option("--json", help="End with one JSON object as the last line.")]


def main() -> None:
    """Run the command; an error prints one message, or with --debug a traceback; exit status 1."""
    if DEBUG in sys.argv:
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    run_command(app, with_hint=with_hint)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        sys.stdout.write(f"evensong {version('evensong')}\n")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option(DEBUG, help="Print the traceback of an error; any command takes it.")
    ] = False,
) -> None:
    """Nightly recommendation tables for a music service."""


@app.command()
def demo(
    tracks: Annotated[int, typer.Option(help="Tracks in the catalogue on the last day.")] = 245,
    users: Annotated[int, typer.Option(help="Listeners registered on the last day.")] = 205,
    days: Annotated[int, typer.Option(help="Days of listening.")] = 45,
    nights: Annotated[
        int, typer.Option(min=1, help="Nights to run; each later one adds a day.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the sample world.")] = 11,
    *,
    as_json: Json = False,
) -> None:
    """Make a sample world, run one real night over it, and show what came out."""
    from dags.command.nights.demo_world import demo_days, land_demo_world

    extras.require(*extras.NIGHT)
    console = Console(stderr=as_json)
    world = {"tracks": tracks, "users": users, "days": days, "seed": seed}
    resolve_name(WARM_SPARK)(load_settings())
    for day in demo_days(world, nights):
        land_demo_world(load_settings(), world, day, console)
        _run_night(day, {"publish": "auto", "retrain": "auto"}, console, as_json=as_json)


@app.command()
def night(
    as_of: Day,
    publish: Annotated[str, typer.Option(help="auto, stage_only or make_current.")] = "auto",
    retrain: Annotated[str, typer.Option(help="auto, always or never.")] = "auto",
    *,
    as_json: Json = False,
) -> None:
    """Run the night of one date over what has landed."""
    from dags.command.nights.backfill import check_day_is_over

    _check_choice("--publish", publish, ("auto", "stage_only", "make_current"))
    _check_choice("--retrain", retrain, ("auto", "always", "never"))
    check_day_is_over(as_of.date(), datetime.now(UTC))
    extras.require(*extras.NIGHT)
    conf = {"publish": publish, "retrain": retrain}
    _run_night(as_of.date(), conf, Console(stderr=as_json), as_json=as_json)


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
    """Run the nights of past dates again, in order; with publish = auto readers keep newer days."""
    from dags.command.nights.backfill import plan_backfill, print_plan

    _check_choice("--publish", publish, ("auto", "stage_only", "make_current"))
    _check_choice("--retrain", retrain, ("auto", "always", "never"))
    console = Console(stderr=as_json)
    plan = plan_backfill(load_settings(), first.date(), last.date(), publish, datetime.now(UTC))
    print_plan(plan, console)
    if dry_run:
        if as_json:
            sys.stdout.write(json.dumps([night.as_json() for night in plan]) + "\n")
        return
    extras.require(*extras.NIGHT)
    for night in plan:
        conf = {"publish": night.publish, "retrain": retrain}
        _run_night(night.as_of, conf, console, as_json=as_json)


app.command()(ingest)


@app.command()
def read(
    table: Annotated[str, typer.Argument(help="A published table, for example rec_topk.")],
    output: Annotated[
        Format, typer.Option("--format", help="How to print the rows.")
    ] = Format.TABLE,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 20,
    user: Annotated[str | None, typer.Option(help="Only rows of this user id.")] = None,
    track: Annotated[str | None, typer.Option(help="Only rows of this track id.")] = None,
) -> None:
    """Print rows of a published table as readers see it now."""
    import pyarrow.compute as pc

    from feature_store.publishing.snapshot import open_snapshot

    snapshot = open_snapshot()
    rows = snapshot.read(table)
    if user is not None:
        if "user_id" not in rows.column_names:
            raise typer.BadParameter(f"{table} has no user_id", param_hint="--user")
        rows = rows.filter(pc.equal(rows["user_id"], user))
        if not rows.num_rows:
            _check_known(snapshot, table, "user", user)
    if track is not None:
        rows = rows.filter(pc.equal(rows["track_id"], track))  # every published table has tracks
        if not rows.num_rows:
            _check_known(snapshot, table, "track", track)
    print_rows(rows.slice(0, limit).to_pylist(), output)


for command in (
    ingest,
    published,
    rollback,
    publish,
    waive,
    report,
    models,
    promote,
    demote,
    similar,
    find,
    mood,
    settings,
):
    app.command()(command)


@app.command()
def up(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8080,
    *,
    one_java: Annotated[
        bool,
        typer.Option("--one-java/--java-per-task", help="Whether all tasks share one Java."),
    ] = True,
) -> None:
    """Run Airflow on this machine until Ctrl-C: pages, scheduler and tasks."""
    extras.require(*extras.NIGHT)
    from dags.command.server.server import run_server

    run_server(load_settings(), port, Console(), is_java_shared=one_java)


@app.command()
def doctor() -> None:
    """Check what a night needs on this machine, and say what to change."""
    from dags.command.doctor import run_checks

    results = list(run_checks(load_settings()))
    for check in results:
        print_line(ticked(f"{check.name:<20} {check.found}", is_passed=check.is_passed))
        if not check.is_passed:
            print_line(f"  → {check.next_step}")
    if not all(check.is_passed for check in results):
        raise typer.Exit(1)


app.command()(erase)
app.add_typer(exports.app, name="export")
app.add_typer(landing.app, name="landing")


def _check_known(snapshot: Snapshot, table: str, kind: str, name: str) -> None:
    """Refuse the id of a user or a track that the core table lacks on the snapshot's day.

    Raises:
        LookupError: it lacks the id, so `table` is not merely without a row of it.
    """
    from feature_store.lake.arrow_io import read_table
    from feature_store.tables.core import CORE_TRACKS, CORE_USERS

    column, core = f"{kind}_id", {"user": CORE_USERS, "track": CORE_TRACKS}[kind]
    known = read_table(snapshot.lake, core, as_of=snapshot.as_of, columns=[column])
    if name not in known[column].to_pylist():
        raise LookupError(
            f"{table}: no {kind} is called {name!r} in the run of {snapshot.as_of}; check the id; "
            f"ids are as in {core.name}"
        )


def _run_night(as_of: date, conf: dict[str, str], console: Console, *, as_json: bool) -> None:
    from dags.command.nights.local_airflow import prepare, run_night

    settings = load_settings()
    resolve_name(WARM_SPARK)(settings)
    prepare(settings)
    from dags.command.nights.progress import NightProgress
    from dags.command.nights.summary import print_summary, summarise_night
    from feature_store.lake.storage import open_storage

    console.print(shown(f"Night of {as_of}", "bold"), shown(f"into {settings.lake}"))
    print_line(f"settings file: {config_file() or 'none'}", console)
    with NightProgress(console) as progress:
        run = run_night(as_of, conf, progress)
    report_uri = open_storage(settings.lake).uri(run.report)
    summary = summarise_night(Night(as_of, run.run_id, settings), report_uri)
    print_summary(summary, console)
    for remark in resolve_name(RECIPE_REMARKS)(summary.night):
        print_line(remark, console)
    console.print(shown("report", "bold"), shown(summary.report), soft_wrap=True)
    if as_json:
        sys.stdout.write(json.dumps(summary.as_json()) + "\n")


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise typer.BadParameter(f"{value!r}; use {', '.join(allowed)}", param_hint=name)
