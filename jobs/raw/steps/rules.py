"""Row contracts of the landing sources: columns, defaults for absent values, and reject rules.

The raw_ job of a source keeps the rows that satisfy every rule. raw_rejects keeps the others, each
with the first rule that it breaks. Of a row that changes a listener or a track only the bad value
is left out, if it may be: a date that no calendar has must not take an opt-out with it. Such a row
is in both tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.contract import Column, Constraint, Kind, OneOf, Table
from feature_store.setting_groups import LandingSettings
from feature_store.tables import columns as c
from feature_store.tables import raw
from feature_store.tables.raw import RejectReason

ORIGIN_COLUMNS = ("source_file", "source_row", "arrival_date")

LYRICS_BYTES = Column("lyrics_bytes", Kind.BINARY, "The lyrics as received, in any encoding.")

_DAY_AFTER_ARRIVAL = "date_add(arrival_date, 1)"
_DETAIL_CHARACTERS = 200
"""reject_detail quotes this much of the value; the whole row is in original_text."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition under which a landing row is rejected.

    Attributes:
        reason: the code in raw_rejects.reject_reason.
        violation: SQL over the landing columns; true rejects the row, false and null do not.
            {earliest} stands for the setting landing.earliest_date, {late_days} for
            landing.max_late_days.
        column: the column whose value reject_detail quotes.
        hint: what the sender may have done, for reject_detail.
    """

    reason: RejectReason
    violation: str
    column: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class SourceContract:
    """Columns and rules of the landing rows of one source.

    Attributes:
        table: the raw_ table that takes the valid rows.
        columns: the columns of a landing row.
        defaults: SQL of the value that replaces null, for columns that a source may leave out. Rows
            that change an entity have none: there null leaves a value as it is (jobs/core).
        rules: rules besides those of the table's contract; checked before the contract's gates.
        is_change: whether a row changes what is known of an entity, by each value that it has.
    """

    table: Table
    columns: tuple[Column, ...]
    defaults: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    is_change: bool = False

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        """Rules in the order of checking; a reject names the first rule that its row breaks."""
        return (*self._required, *self.rules, *self._constraints)

    @property
    def _required(self) -> tuple[Rule, ...]:
        return tuple(
            Rule(RejectReason.MISSING_VALUE, _is_missing(column), column.name)
            for column in self.columns
            if not column.is_nullable and column.name not in self.defaults
        ) + tuple(
            # Null is no album, no tagger or no change; blanks name one that nobody can mean.
            Rule(RejectReason.MISSING_VALUE, _is_blank(column), column.name)
            for column in self.columns
            if column.is_nullable
            and column.name.endswith(("_id", "title", "artist_name"))
            and column.name != "album_title"
        )

    @property
    def _constraints(self) -> tuple[Rule, ...]:
        return tuple(
            Rule(_reason_of(rule), f"NOT ({rule.predicate})", rule.column)
            for rule in self.table.constraints
        )


def _reason_of(rule: Constraint) -> RejectReason:
    """The reason of a row that breaks a rule of its table."""
    if not isinstance(rule, OneOf):
        return RejectReason.OUT_OF_RANGE
    is_action = rule.column == c.FEEDBACK_ACTION.name
    return RejectReason.UNKNOWN_ACTION if is_action else RejectReason.UNKNOWN_VALUE


def with_reject_reason(landing: DataFrame, source: str, settings: LandingSettings) -> DataFrame:
    """The landing rows with `reject_reason` and `reject_detail`, both null for a valid row.

    A `reading_reason` (parquet_rows.py) comes before every rule.
    """
    reject = F.coalesce(
        F.when(
            F.col("reading_reason").isNotNull(),
            F.struct(
                F.col("reading_reason").alias("reason"), F.col("reading_detail").alias("detail")
            ),
        ),
        *[_reject(rule, settings) for rule in SOURCE_CONTRACTS[source].all_rules],
    )
    return landing.withColumns(
        {"reject_reason": reject["reason"], "reject_detail": reject["detail"]}
    )


def valid_rows(landing: DataFrame, source: str, settings: LandingSettings) -> DataFrame:
    """The rows that break no rule; the source's defaults replace nulls.

    Of a change also rows that do, without the bad values, if what names the entity is good.
    """
    contract = SOURCE_CONTRACTS[source]
    usable = _without_bad_values(landing, contract, settings) if contract.is_change else landing
    valid = with_reject_reason(usable, source, settings).where(F.col("reject_reason").isNull())
    return valid.withColumns(
        {
            name: F.coalesce(F.col(name), F.expr(default))
            for name, default in contract.defaults.items()
        }
    )


def _without_bad_values(
    landing: DataFrame, contract: SourceContract, settings: LandingSettings
) -> DataFrame:
    """The rows with null for each bad value, if the column may be null."""
    kept = {}
    for column in contract.columns:
        broken = [
            _is_broken(one, settings) for one in contract.all_rules if one.column == column.name
        ]
        if broken and column.is_nullable:
            kept[column.name] = F.when(~reduce(or_, broken), F.col(column.name))
    is_partly_read = F.coalesce("is_partly_read", F.lit(False))  # noqa: FBT003
    return landing.withColumns(
        {**kept, "reading_reason": F.when(~is_partly_read, F.col("reading_reason"))}
    )


def _is_missing(column: Column) -> str:
    if column.kind is Kind.STRING:
        return f"{column.name} IS NULL OR {_is_blank(column)}"
    return f"{column.name} IS NULL"


def _is_blank(column: Column) -> str:
    """SQL: every character is a separator (Z), or a control or of no width (C)."""
    return f"NOT ({column.name} RLIKE '[^\\\\p{{Z}}\\\\p{{C}}]')"


def _reject(rule: Rule, settings: LandingSettings) -> SparkColumn:
    """A struct of reason and detail for a row that breaks the rule; null for other rows."""
    quoted = f"substring(coalesce(CAST({rule.column} AS STRING), 'null'), 1, {_DETAIL_CHARACTERS})"
    violation = _violation(rule, settings)
    detail = F.concat(
        F.lit(f"{rule.column} = "),
        F.expr(quoted),
        F.lit(f"; a row is refused when {violation}{rule.hint}"),
    )
    return F.when(
        F.expr(violation), F.struct(F.lit(rule.reason).alias("reason"), detail.alias("detail"))
    )


def _violation(rule: Rule, settings: LandingSettings) -> str:
    """The rule's SQL with the settings written out."""
    return rule.violation.replace("{earliest}", f"DATE'{settings.earliest_date:%Y-%m-%d}'").replace(
        "{late_days}", f"{settings.max_late_days}"
    )


