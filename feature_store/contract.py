"""Table contracts: typed declarations that render schemas, CHECK constraints and documentation.

A `Column` declares type, unit and meaning. A `Table` declares its columns, its key, the rules that
hold for every row, and the day column that slices it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, cast

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

_NO_LETTER = re.compile(r"[\W_]+")


class Kind(Enum):
    """A column type, as Spark SQL DDL and as Arrow type."""

    STRING = ("STRING", pa.string())
    INT = ("INT", pa.int32())
    LONG = ("BIGINT", pa.int64())
    FLOAT = ("FLOAT", pa.float32())
    DOUBLE = ("DOUBLE", pa.float64())
    BOOL = ("BOOLEAN", pa.bool_())
    DATE = ("DATE", pa.date32())
    TIMESTAMP = ("TIMESTAMP", pa.timestamp("us", tz="UTC"))
    BINARY = ("BINARY", pa.binary())
    FLOATS = ("ARRAY<FLOAT>", pa.list_(pa.float32()))
    DOUBLES = ("ARRAY<DOUBLE>", pa.list_(pa.float64()))
    STRINGS = ("ARRAY<STRING>", pa.list_(pa.string()))
    COUNTS = (
        "ARRAY<STRUCT<name: STRING, row_count: BIGINT>>",
        pa.list_(pa.struct([pa.field("name", pa.string()), pa.field("row_count", pa.int64())])),
    )
    PINS = (
        (
            "ARRAY<STRUCT<table_name: STRING, table_version: BIGINT, row_count: BIGINT, "
            "content_sha256: STRING>>"
        ),
        pa.list_(
            pa.struct(
                [
                    pa.field("table_name", pa.string()),
                    pa.field("table_version", pa.int64()),
                    pa.field("row_count", pa.int64()),
                    pa.field("content_sha256", pa.string()),
                ]
            )
        ),
    )
    GATE_RESULTS = (
        (
            "ARRAY<STRUCT<rule: STRING, table_name: STRING, is_passed: BOOLEAN, value: DOUBLE, "
            "threshold: STRING, examples: STRING, is_absolute: BOOLEAN, waived_by: STRING>>"
        ),
        pa.list_(
            pa.struct(
                [
                    pa.field("rule", pa.string()),
                    pa.field("table_name", pa.string()),
                    pa.field("is_passed", pa.bool_()),
                    pa.field("value", pa.float64()),
                    pa.field("threshold", pa.string()),
                    pa.field("examples", pa.string()),
                    pa.field("is_absolute", pa.bool_()),
                    pa.field("waived_by", pa.string()),
                ]
            )
        ),
    )

    def __init__(self, sql: str, arrow: pa.DataType) -> None:
        self.sql = sql
        self.arrow = arrow


class Time(Enum):
    """The day column that slices a table, which decides what a reader of one `as_of` gets.

    A slice is the unit that a run replaces.
    """

    # One complete state per as_of; a reader gets exactly that slice.
    AS_OF = "as_of_date"
    # Rows by day of arrival; a reader gets every day up to as_of.
    ARRIVAL = "arrival_date"
    # Changes by day; a reader gets the newest row of each entity up to as_of.
    KNOWN = "known_from_date"
    # Rows depend on content alone and are only appended.
    NONE = ""

    @property
    def column(self) -> str:
        """Name of the day column; empty for a timeless table."""
        return self.value


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        unit: for documentation ("ms", "0..1"); empty where the name contains it.
        is_provenance: the column tells which run wrote the row and when; content hashes exclude it.
        is_person: the column holds a person's id; an erasure removes that person's rows.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    is_nullable: bool = False
    is_provenance: bool = False
    is_person: bool = False

    def or_null(self, when: str) -> Column:
        """The same column as nullable; `when` documents the meaning of null."""
        return replace(self, is_nullable=True, meaning=f"{self.meaning} Null {when}.")


def column_spelling(name: str) -> str:
    """Letters and digits of a column's name: `isOptedOut` and `is-opted-out ` spell one name."""
    return _NO_LETTER.sub("", name.casefold())


@dataclass(frozen=True, slots=True)
class Within:
    """Every non-null value lies in [low, high]."""

    column: str
    low: float
    high: float

    @property
    def predicate(self) -> str:
        """SQL condition that valid rows fulfil."""
        return f"{self.column} >= {self.low} AND {self.column} <= {self.high}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Every non-null value is one of `values`."""

    column: str
    values: tuple[str, ...]

    @property
    def predicate(self) -> str:
        """SQL condition that valid rows fulfil."""
        listed = ", ".join(f"'{value}'" for value in self.values)
        return f"{self.column} IN ({listed})"


Constraint = Within | OneOf


