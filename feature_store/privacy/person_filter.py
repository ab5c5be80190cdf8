"""Where tables name a person, and how rows lose one.

A column that holds people's ids says so in its contract. What names people otherwise is listed here
once: nodes of the graph, reasons, rejected rows, examples of broken rules.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from feature_store.tables import TABLES

if TYPE_CHECKING:
    from feature_store.contract import Table
    from feature_store.lake.storage import Storage

ERASED = "‹erased›"
"""Stands where an erased person was named in a text that stays."""

_FELLOW = "followed_listen"
_NEUTRAL_REASONS = {
    "personal": ("taste", "Close to what you play"),
    "warm": ("taste", "Close to what you play"),
}
_OTHERWISE = ("popular", "Many listeners play this")

_NOT_PEOPLE = frozenset(
    column.name
    for table in TABLES.values()
    if table.layer == "raw"
    for column in table.columns
    if not column.is_person
) | {"lyrics_bytes"}


class Who(Protocol):
    """Whose rows are meant."""

    def is_meant(self, user_id: str) -> bool:
        """Whether the id is that of somebody meant."""

    def is_in_text(self, text: str) -> bool:
        """Whether a text that is no row names somebody meant."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person, known by the id; its representation hides it from logs."""

    user_id: str

    def __repr__(self) -> str:
        """Nothing that names the person."""
        return "Person(‹hidden›)"

    @property
    def spellings(self) -> tuple[str, ...]:
        """The id as text, and inside JSON, HTML and addresses."""
        as_json = (json.dumps(self.user_id), json.dumps(self.user_id, ensure_ascii=False))
        inner = [text[1:-1] for text in as_json]
        return tuple(
            dict.fromkeys((self.user_id, *inner, html.escape(self.user_id), quote(self.user_id)))
        )

    @property
    def pattern(self) -> re.Pattern[str]:
        """Every spelling as a word of its own: `rock-2` is not in `rock-20`."""
        either = "|".join(re.escape(spelling) for spelling in self.spellings)
        return re.compile(rf"(?<![\w-])(?:{either})(?![\w-])")

    def is_meant(self, user_id: str) -> bool:
        return user_id == self.user_id

    def is_in_text(self, text: str) -> bool:
        return self.pattern.search(text) is not None


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Rows without somebody.

    Attributes:
        removed: rows that were about the person and are gone.
        changed: rows about others that named the person and do not any more.
    """

    rows: pa.Table
    removed: int
    changed: int


def names_people(table: Table) -> bool:
    """Whether a row of the table can name a person."""
    return bool(_columns_to_look_at(table))


def cleaned(table: Table, rows: pa.Table, who: Who) -> Cleaned:
    """`rows` without those of the person; others' rows that named the person stop doing so."""
    is_theirs = about(table, rows, who)
    removed = pc.sum(is_theirs).as_py() or 0
    kept = rows.filter(pc.invert(is_theirs)) if removed else rows
    changing = _CHANGES.get(table.name)
    if changing is None:
        return Cleaned(kept, removed, 0)
    changed_rows, changed = changing(kept, who)
    return Cleaned(changed_rows, removed, changed)


def about(table: Table, rows: pa.Table, who: Who) -> pa.Array:
    """Which rows are about somebody meant; boolean, one for each row."""
    found = pa.array([False] * rows.num_rows, pa.bool_())
    for name in table.person_columns:
        found = pc.or_(found, _meant(rows[name], who))
    if table.name == "graph_nodes":
        is_user = pc.equal(rows["node_kind"], "user")
        found = pc.or_(found, pc.and_(is_user, _meant(rows["node_id"], who)))
    if table.name == "raw_rejects":
        texts = rows["original_text"].to_pylist()
        found = pc.or_(found, pa.array([_is_row_of(text, who) for text in texts], pa.bool_()))
    return found


def landing_rows_of(rows: pa.Table, who: Who) -> pa.Array:
    """Which rows of a landing file, whatever its columns, are about the person; boolean."""
    found = pa.array([False] * rows.num_rows, pa.bool_())
    for name in rows.column_names:
        if name not in _NOT_PEOPLE:
            found = pc.or_(found, _named_in(name, rows[name], who))
    return found


def is_named_in_row(row: dict[str, Any], who: Who) -> bool:
    """Whether a received row, as a JSON object, is about the person."""
    return any(
        _holds(value, who, _is_for_people(name))
        for name, value in row.items()
        if name not in _NOT_PEOPLE
    )


def without_mentions(text: str, person: Person) -> str:
    """A text with a placeholder wherever it named the person."""
    return person.pattern.sub(ERASED, text)


def masked_files(storage: Storage, folder: str, person: Person) -> int:
    """Put a placeholder wherever a file below `folder` named the person; returns the files changed.

    Bytes that are no UTF-8 stay as they are.
    """
    changed = 0
    for file in list(storage.list(folder)):
        text = storage.read(file.path).decode(errors="surrogateescape")
        without = without_mentions(text, person)
        if without != text:
            storage.write(file.path, without.encode(errors="surrogateescape"))
            changed += 1
    return changed


def _columns_to_look_at(table: Table) -> list[str]:
    beside = {
        "raw_rejects": ["original_text", "reject_detail"],
        "graph_nodes": ["node_id"],
        "run_waivers": ["reason"],
    }
    gates = ["gates"] if table.name == "published_runs" else []
    reasons = ["reason_subject"] if "reason_subject" in table.column_names else []
    return [*table.person_columns, *beside.get(table.name, ()), *reasons, *gates]


