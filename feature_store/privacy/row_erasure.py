"""Removal of a person from the rows of a table: own rows go, other rows lose the mention."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from feature_store.privacy.person_filter import ERASED
from feature_store.privacy.personal_data import has_personal_data, id_mask, person_mask
from feature_store.tables.recommendations import NEUTRAL_REASONS

if TYPE_CHECKING:
    from feature_store.contract import Table
    from feature_store.privacy.person_filter import PersonFilter

_FOLLOWED_LISTEN = "followed_listen"
_ORIGIN = "source_file"

_Redaction = Callable[[pa.Table, "PersonFilter"], tuple[pa.Table, int]]


@dataclass(frozen=True, slots=True)
class RowErasure:
    """The rows without the person.

    Attributes:
        removed: number of rows about the person that are gone.
        changed: number of other rows that named the person and no longer do.
    """

    rows: pa.Table
    removed: int
    changed: int


def erase_from_rows(table: Table, rows: pa.Table, person_filter: PersonFilter) -> RowErasure:
    """`rows` without those of matched persons; the other rows lose every mention of them."""
    is_theirs = person_mask(table, rows, person_filter)
    removed = pc.sum(is_theirs).as_py() or 0
    kept = rows.filter(pc.invert(is_theirs)) if removed else rows
    changed = 0
    for redact_mentions in _redactions(table):
        kept, redacted_count = redact_mentions(kept, person_filter)
        changed += redacted_count
    return RowErasure(kept, removed, changed)


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


def _rename_origins(rows: pa.Table, person_filter: PersonFilter) -> tuple[pa.Table, int]:
    """raw_ tables: rows follow their landing file to the name that it has without the person."""
    paths = rows[_ORIGIN]
    renamed = {
        path: new
        for path in pc.unique(paths).to_pylist()
        if path is not None and (new := person_filter.rename(path)) != path
    }
    if not renamed:
        return rows, 0
    kept = [renamed.get(path, path) for path in paths.to_pylist()]
    return _with_column(rows, _ORIGIN, kept), sum(path in renamed for path in paths.to_pylist())


def _redact_rejects(rows: pa.Table, person_filter: PersonFilter) -> tuple[pa.Table, int]:
    """raw_rejects: redact the stored head of an unreadable file when it names the person."""
    texts = rows["original_text"].to_pylist()
    kept = [ERASED if _is_head_naming(text, person_filter) else text for text in texts]
    changed = sum(one != other for one, other in zip(texts, kept, strict=True))
    return _with_column(rows, "original_text", kept), changed


def _is_head_naming(text: str, person_filter: PersonFilter) -> bool:
    try:
        head = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return person_filter.matches_text(head.decode(errors="replace"))


def _neutralise_reasons(rows: pa.Table, person_filter: PersonFilter) -> tuple[pa.Table, int]:
    """rec_topk: replace a reason that names the person by the default reason of the row's tier."""
    is_followed_listen = pc.equal(rows["reason_kind"], _FOLLOWED_LISTEN)
    is_named = pc.and_(is_followed_listen, id_mask(rows["reason_subject"], person_filter))
    changed = pc.sum(is_named).as_py() or 0
    if not changed:
        return rows, 0
    neutral = [NEUTRAL_REASONS[tier] for tier in rows["tier"].to_pylist()]
    for name, values in {
        "reason_kind": pa.array([kind for kind, _ in neutral], pa.string()),
        "reason_text": pa.array([text for _, text in neutral], pa.string()),
        "reason_subject": pa.nulls(rows.num_rows, pa.string()),
    }.items():
        rows = _with_column(rows, name, pc.if_else(is_named, values, rows[name]))
    return rows, changed


def _redact_events(rows: pa.Table, person_filter: PersonFilter) -> tuple[pa.Table, int]:
    """published_runs: redact examples and reasons that name the person; gate results stay."""
    events = rows.select(["gates", "reason"]).to_pylist()
    kept = [_redact_event(event, person_filter) for event in events]
    changed = sum(one != other for one, other in zip(events, kept, strict=True))
    for name in ("gates", "reason"):
        rows = _with_column(rows, name, [event[name] for event in kept])
    return rows, changed


def _redact_event(event: dict[str, Any], person_filter: PersonFilter) -> dict[str, Any]:
    gates = [_redact_gate(gate, person_filter) for gate in event["gates"]]
    is_named = event["reason"] is not None and person_filter.matches_text(event["reason"])
    return {"gates": gates, "reason": ERASED if is_named else event["reason"]}


def _redact_gate(gate: dict[str, Any], person_filter: PersonFilter) -> dict[str, Any]:
    texts = {name: gate[name] for name in ("examples", "waived_by") if gate[name]}
    return gate | {name: ERASED for name, text in texts.items() if person_filter.matches_text(text)}


def _redact_reasons(rows: pa.Table, person_filter: PersonFilter) -> tuple[pa.Table, int]:
    """run_waivers, run_promotions: redact an operator's reason that names the person."""
    reasons = rows["reason"].to_pylist()
    kept = [ERASED if person_filter.matches_text(reason) else reason for reason in reasons]
    changed = sum(one != other for one, other in zip(reasons, kept, strict=True))
    return _with_column(rows, "reason", kept), changed


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
