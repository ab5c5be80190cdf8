"""`evensong erase` and `evensong export`: what a privacy officer types."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated

import typer
from rich.console import Console

from dags.operators.erasure_steps import STEPS
from feature_store.settings import load_settings

_PRIVATE = 0o600

User = Annotated[str, typer.Argument(help="The person's id; - reads it from standard input.")]


def erase(
    user: Annotated[
        str | None, typer.Argument(help="The person's id; - reads it from standard input.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="Say how far this request is.")] = None,
    request: Annotated[str | None, typer.Option(help="Go on with this unfinished request.")] = None,
    actor: Annotated[str, typer.Option(help="Who asks for it.")] = "command line",
    *,
    even_unknown: Annotated[
        bool, typer.Option("--even-unknown", help="Also a person whom nothing names yet.")
    ] = False,
) -> None:
    """Erase a person for good, from every file, table, model and log; or say how far that is."""
    if sum(given is not None for given in (user, status, request)) != 1:
        raise typer.BadParameter("give one of: a person's id, --status REQUEST, --request REQUEST")
    settings = load_settings()
    if status is not None:
        sys.stdout.write(resolve_name("jobs.privacy.erasure:status")(settings, status) + "\n")
        return
    request_id = request or resolve_name("jobs.privacy.erasure:request_erasure")(
        settings,
        _given(user or ""),
        actor=actor,
        now=datetime.now(UTC),
        even_unknown=even_unknown,
    )
    sys.stdout.write(request_id + "\n")
    sys.stdout.flush()
    for function in STEPS:
        resolve_name(function)(settings, request_id)
    Console(stderr=True).print(
        f"[green]✓[/] request {request_id} is finished; the evidence is in run_erasures",
        highlight=False,
    )


def export(
    user: User,
    output: Annotated[
        Path | None, typer.Option(help="A file that only you can read; else standard output.")
    ] = None,
) -> None:
    """Print everything that is stored about a person, as JSON with a section for each table."""
    sections = resolve_name("jobs.privacy.export:export")(load_settings(), _given(user))
    text = json.dumps(sections, default=str, ensure_ascii=False, indent=1) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    output.touch(mode=_PRIVATE)
    output.chmod(_PRIVATE)  # it may have been there, readable by others
    output.write_text(text, encoding="utf-8")


def _given(user: str) -> str:
    """The id as typed, or from standard input: that leaves none in the shell's history."""
    return sys.stdin.readline().rstrip("\n") if user == "-" else user
