"""The commands `evensong similar` and `evensong find`: the tracks nearest to a query by HTCL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as RichTable

from dags.command.paths import given_output
from dags.command.printed_text import print_line, shortened, shown, ticked
from dags.command.row_printing import Format, print_rows, print_wide
from feature_store.settings import Night, load_settings
from feature_store.unicode_text import as_utf8

_OPEN_CATALOGUE = "jobs.search.catalogue:open_catalogue"
_READ_RECORDING = "jobs.search.recording_file:read_recording"
_READ_TRAITS = "jobs.search.reasons:read_traits"
_TRAITS = "jobs.search.reasons:Traits"
_REASONS = "jobs.search.reasons:reasons"
_REASONS_OF_SENTENCE = "jobs.search.reasons:reasons_of_sentence"
_ENTRIES = "jobs.search.page:entries_of"
_PAGE = "jobs.search.page:SearchPage"
_RENDER_PAGE = "jobs.search.page:render_page"
_OPEN_VECTORS = "training.tasks.vector_search:open_vectors"
_RECORDING_VECTOR = "training.tasks.query_encoding:recording_vector"
_CHECKED_SENTENCE = "training.tasks.vector_search:checked_sentence"
_SENTENCE_VECTOR = "training.tasks.query_encoding:sentence_vector"

_BY_HAND = "search"  # run id of a search as of a day that need not be the published one

AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Day of the night whose vectors count; else the published one."
    ),
]


def _at_least_one(n_matches: int) -> int:
    """The number, where it asks for a track.

    Raises:
        typer.BadParameter: it asks for none.
    """
    if n_matches < 1:
        raise typer.BadParameter(f"{n_matches} is below 1; name how many tracks to print at most")
    return n_matches


NMatches = Annotated[int, typer.Option("--n", "-n", callback=_at_least_one, help="Tracks at most.")]
Output = Annotated[Format, typer.Option("--format", help="How to print the tracks.")]
Html = Annotated[
    Path | None,
    typer.Option(
        parser=given_output, metavar="FILE", help="Also write a page on which tracks can be played."
    ),
]


@dataclass(frozen=True, slots=True)
class _Query:
    """What was asked for: texts for people, and what the page plays of it.

    Attributes:
        kind: what a search does, such as `similar to`.
        played: a track or a recording; None for a sentence.
    """

    kind: str
    name: str
    detail: str
    played: Any
    notes: tuple[str, ...] = ()


def similar(
    track_or_file: Annotated[
        str, typer.Argument(help="A track's id or title, or an audio file on this machine.")
    ],
    as_of: AsOf = None,
    n_matches: NMatches = 10,
    output: Output = Format.TABLE,
    html: Html = None,
) -> None:
    """Print the tracks that are nearest to a track, or to an audio file of any origin, by HTCL.

    An id of the catalogue counts first, then a file, then a title; write ./NAME for a file.
    """
    night = night_of(as_of)
    catalogue = resolve_name(_OPEN_CATALOGUE)(night)
    if _is_file(track_or_file) and not catalogue.has_track(track_or_file):
        found, query, vectors = _like_recording(night, catalogue, Path(track_or_file), n_matches)
    else:
        found, query, vectors = _like_track(night, catalogue, track_or_file, n_matches)
    _show(found, query, vectors, catalogue, output, html)


def find(
    sentence: Annotated[str, typer.Argument(help='Such as "slow sad piano", in any language.')],
    as_of: AsOf = None,
    n_matches: NMatches = 10,
    output: Output = Format.TABLE,
    html: Html = None,
) -> None:
    """Print the tracks whose recordings are nearest to a sentence, by HTCL.

    Of a track without a recording its text is compared; the column `by` says which.
    """
    sentence = resolve_name(_CHECKED_SENTENCE)(sentence)
    night = night_of(as_of)
    catalogue = resolve_name(_OPEN_CATALOGUE)(night)
    vectors = resolve_name(_OPEN_VECTORS)(night.settings.lake, night.as_of)
    encoded = resolve_name(_SENTENCE_VECTOR)(night.settings, vectors, sentence)
    matches = vectors.nearest_to_sentence(
        encoded.vector, among=catalogue.available_ids, n_matches=n_matches
    )
    why = partial(resolve_name(_REASONS_OF_SENTENCE), sentence)
    notes = _note_of_texts(matches)
    if encoded.is_cut:
        cut = f"the sentence is cut: only its first {encoded.max_tokens} tokens count (max_tokens)"
        notes = (cut, *notes)
    query = _Query("find", shortened(sentence), "by its words", None, notes)
    _show(_entries(catalogue, matches, why), query, vectors, catalogue, output, html)


def night_of(as_of: datetime | None) -> Night:
    """The published night, or that of a day."""
    settings = load_settings()
    if as_of is not None:
        return Night(as_of.date(), _BY_HAND, settings)
    from feature_store.publishing.snapshot import open_snapshot

    snapshot = open_snapshot(settings.lake)
    return Night(snapshot.as_of, snapshot.run_id, settings)


def _like_track(
    night: Night, catalogue: Any, text: str, n_matches: int
) -> tuple[Sequence[Any], _Query, Any]:
    """What is near to a track of the catalogue, by the stored vectors alone."""
    track = catalogue.find_track(text)
    vectors = resolve_name(_OPEN_VECTORS)(
        night.settings.lake, night.as_of, partial(catalogue.elsewhere, track.track_id)
    )
    matches = vectors.nearest_to_track(
        track.track_id, among=catalogue.available_ids, n_matches=n_matches
    )
    traits = resolve_name(_READ_TRAITS)(catalogue, [track.track_id])[track.track_id]
    why = partial(resolve_name(_REASONS), traits)
    detail = f"{track.track_id}, by its {vectors.kind_of(track.track_id)} vector"
    query = _Query("similar to", f"{track.title} · {track.artist_name}", detail, track)
    return _entries(catalogue, matches, why), query, vectors


def _like_recording(
    night: Night, catalogue: Any, path: Path, n_matches: int
) -> tuple[Sequence[Any], _Query, Any]:
    """What is near to a recording that need not be in the catalogue."""
    settings = night.settings
    vectors = resolve_name(_OPEN_VECTORS)(settings.lake, night.as_of)
    recording = resolve_name(_READ_RECORDING)(settings, path)
    encoded = resolve_name(_RECORDING_VECTOR)(
        settings, vectors, recording.log_mel, recording.mel_version
    )
    available = catalogue.available_ids
    matches = vectors.nearest_to_recording(encoded.vector, among=available, n_matches=n_matches)
    n_left_out = vectors.n_without_recording(available)
    notes = (f"without a usable recording, so not compared: {_tracks(n_left_out)}",)
    traits = resolve_name(_TRAITS)(audio_hash=recording.content_hash, tempo_bpm=recording.tempo_bpm)
    why = partial(resolve_name(_REASONS), traits)
    is_cut = recording.is_longer or encoded.read_s < recording.heard_s
    read = "its first" if is_cut else "all of its"
    detail = f"by {read} {min(recording.heard_s, encoded.read_s):,.1f} s"
    query = _Query("similar to", as_utf8(path.name), detail, recording, notes if n_left_out else ())
    return _entries(catalogue, matches, why), query, vectors


def _entries(catalogue: Any, matches: Sequence[Any], why: Any) -> Sequence[Any]:
    """Matches with title, artist and reasons."""
    ids = [match.track_id for match in matches]
    tracks, traits = catalogue.refs(ids), resolve_name(_READ_TRAITS)(catalogue, ids)
    return resolve_name(_ENTRIES)(
        [
            (
                tracks[match.track_id],
                match.cosine,
                match.vector_kind,
                why(traits[match.track_id]),
            )
            for match in matches
        ]
    )


def _note_of_texts(matches: Sequence[Any]) -> tuple[str, ...]:
    """What to know of a list in which some tracks were compared by their texts."""
    n_texts = sum(match.vector_kind == "text" for match in matches)
    if not n_texts:
        return ()
    compared = f"without a usable recording, so compared by the text: {_tracks(n_texts)}"
    return (f"{compared}; ranks are by standard scores, because its cosines are on another scale",)


def _tracks(n_tracks: int) -> str:
    return "1 track" if n_tracks == 1 else f"{n_tracks:,} tracks"


def _show(
    found: Sequence[Any],
    query: _Query,
    vectors: Any,
    catalogue: Any,
    output: Format,
    html: Path | None,
) -> None:
    """Print the tracks; what is said besides goes to standard error where a program reads."""
    console = Console(stderr=output is not Format.TABLE)
    print_line(shown(f"{query.kind} {query.name}, {query.detail}", "bold"), console)
    print_line(f"night of {vectors.as_of}, {vectors.family} {vectors.model_version}", console)
    for note in query.notes:
        print_line(note, console)
    if output is Format.TABLE:
        print_wide(_table(found))
    else:
        print_rows([_row(entry) for entry in found], output)
    if html is not None:
        page = resolve_name(_PAGE)(
            kind=query.kind.capitalize(),
            query=query.name,
            detail=query.detail,
            as_of=vectors.as_of,
            family=vectors.family,
            model_version=vectors.model_version,
            notes=query.notes,
            entries=found,
        )
        text = resolve_name(_RENDER_PAGE)(page, catalogue, query.played, now=datetime.now(UTC))
        html.write_text(text, encoding="utf-8")
        print_line(ticked(f"page: {html}"), console)


def _table(found: Sequence[Any]) -> RichTable:
    table = RichTable(box=None)
    table.add_column("rank", justify="right", style="dim")
    for heading in ("track_id", "title", "artist"):
        table.add_column(heading)
    table.add_column("cosine", justify="right")
    for heading in ("by", "why"):
        table.add_column(heading)
    for entry in found:
        row = _row(entry)
        why = "; ".join(row.pop("why"))
        cosine = f"{row.pop('cosine'):.4f}"
        rank, track_id, title, artist, kind = (shown(value) for value in row.values())
        table.add_row(rank, track_id, title, artist, cosine, kind, shown(why))
    return table


def _row(entry: Any) -> dict[str, Any]:
    """A track that was found, for programs."""
    return {
        "rank": entry.rank,
        "track_id": entry.track.track_id,
        "title": entry.track.title,
        "artist": entry.track.artist_name,
        "cosine": entry.cosine,
        "by": entry.vector_kind,
        "why": list(entry.reasons),
    }


def _is_file(text: str) -> bool:
    """Whether a file of this name is there, or a folder that is meant as a path."""
    try:
        return Path(text).is_file() or ("/" in text and Path(text).exists())
    except OSError:  # too long for a name
        return False
