"""Removal of a person from the rows of a table: own rows go, other rows lose the mention."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from feature_store.privacy.person_filter import ERASED
from feature_store.privacy.personal_data import id_mask, person_mask
from feature_store.tables.recommendations import NEUTRAL_REASONS

if TYPE_CHECKING:
    from feature_store.contract import Table
    from feature_store.privacy.person_filter import PersonFilter

_FOLLOWED_LISTEN = "followed_listen"


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
    redact_mentions = _REDACTIONS.get(table.name)
    if redact_mentions is None:
        return RowErasure(kept, removed, 0)
    redacted, changed = redact_mentions(kept, person_filter)
    return RowErasure(redacted, removed, changed)


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


_REDACTIONS = {
    "raw_rejects": _redact_rejects,
    "rec_topk": _neutralise_reasons,
    "published_runs": _redact_events,
    "run_waivers": _redact_reasons,
    "run_promotions": _redact_reasons,
}