def _is_broken(rule: Rule, settings: LandingSettings) -> SparkColumn:
    """Whether a row breaks the rule; never null."""
    return F.coalesce(F.expr(_violation(rule, settings)), F.lit(False))  # noqa: FBT003


def _not_after_arrival(column: str) -> Rule:
    return Rule(RejectReason.FUTURE_TIME, f"{column} >= {_DAY_AFTER_ARRIVAL}", column)


def _not_before_earliest(column: str) -> Rule:
    return Rule(
        RejectReason.OUT_OF_RANGE,
        f"{column} < {{earliest}}",
        column,
        hint=" (landing.earliest_date); seconds or milliseconds mistaken for another unit?",
    )


def _not_late(column: str) -> Rule:
    """Late counts against the day of arrival, so a backfill refuses what its night has refused."""
    return Rule(
        RejectReason.LATE_ROW,
        f"{column} < date_sub(arrival_date, {{late_days}}) "
        "AND arrival_date > date_add(first_arrival_date, {late_days})",
        column,
        hint=" (landing.max_late_days); to take it, land the file again under a higher setting",
    )


def _event_time(column: str) -> tuple[Rule, Rule]:
    return _not_after_arrival(column), _not_before_earliest(column)


def _off_scale(column: str) -> Rule:
    """The contract's rule, with what to do about a source on another scale."""
    return Rule(
        RejectReason.OUT_OF_RANGE,
        f"{column} < -1 OR {column} > 1",
        column,
        hint="; the scale is -1 to 1: a rating of 1 to 5 lands as (rating - 3) / 2",
    )


def _landing_columns(table: Table) -> tuple[Column, ...]:
    return tuple(column for column in table.columns if column.name not in ORIGIN_COLUMNS)


SOURCE_CONTRACTS: dict[str, SourceContract] = {
    "listens": SourceContract(
        raw.RAW_LISTENS,
        _landing_columns(raw.RAW_LISTENS),
        defaults={"is_organic": "true"},  # the player started none by itself
        rules=(
            Rule(RejectReason.NEGATIVE_DURATION, "played_ms < 0", "played_ms"),
            Rule(RejectReason.NEGATIVE_DURATION, "duration_ms < 0", "duration_ms"),
            *_event_time("listened_at_utc"),
            _not_late("listened_at_utc"),
        ),
    ),
    "listen_counts": SourceContract(raw.RAW_LISTEN_COUNTS, _landing_columns(raw.RAW_LISTEN_COUNTS)),
    "follows": SourceContract(
        raw.RAW_FOLLOWS,
        _landing_columns(raw.RAW_FOLLOWS),
        defaults={"is_active": "true"},  # some sources list follows without is_active
        rules=(
            Rule(RejectReason.SELF_FOLLOW, "user_id = followed_user_id", "user_id"),
            *_event_time("followed_from_date"),
        ),
    ),
    # No rule about registered_date: a wrong clock must not reject a listener's opt-out.
    "users": SourceContract(
        raw.RAW_USERS,
        _landing_columns(raw.RAW_USERS),
        is_change=True,
    ),
    "tracks": SourceContract(raw.RAW_TRACKS, _landing_columns(raw.RAW_TRACKS), is_change=True),
    "tags": SourceContract(
        raw.RAW_TAGS,
        _landing_columns(raw.RAW_TAGS),
        rules=(_not_after_arrival("tagged_date"),),
    ),
    "feedback": SourceContract(
        raw.RAW_FEEDBACK,
        _landing_columns(raw.RAW_FEEDBACK),
        rules=_event_time("given_at_utc"),
    ),
    "impressions": SourceContract(
        raw.RAW_IMPRESSIONS,
        _landing_columns(raw.RAW_IMPRESSIONS),
        rules=(*_event_time("shown_at_utc"), _not_late("shown_at_utc")),
    ),
    "lyrics": SourceContract(
        raw.RAW_LYRICS,
        (c.TRACK_ID, LYRICS_BYTES),
        rules=(
            Rule(
                RejectReason.NOT_UTF8,
                # A NUL is valid UTF-8 and no letter: it tells of UTF-16 without a mark.
                "NOT is_valid_utf8(CAST(lyrics_bytes AS STRING)) "
                "OR contains(CAST(lyrics_bytes AS STRING), char(0))",
                "track_id",
            ),
        ),
    ),
    "emotion_texts": SourceContract(
        raw.RAW_EMOTION_TEXTS,
        _landing_columns(raw.RAW_EMOTION_TEXTS),
        rules=(_off_scale("valence"), _off_scale("arousal")),
    ),
}
