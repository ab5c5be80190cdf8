"""The command of a privacy officer: `evensong erase`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from dags.command.printed_text import print_line, ticked
from dags.command.row_printing import Format, print_rows
from dags.operators.erasure_steps import ERASURE_STEPS
from feature_store import extras
from feature_store.privacy.requests import pending_requests
from feature_store.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_store.settings import Settings

_NO_UTF_8 = "the id is no UTF-8, as every id in a table is; give it in the encoding of the tables"


def erase(
    user: Annotated[
        str | None, typer.Argument(help="The person's id; - reads it from standard input.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="Print the state of this request.")] = None,
    request: Annotated[str | None, typer.Option(help="Continue this unfinished request.")] = None,
    output: Annotated[
        Format, typer.Option("--format", help="How --pending prints the requests.")
    ] = Format.TABLE,
    actor: Annotated[str, typer.Option(help="Who asks for it.")] = "command line",
    *,
    is_listing: Annotated[
        bool, typer.Option("--pending", help="List the unfinished requests.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue all unfinished requests, in one pass.")
    ] = False,
    later: Annotated[
        bool, typer.Option("--later", help="Only record the request; --resume erases it.")
    ] = False,
    even_unknown: Annotated[
        bool, typer.Option("--even-unknown", help="Also an id that no table has yet.")
    ] = False,
) -> None:
    """Erase a person for good from every file, table, model and log, or print requests' states."""
    if sum([user is not None, status is not None, request is not None, is_listing, resume]) != 1:
        raise typer.BadParameter(
            "give one of: a person's id, --status REQUEST, --request REQUEST, --pending, --resume"
        )
    if later and user is None:
        raise typer.BadParameter("--later needs a person's id: it records a request")
    settings = load_settings()
    if status is not None:
        sys.stdout.write(resolve_name("jobs.privacy.erasure:status")(settings, status) + "\n")
        return
    if is_listing:
        print_rows(_pending_rows(settings, datetime.now(UTC)), output)
        return
    extras.require(*extras.NIGHT)  # an erasure that stops in the middle helps nobody
    if resume:
        _run_steps(settings, [each.request_id for each in pending_requests(settings)])
        return
    request_id = request or resolve_name("jobs.privacy.erasure:request_erasure")(
        settings,
        read_user_id(user or ""),
        actor=actor,
        now=datetime.now(UTC),
        even_unknown=even_unknown,
    )
    if later:
        sys.stdout.write(request_id + "\n")
        return
    _run_steps(settings, [request_id])


def _run_steps(settings: Settings, request_ids: Sequence[str]) -> None:
    """Print the requests' ids, then erase them together."""
    for request_id in request_ids:
        sys.stdout.write(request_id + "\n")
    sys.stdout.flush()
    if not request_ids:
        print_line("no request is pending", Console(stderr=True))
        return
    for function in ERASURE_STEPS:
        resolve_name(function)(settings, *request_ids)
    for request_id in request_ids:
        done = ticked(f"request {request_id} is finished; the evidence is in run_erasures")
        print_line(done, Console(stderr=True))


def _pending_rows(settings: Settings, now: datetime) -> list[dict[str, Any]]:
    """What is known of each unfinished request, without the person."""
    return [
        {
            "request_id": each.request_id,
            "requested_at_utc": each.requested_at_utc,
            "hours": round((now - each.requested_at_utc).total_seconds() / 3600, 1),
            "actor": each.actor,
            "event_number": each.event_number,
            "removed": {name: count for name, count in each.removed.items() if count},
        }
        for each in pending_requests(settings)
    ]


def read_user_id(user: str) -> str:
    """Return the id as typed, or for `-` from standard input, so that no shell history keeps it.

    All of a piped input is one id, which may hold line breaks; a newline at its end is not of it.

    Raises:
        typer.BadParameter: the id is no text.
    """
    given = user
    if user == "-":
        given = (sys.stdin.readline() if sys.stdin.isatty() else _piped()).removesuffix("\n")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise typer.BadParameter(_NO_UTF_8) from error
    return given


def _piped() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(_NO_UTF_8) from error