def _meant(ids: pa.ChunkedArray, who: Who) -> pa.Array:
    """True where an id is that of somebody meant; each different id is looked at once."""
    different = pc.unique(ids).to_pylist()
    meant = [each for each in different if each is not None and who.is_meant(each)]
    return pc.is_in(ids, value_set=pa.array(meant, pa.string())).combine_chunks()


def _named_in(name: str, values: pa.ChunkedArray, who: Who) -> pa.Array:
    """Which values of a received column, of whatever type, are or hold the id."""
    kind, is_for_people = values.type, _is_for_people(name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _meant(values.cast(pa.string()), who)
    if pa.types.is_integer(kind) and is_for_people:
        return _meant(values.cast(pa.string()), who)
    if not is_for_people and not pa.types.is_nested(kind):
        return pa.array([False] * len(values), pa.bool_())
    return pa.array([_holds(each, who, is_for_people) for each in values.to_pylist()], pa.bool_())


def _is_for_people(name: str) -> bool:
    return "user" in name.lower()


def _holds(value: object, who: Who, is_for_people: bool) -> bool:
    if isinstance(value, list | dict):
        return any(_holds(leaf, who, is_for_people) for leaf in _leaves(value))
    if isinstance(value, bytes):
        return who.is_meant(value.decode(errors="replace"))
    if isinstance(value, str):
        return who.is_meant(value)
    return is_for_people and value is not None and who.is_meant(str(value))


def _leaves(value: list[Any] | dict[str, Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _is_row_of(original_text: str, who: Who) -> bool:
    try:
        row = json.loads(original_text)
    except json.JSONDecodeError:
        return False
    return isinstance(row, dict) and is_named_in_row(row, who)


def _without_named_heads(rows: pa.Table, who: Who) -> tuple[pa.Table, int]:
    """raw_rejects: the head of an unreadable file stays only when it names nobody meant."""
    texts = rows["original_text"].to_pylist()
    kept = [ERASED if _is_head_naming(text, who) else text for text in texts]
    changed = sum(one != other for one, other in zip(texts, kept, strict=True))
    return _with_column(rows, "original_text", kept), changed


def _is_head_naming(text: str, who: Who) -> bool:
    try:
        head = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return who.is_in_text(head.decode(errors="replace"))


def _with_neutral_reasons(rows: pa.Table, who: Who) -> tuple[pa.Table, int]:
    """rec_topk: a reason that named the person becomes the one that the entry's tier gives."""
    is_fellow = pc.equal(rows["reason_kind"], _FELLOW)
    is_named = pc.and_(is_fellow, _meant(rows["reason_subject"], who))
    changed = pc.sum(is_named).as_py() or 0
    if not changed:
        return rows, 0
    neutral = [_NEUTRAL_REASONS.get(tier, _OTHERWISE) for tier in rows["tier"].to_pylist()]
    nothing = pa.nulls(rows.num_rows, pa.string())
    for name, values in {
        "reason_kind": pa.array([kind for kind, _ in neutral], pa.string()),
        "reason_text": pa.array([text for _, text in neutral], pa.string()),
        "reason_subject": nothing,
    }.items():
        rows = _with_column(rows, name, pc.if_else(is_named, values, rows[name]))
    return rows, changed


def _without_named_examples(rows: pa.Table, who: Who) -> tuple[pa.Table, int]:
    """published_runs: examples and reasons go when they name the person, verdicts stay."""
    events = rows.select(["gates", "reason"]).to_pylist()
    kept = [_event_without(event, who) for event in events]
    changed = sum(one != other for one, other in zip(events, kept, strict=True))
    for name in ("gates", "reason"):
        rows = _with_column(rows, name, [event[name] for event in kept])
    return rows, changed


def _event_without(event: dict[str, Any], who: Who) -> dict[str, Any]:
    gates = [_gate_without(gate, who) for gate in event["gates"]]
    is_named = event["reason"] is not None and who.is_in_text(event["reason"])
    return {"gates": gates, "reason": ERASED if is_named else event["reason"]}


def _gate_without(gate: dict[str, Any], who: Who) -> dict[str, Any]:
    told = {name: gate[name] for name in ("examples", "waived_by") if gate[name]}
    return gate | {name: ERASED for name, text in told.items() if who.is_in_text(text)}


def _without_named_reasons(rows: pa.Table, who: Who) -> tuple[pa.Table, int]:
    """run_waivers: why a rule was let through, in a person's own words."""
    reasons = rows["reason"].to_pylist()
    kept = [ERASED if who.is_in_text(reason) else reason for reason in reasons]
    changed = sum(one != other for one, other in zip(reasons, kept, strict=True))
    return _with_column(rows, "reason", kept), changed


def _with_column(rows: pa.Table, name: str, values: object) -> pa.Table:
    place = rows.schema.get_field_index(name)
    field = rows.schema.field(place)
    column = pa.array(values, field.type) if isinstance(values, list) else values
    return rows.set_column(place, field, cast("pa.Array", column))


_CHANGES = {
    "raw_rejects": _without_named_heads,
    "rec_topk": _with_neutral_reasons,
    "published_runs": _without_named_examples,
    "run_waivers": _without_named_reasons,
}
