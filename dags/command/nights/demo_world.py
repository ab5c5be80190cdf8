"""The sample world of `evensong demo`: its size, and its landing files day by day."""

from __future__ import annotations

from datetime import date, timedelta
from pkgutil import resolve_name
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from feature_store.lake.storage import open_storage
from feature_store.settings import Settings

_CLIP_S = 6.0
"""Two patches of the music encoder, so that a first demo stays short."""


def demo_days(options: dict[str, int], nights: int) -> list[date]:
    """Return as_of of each night: the world's last day and the days after it."""
    last = _world(options).last_day
    return [last + timedelta(days=offset) for offset in range(nights)]


def land_demo_world(
    settings: Settings, options: dict[str, int], as_of: date, console: Console
) -> None:
    """Write the landing files of a night: all days for the world's last day, later one day each."""
    world = _world(options)
    first = world.first_day if as_of == world.last_day else as_of
    days = resolve_name("jobs.inputs:Slice")(first, as_of + timedelta(days=1))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        line = progress.add_task("composing the sample world", total=None)
        landed = resolve_name("jobs.sources.sample_world.writer:write_sample_world")(
            world,
            open_storage(settings.lake),
            days=days,
            progress=lambda done, total: progress.update(line, completed=done, total=total),
        )
    arrived = ", ".join(f"{count:,} {kind}" for kind, count in landed.counts.items() if count)
    nothing = "nothing new, everything had landed before"
    console.print(f"[bold]Landed[/] {first} to {as_of}: {arrived or nothing}", highlight=False)
    if landed.late_days:
        console.print(
            f"{landed.late_days[0]} to {landed.late_days[-1]} are closed: what landed for them now "
            f"counts for the next night, the one of {landed.first_open_day}",
            highlight=False,
            soft_wrap=True,
        )


def _world(options: dict[str, int]) -> Any:
    """Make the sample world; options give the size on the last day, SampleWorld on the first."""
    make = resolve_name("jobs.sources.sample_world.options:SampleWorld")
    plain = make(n_days=options["days"], seed=options["seed"])
    grown_tracks = plain.n_tracks - plain.n_tracks_at_start
    grown_users = plain.n_users_by(options["days"] - 1) - plain.n_users_at_start
    return make(
        n_days=options["days"],
        seed=options["seed"],
        clip_s=_CLIP_S,
        n_tracks_at_start=max(options["tracks"] - grown_tracks, 1),
        n_users_at_start=max(options["users"] - grown_users, 4),
    )
