"""The command of a privacy officer: `evensong erase`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pkgutil import resolve_name
from typing import Annotated

import typer
from rich.console import Console

from dags.operators.erasure_steps import ERASURE_STEPS
from feature_store import extras
from feature_store.settings import load_settings


def erase(
    user: Annotated[
        str | None, typer.Argument(help="The person's id; - reads it from standard input.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="Print the state of this request.")] = None,
    request: Annotated[str | None, typer.Option(help="Continue this unfinished request.")] = None,
    actor: Annotated[str, typer.Option(help="Who asks for it.")] = "command line",
    *,
    even_unknown: Annotated[
        bool, typer.Option("--even-unknown", help="Also an id that no table has yet.")
    ] = False,
) -> None:
    """Erase a person for good from every file, table, model and log, or print a request's state."""
    if sum(given is not None for given in (user, status, request)) != 1:
        raise typer.BadParameter("give one of: a person's id, --status REQUEST, --request REQUEST")
    settings = load_settings()
    if status is not None:
        sys.stdout.write(resolve_name("jobs.privacy.erasure:status")(settings, status) + "\n")
        return
    extras.require(*extras.NIGHT)  # an erasure that stops in the middle helps nobody
    request_id = request or resolve_name("jobs.privacy.erasure:request_erasure")(
        settings,
        read_user_id(user or ""),
        actor=actor,
        now=datetime.now(UTC),
        even_unknown=even_unknown,
    )
    sys.stdout.write(request_id + "\n")
    sys.stdout.flush()
    for function in ERASURE_STEPS:
        resolve_name(function)(settings, request_id)
    Console(stderr=True).print(
        f"[green]✓[/] request {request_id} is finished; the evidence is in run_erasures",
        highlight=False,
    )


def read_user_id(user: str) -> str:
    """Return the id as typed, or for `-` from standard input, so that no shell history keeps it."""
    return sys.stdin.readline().rstrip("\n") if user == "-" else user
