"""The commands about publication: published, rollback, publish, waive and report."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pkgutil import resolve_name
from typing import Annotated, Any

import typer

from dags.command.printed_text import print_line, ticked
from dags.command.row_printing import Format, print_rows
from feature_store.settings import Night, load_settings

_LONG_FIELDS = {"gates", "inputs", "tables", "model_versions", "code_version", "contract_version"}

Reason = Annotated[str | None, typer.Option(help="Why, for those who read the events.")]
Actor = Annotated[str, typer.Option(help="Who asks for it.")]


def published(
    output: Annotated[
        Format, typer.Option("--format", help="How to print the events.")
    ] = Format.TABLE,
) -> None:
    """Print the publication events; the current one is marked."""
    from feature_store.publishing.snapshot import current_event, events

    all_events = events(load_settings().lake)
    current = current_event(all_events)
    rows = [asdict(event) | {"is_current": event == current} for event in all_events]
    print_rows(rows if output is Format.JSON else [_shortened(row) for row in rows], output)


def rollback(
    run: Annotated[str, typer.Argument(help="The published run to return to; see `published`.")],
    reason: Reason = None,
    actor: Actor = "command line",
) -> None:
    """Show readers an earlier published run again."""
    from feature_store.publishing.publish import rollback as make_current_again

    event = make_current_again(
        load_settings().lake, run, actor=actor, reason=reason, now=datetime.now(UTC)
    )
    print_line(
        ticked(
            f"event {event.event_number}: readers see run {event.run_id} for {event.as_of} again"
        )
    )


def publish(
    run: Annotated[str, typer.Argument(help="The staged run; see `published`.")],
    reason: Reason = None,
    actor: Actor = "command line",
) -> None:
    """Show readers a run that was only staged."""
    from feature_store.publishing.manual_publication import publish_staged_run

    event = publish_staged_run(
        load_settings().lake, run, actor=actor, reason=reason, now=datetime.now(UTC)
    )
    print_line(
        ticked(f"event {event.event_number}: readers see run {event.run_id} for {event.as_of}")
    )


def waive(
    run: Annotated[str, typer.Argument(help="The blocked run; see `published`.")],
    rule: Annotated[str, typer.Argument(help="The population rule that blocks it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the publication.")],
    actor: Annotated[str, typer.Option(help="Who waives the rule.")],
) -> None:
    """Waive one population rule for one blocked run; then `publish` it."""
    from feature_store.publishing.waivers import waive as waive_rule

    gate = waive_rule(
        load_settings().lake, run, rule, actor=actor, reason=reason, now=datetime.now(UTC)
    )
    print_line(ticked(f"{gate}: waived for run {run} by {actor}; now `evensong publish {run}`"))


def report(
    run: Annotated[str | None, typer.Argument(help="A run; without it the current one.")] = None,
) -> None:
    """Write a run's page again and print where it is."""
    from feature_store.lake.storage import open_storage
    from feature_store.publishing.snapshot import NothingPublished, events, open_snapshot

    settings = load_settings()
    all_events = events(settings.lake)
    run_id = run or open_snapshot(settings.lake).run_id
    events_of_run = [event for event in all_events if event.run_id == run_id]
    if not events_of_run:
        raise NothingPublished(
            f"published_runs: no run is called {run_id!r}; see `evensong published`"
        )
    path = resolve_name("jobs.report.report:write_report")(
        Night(events_of_run[-1].as_of, run_id, settings), now=datetime.now(UTC)
    )
    sys.stdout.write(open_storage(settings.lake).uri(path) + "\n")


def _shortened(event: dict[str, Any]) -> dict[str, Any]:
    """Fields of an event that fit a line; is_current comes first, and tables are row counts."""
    shown = {key: value for key, value in event.items() if key not in _LONG_FIELDS}
    row_counts = {pin["table_name"]: pin["row_count"] for pin in event["tables"]}
    return {"is_current": shown.pop("is_current"), **shown, "tables": row_counts}
