"""Which landing rows a raw_ table takes: every rule of every source, stated in this one place.

The raw_ job of a source keeps the rows that break no rule; raw_rejects keeps the others, each with
the first rule that it breaks. What a source may leave out, and what absence means, is stated too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.contract import Column, Kind, OneOf, Table
from feature_store.tables import columns as c
from feature_store.tables import raw

ORIGIN_COLUMNS = ("source_file", "source_row", "arrival_date")

LYRICS_BYTES = Column("lyrics_bytes", Kind.BINARY, "The words, in whatever encoding came.")

_DAY_AFTER_ARRIVAL = "date_add(arrival_date, 1)"
_SHOWN_CHARACTERS = 200
"""A detail shows the value's head; the whole row is in original_text."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What makes a row unusable.

    Attributes:
        reason: a key of REJECT_REASONS.
        broken: SQL over the landing columns, true for a row that breaks the rule; null is not.
        shown: the column whose value the reject's detail shows.
    """

    reason: str
    broken: str
    shown: str


@dataclass(frozen=True, slots=True)
class RowSource:
    """One source of landing rows.

    Attributes:
        table: the raw_ table that takes its good rows.
        columns: what a landing row holds.
        defaults: for columns that a source may leave out, SQL of the value that absence means.
        rules: beyond those that the table's contract implies; checked before its ranges and lists.
    """

    table: Table
    columns: tuple[Column, ...]
    defaults: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """In the order of checking: a reject names the first that its row breaks."""
        return (*self._required, *self.rules, *self._gates)

    @property
    def _required(self) -> tuple[Rule, ...]:
        return tuple(
            Rule("missing_value", _is_missing(column), column.name)
            for column in self.columns
            if not column.is_nullable and column.name not in self.defaults
        )

    @property
    def _gates(self) -> tuple[Rule, ...]:
        return tuple(
            Rule(
                "unknown_action" if isinstance(gate, OneOf) else "out_of_range",
                f"NOT ({gate.predicate})",
                gate.column,
            )
            for gate in self.table.gates
        )


def with_reject(landing: DataFrame, source: str) -> DataFrame:
    """The landing rows with `reject_reason` and `reject_detail`, both null for a good row.

    What could not even be read (`reading_reason`) comes before every rule.
    """
    reject = F.coalesce(
        F.when(
            F.col("reading_reason").isNotNull(),
            F.struct(
                F.col("reading_reason").alias("reason"), F.col("reading_detail").alias("detail")
            ),
        ),
        *[_reject(rule) for rule in ROW_SOURCES[source].all_rules],
    )
    return landing.withColumns(
        {"reject_reason": reject["reason"], "reject_detail": reject["detail"]}
    )


def accepted(landing: DataFrame, source: str) -> DataFrame:
    """The rows that break no rule, with defaults for what the source may leave out."""
    good = with_reject(landing, source).where(F.col("reject_reason").isNull())
    defaults = ROW_SOURCES[source].defaults
    return good.withColumns(
        {name: F.coalesce(F.col(name), F.expr(default)) for name, default in defaults.items()}
    )


def _is_missing(column: Column) -> str:
    if column.kind is Kind.STRING:
        return f"{column.name} IS NULL OR trim({column.name}) = ''"
    return f"{column.name} IS NULL"


def _reject(rule: Rule) -> SparkColumn:
    """Reason and detail for a row that breaks the rule, null for one that does not."""
    shown = f"substring(coalesce(CAST({rule.shown} AS STRING), 'null'), 1, {_SHOWN_CHARACTERS})"
    detail = F.concat(
        F.lit(f"{rule.shown} = "), F.expr(shown), F.lit(f"; a row is refused when {rule.broken}")
    )
    return F.when(
        F.expr(rule.broken), F.struct(F.lit(rule.reason).alias("reason"), detail.alias("detail"))
    )


def _landing_columns(table: Table) -> tuple[Column, ...]:
    return tuple(column for column in table.columns if column.name not in ORIGIN_COLUMNS)


ROW_SOURCES: dict[str, RowSource] = {
    "listens": RowSource(
        raw.RAW_LISTENS,
        _landing_columns(raw.RAW_LISTENS),
        defaults={"is_organic": "true"},  # a player that says nothing started nothing by itself
        rules=(
            Rule("negative_duration", "played_ms < 0", "played_ms"),
            Rule("negative_duration", "duration_ms < 0", "duration_ms"),
            Rule("future_time", f"listened_at_utc >= {_DAY_AFTER_ARRIVAL}", "listened_at_utc"),
        ),
    ),
    "listen_counts": RowSource(raw.RAW_LISTEN_COUNTS, _landing_columns(raw.RAW_LISTEN_COUNTS)),
    "follows": RowSource(
        raw.RAW_FOLLOWS,
        _landing_columns(raw.RAW_FOLLOWS),
        defaults={"is_active": "true"},  # sources that only list follows have no word for their end
        rules=(
            Rule("self_follow", "user_id = followed_user_id", "user_id"),
            Rule(
                "future_time", f"followed_from_date >= {_DAY_AFTER_ARRIVAL}", "followed_from_date"
            ),
        ),
    ),
    # No rule about the day of registration: a person's opt-out must not fail over a wrong clock.
    "users": RowSource(
        raw.RAW_USERS,
        _landing_columns(raw.RAW_USERS),
        defaults={"is_opted_out": "false", "is_named_to_others": "false"},  # naming needs consent
    ),
    "tracks": RowSource(
        raw.RAW_TRACKS, _landing_columns(raw.RAW_TRACKS), defaults={"is_available": "true"}
    ),
    "tags": RowSource(
        raw.RAW_TAGS,
        _landing_columns(raw.RAW_TAGS),
        rules=(Rule("future_time", f"tagged_date >= {_DAY_AFTER_ARRIVAL}", "tagged_date"),),
    ),
    "feedback": RowSource(
        raw.RAW_FEEDBACK,
        _landing_columns(raw.RAW_FEEDBACK),
        rules=(Rule("future_time", f"given_at_utc >= {_DAY_AFTER_ARRIVAL}", "given_at_utc"),),
    ),
    "impressions": RowSource(
        raw.RAW_IMPRESSIONS,
        _landing_columns(raw.RAW_IMPRESSIONS),
        rules=(Rule("future_time", f"shown_at_utc >= {_DAY_AFTER_ARRIVAL}", "shown_at_utc"),),
    ),
    "lyrics": RowSource(
        raw.RAW_LYRICS,
        (c.TRACK_ID, LYRICS_BYTES),
        rules=(Rule("not_utf8", "NOT is_valid_utf8(CAST(lyrics_bytes AS STRING))", "track_id"),),
    ),
}
