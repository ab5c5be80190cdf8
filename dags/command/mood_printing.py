"""What `evensong mood` prints: a position on the plane in words and numbers, and the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from dags.command.printed_text import print_line, shown
from dags.command.row_printing import Format, print_rows, print_wide


def print_position(position: Any, emotion: dict[str, float] | None, console: Console) -> None:
    """Print where a sentence lies, and how sure that is; of a gentle position its words alone.

    Args:
        position: a MoodPosition.
        emotion: what a model has read, see SentenceReading; None for a gentle position.
        console: where to.
    """
    if emotion is None:
        print_line(f"music that is {position.words}, compared with the catalogue", console)
        return
    perhaps = "perhaps " if position.unsure else ""
    print_line(f"feels {perhaps}{position.words}, compared with the catalogue", console)
    numbers = ", ".join(axis.numbers for axis in (position.valence, position.arousal))
    print_line(f"on the night's plane, 0 to 1: {numbers}", console)
    read = " and ".join(
        f"{name} {emotion[name]:+.2f} ± {emotion[f'{name}_sd']:.2f}"
        for name in ("valence", "arousal")
    )
    print_line(f"as read, -1 to 1: {read}", console)
    if position.unsure:
        print_line(shown(f"unsure: {position.unsure}", "yellow"), console)


def print_list(entries: Sequence[Any], output: Format) -> None:
    """Print the entries of a MoodList, best first, to standard output."""
    if output is not Format.TABLE:
        print_rows([_row(entry) for entry in entries], output)
        return
    if not entries:
        return
    table = RichTable(box=None)
    table.add_column("rank", justify="right", style="dim")
    for heading in ("track_id", "title", "artist"):
        table.add_column(heading)
    for heading in ("valence", "arousal"):
        table.add_column(heading, justify="right")
    table.add_column("why")
    for entry in entries:
        row = _row(entry)
        positions = [
            _two_digits(row.pop(name)) for name in ("valence_position", "arousal_position")
        ]
        *named, why = (shown(value) for value in row.values())
        table.add_row(*named, *positions, why)
    print_wide(table)


def _row(entry: Any) -> dict[str, Any]:
    """An entry, for programs."""
    return {
        "rank": entry.rank,
        "track_id": entry.track.track_id,
        "title": entry.track.title,
        "artist": entry.track.artist_name,
        "valence_position": entry.valence_position,
        "arousal_position": entry.arousal_position,
        "why": entry.reason,
    }


def _two_digits(position: float | None) -> str:
    return "–" if position is None else f"{position:.2f}"
