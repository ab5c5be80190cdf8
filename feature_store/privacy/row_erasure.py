"""Removal of people from the rows of a table: own rows go, other rows lose the mention."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from feature_store.privacy.person_filter import ERASED
from feature_store.privacy.personal_data import (
    MENTIONS,
    has_personal_data,
    id_mentions,
    named_rows,
    person_mentions,
    rows_by_person,
)
from feature_store.tables.recommendations import NEUTRAL_REASONS

if TYPE_CHECKING:
    from feature_store.contract import Table
    from feature_store.privacy.person_filter import PersonFilter

_FOLLOWED_LISTEN = "followed_listen"
_ORIGIN = "source_file"
_TEXTS_OF_GATE = ("examples", "waived_by")

_Redaction = Callable[[pa.Table, "PersonFilter"], tuple[pa.Table, pa.Table]]
"""Rows and the people; the rows without them, and which row named whom (personal_data)."""


@dataclass(frozen=True, slots=True)
class RowErasure:
    """The rows without the people.

    Attributes:
        removed: number of rows about the people that are gone.
        changed: number of other rows that named one of them and no longer do.
        by_person: of these rows, how many named each person of a filter that knows ids; a row that
            named two people counts for both.
    """

    rows: pa.Table
    removed: int
    changed: int
    by_person: Counter[str] = field(repr=False)


def erase_from_rows(table: Table, rows: pa.Table, person_filter: PersonFilter) -> RowErasure:
    """`rows` without those of matched persons; the other rows lose every mention of them."""
    theirs = person_mentions(table, rows, person_filter)
    is_theirs = named_rows(theirs, rows.num_rows)
    kept = rows.filter(pc.invert(is_theirs)) if theirs.num_rows else rows
    named = []
    for redact_mentions in _redactions(table):
        kept, mentions = redact_mentions(kept, person_filter)
        named.append(mentions)
    mentioned = pa.concat_tables([theirs.slice(0, 0), *named])
    return RowErasure(
        kept,
        rows.num_rows - kept.num_rows,
        pc.count_distinct(mentioned["row"]).as_py(),
        rows_by_person(theirs) + rows_by_person(mentioned),
    )


def can_name_people(table: Table) -> bool:
    """Whether a row of the table can name a person, if only by the name of a landing file."""
    return has_personal_data(table) or _ORIGIN in table.column_names


def naming_columns(table: Table) -> list[str]:
    """The columns that `erase_from_rows` looks at: a search reads no other."""
    needed = {*table.person_columns, *_NAMING_COLUMNS.get(table.name, ()), _ORIGIN}
    if _has_reasons(table):
        needed |= {"tier", "reason_kind", "reason_text", "reason_subject"}
    return [name for name in table.column_names if name in needed]


def _has_reasons(table: Table) -> bool:
    return "reason_subject" in table.column_names


def _redactions(table: Table) -> list[_Redaction]:
    found = [_REDACTIONS[table.name]] if table.name in _REDACTIONS else []
    if _has_reasons(table):
        found.append(_neutralise_reasons)
    return [*found, _rename_origins] if _ORIGIN in table.column_names else found


def _rename_origins(rows: pa.Table, person_filter: PersonFilter) -> tuple[pa.Table, pa.Table]:
    """raw_ tables: rows follow their landing file to the name that it has without the people."""
    paths = rows[_ORIGIN]
    renamed = {
        path: new
        for path in pc.unique(paths).to_pylist()
        if path is not None and (new := person_filter.rename(path)) != path
    }
    if not renamed:
        return rows, _mentions({})
    known = {path: person_filter.known_in_path(path) for path in renamed}
    found = paths.to_pylist()
    kept = [renamed.get(path, path) for path in found]
    named = {number: known[path] for number, path in enumerate(found) if path in renamed}
    return _with_column(rows, _ORIGIN, kept), _mentions(named)


def _redact_rejects(rows: pa.Table, person_filter: PersonFilter) -> tuple[pa.Table, pa.Table]:
    """raw_rejects: redact the stored head of an unreadable file when it names a person."""
    texts = rows["original_text"].to_pylist()
    heads = {number: head for number, text in enumerate(texts) if (head := _head(text))}
    named = {
        number: person_filter.known_in_text(head)
        for number, head in heads.items()
        if person_filter.matches_text(head)
    }
    if not named:
        return rows, _mentions({})
    kept = [ERASED if number in named else text for number, text in enumerate(texts)]
    return _with_column(rows, "original_text", kept), _mentions(named)


def _head(text: str) -> str:
    """The text that bytes of an unreadable file hold; empty for a reject that is no such file."""
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""


def _neutralise_reasons(rows: pa.Table, person_filter: PersonFilter) -> tuple[pa.Table, pa.Table]:
    """rec_topk: replace a reason that names a person by the default reason of the row's tier."""
    is_followed_listen = pc.equal(rows["reason_kind"], _FOLLOWED_LISTEN)
    subjects = pc.if_else(is_followed_listen, rows["reason_subject"], None)
    named = id_mentions(subjects, person_filter)
    if not named.num_rows:
        return rows, named
    is_named = named_rows(named, rows.num_rows)
    neutral = [NEUTRAL_REASONS[tier] for tier in rows["tier"].to_pylist()]
    for name, values in {
        "reason_kind": pa.array([kind for kind, _ in neutral], pa.string()),
        "reason_text": pa.array([text for _, text in neutral], pa.string()),
        "reason_subject": pa.nulls(rows.num_rows, pa.string()),
    }.items():
        rows = _with_column(rows, name, pc.if_else(is_named, values, rows[name]))
    return rows, named