class ContractError(ValueError):
    """A declaration contradicts itself, or rows contradict their table's contract."""


class RuleBroken(ContractError):
    """A row breaks a constraint of its table; nothing was written."""


@dataclass(frozen=True, slots=True)
class Table:
    """The contract of one Delta table.

    Attributes:
        key: columns that identify a row in the whole table.
        entity: for `Time.KNOWN`, the columns that identify an entity; a reader as of a day gets the
            newest row of each entity. Empty for events, which never change.
        constraints: rules that hold for every row; Delta enforces them as CHECK constraints.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time: Time
    constraints: tuple[Constraint, ...] = ()
    entity: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        names = self.column_names
        if len(set(names)) != len(names):
            raise ContractError(f"{self.name}: a column is declared twice: {sorted(names)}")
        used = {*self.key, *self.entity, *(rule.column for rule in self.constraints)}
        if self.time is not Time.NONE:
            used.add(self.time.column)
        if unknown := used - set(names):
            raise ContractError(
                f"{self.name}: key, entity, time or constraint names no column: {sorted(unknown)}"
            )
        if not self.key:
            raise ContractError(f"{self.name}: a table needs a key")
        if nullable := [name for name in self.key if self.column(name).is_nullable]:
            raise ContractError(f"{self.name}: key columns must not be nullable: {nullable}")

    @property
    def column_names(self) -> list[str]:
        """Column names in contract order."""
        return [column.name for column in self.columns]

    @property
    def content_columns(self) -> list[str]:
        """Columns without provenance; content hashes cover these."""
        return [column.name for column in self.columns if not column.is_provenance]

    @property
    def person_columns(self) -> list[str]:
        """Columns that hold a person's id."""
        return [column.name for column in self.columns if column.is_person]

    def column(self, name: str) -> Column:
        """The column called `name`.

        Raises:
            ContractError: no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise ContractError(f"{self.name} has no column {name!r}; it has {self.column_names}")

    @property
    def layer(self) -> str:
        """The part of the name before the first underscore, a key of tables.layers.LAYERS."""
        return self.name.split("_", 1)[0]

    @property
    def partition_columns(self) -> list[str]:
        """Partition columns: as_of_date for complete states, none for other tables.

        A night's file of the other tables holds one day, and file statistics let readers skip it.
        """
        return [self.time.column] if self.time is Time.AS_OF else []

    @property
    def ddl(self) -> str:
        """Spark DDL of the columns, with NOT NULL."""
        return ", ".join(
            f"{column.name} {column.kind.sql}{'' if column.is_nullable else ' NOT NULL'}"
            for column in self.columns
        )

    @property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema, in contract order."""
        return pa.schema(
            [
                pa.field(column.name, column.kind.arrow, nullable=column.is_nullable)
                for column in self.columns
            ]
        )

    def spark_schema(self) -> StructType:
        """The Spark schema, in contract order. Imports Spark only when called."""
        from pyspark.sql.types import StructType

        return cast("StructType", StructType.fromDDL(self.ddl))

    @property
    def checks(self) -> dict[str, str]:
        """CHECK constraints by name; nullable columns accept null.

        Unlike SQL, Delta treats a constraint that evaluates to null as broken.
        """
        return {
            f"{rule.column}_{type(rule).__name__.lower()}": self._check(rule)
            for rule in self.constraints
        }

    def _check(self, rule: Constraint) -> str:
        if self.column(rule.column).is_nullable:
            return f"{rule.column} IS NULL OR ({rule.predicate})"
        return rule.predicate

    @property
    def markdown(self) -> str:
        """Documentation of the table: meaning, key, slices, columns, rules."""
        lines = [f"### {self.name}", "", self.meaning, ""]
        lines.append(
            f"Key: {', '.join(f'`{name}`' for name in self.key)}. {_TIME_SENTENCES[self.time]}"
        )
        lines += ["", "| column | type | unit | meaning |", "|---|---|---|---|"]
        for column in self.columns:
            kind = column.kind.sql.lower() + (" (nullable)" if column.is_nullable else "")
            lines.append(f"| {column.name} | {kind} | {column.unit} | {column.meaning} |")
        if self.constraints:
            lines += [
                "",
                "Every row: " + "; ".join(f"`{rule.predicate}`" for rule in self.constraints) + ".",
            ]
        return "\n".join(lines) + "\n"


_TIME_SENTENCES = {
    Time.AS_OF: "One complete slice per `as_of_date`.",
    Time.ARRIVAL: "Sliced by `arrival_date`; as of a day: every slice up to it.",
    Time.KNOWN: "Sliced by `known_from_date`; as of a day: what was known by then.",
    Time.NONE: "Rows depend on content alone and are only ever added.",
}