def _redact_events(rows: pa.Table, person_filter: PersonFilter) -> tuple[pa.Table, pa.Table]:
    """published_runs: redact examples and reasons that name a person; gate results stay."""
    events = rows.select(["gates", "reason"]).to_pylist()
    named = {
        number: [user_id for text in texts for user_id in person_filter.known_in_text(text)]
        for number, event in enumerate(events)
        if (texts := [text for text in _texts_of(event) if person_filter.matches_text(text)])
    }
    if not named:
        return rows, _mentions({})
    kept = [
        _redact_event(event, person_filter) if number in named else event
        for number, event in enumerate(events)
    ]
    for name in ("gates", "reason"):
        rows = _with_column(rows, name, [event[name] for event in kept])
    return rows, _mentions(named)


def _texts_of(event: dict[str, Any]) -> Iterator[str]:
    """What people or rows of data have told the event."""
    for gate in event["gates"]:
        yield from (gate[name] for name in _TEXTS_OF_GATE if gate[name])
    if event["reason"] is not None:
        yield event["reason"]


def _redact_event(event: dict[str, Any], person_filter: PersonFilter) -> dict[str, Any]:
    gates = [_redact_gate(gate, person_filter) for gate in event["gates"]]
    is_named = event["reason"] is not None and person_filter.matches_text(event["reason"])
    return {"gates": gates, "reason": ERASED if is_named else event["reason"]}


def _redact_gate(gate: dict[str, Any], person_filter: PersonFilter) -> dict[str, Any]:
    texts = {name: gate[name] for name in _TEXTS_OF_GATE if gate[name]}
    return gate | {name: ERASED for name, text in texts.items() if person_filter.matches_text(text)}


def _redact_reasons(rows: pa.Table, person_filter: PersonFilter) -> tuple[pa.Table, pa.Table]:
    """run_waivers, run_promotions: redact an operator's reason that names a person."""
    reasons = rows["reason"].to_pylist()
    named = {
        number: person_filter.known_in_text(reason)
        for number, reason in enumerate(reasons)
        if person_filter.matches_text(reason)
    }
    if not named:
        return rows, _mentions({})
    kept = [ERASED if number in named else reason for number, reason in enumerate(reasons)]
    return _with_column(rows, "reason", kept), _mentions(named)


def _mentions(named: Mapping[int, Sequence[str]]) -> pa.Table:
    """Pairs of a row's number and an id; a row whose person no filter knows has a null."""
    pairs = [(row, user_id) for row, ids in named.items() for user_id in ids or (None,)]
    return pa.table(
        {"row": [row for row, _ in pairs], "user_id": [user_id for _, user_id in pairs]},
        schema=MENTIONS,
    )


def _with_column(rows: pa.Table, name: str, values: object) -> pa.Table:
    index = rows.schema.get_field_index(name)
    field = rows.schema.field(index)
    column = pa.array(values, field.type) if isinstance(values, list) else values
    return rows.set_column(index, field, cast("pa.Array", column))


_REDACTIONS: dict[str, _Redaction] = {
    "raw_rejects": _redact_rejects,
    "published_runs": _redact_events,
    "run_waivers": _redact_reasons,
    "run_promotions": _redact_reasons,
}

_NAMING_COLUMNS = {
    "raw_rejects": ("original_text",),
    "graph_nodes": ("node_kind", "node_id"),
    "published_runs": ("gates", "reason"),
    "run_waivers": ("reason",),
    "run_promotions": ("reason",),
}
