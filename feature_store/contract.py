"""Tables as typed values.

One declaration renders the Arrow and Spark schemas, the checks and the docs.

A `Column` says type, unit and meaning once; a `Table` says which columns make one row, which of
them are its key, which rules hold for every row, and how the table moves through time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, cast

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql.types import StructType


class Kind(Enum):
    """A column's type, as Spark SQL spells it and as Arrow holds it."""

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
    """How a table moves through time, which decides what a reader of one `as_of` sees.

    Each member names the column that slices the table; a slice is the unit that a run replaces.
    """

    AS_OF = "as_of_date"  # one complete state per as_of; a reader takes exactly that slice
    ARRIVAL = "arrival_date"  # what arrived on a day; a reader takes every day up to as_of
    KNOWN = (
        "known_from_date"  # what became known on a day; likewise, and the newest row of an entity
    )
    NONE = ""  # rows are functions of content alone and only ever added

    @property
    def column(self) -> str:
        """Name of the slicing column; empty for a timeless table."""
        return self.value


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, in which unit.

    Attributes:
        unit: for people ("ms", "0..1"); empty where the name says it.
        is_provenance: says who wrote the row and when; left out of content hashes, which compare
        results.
        is_person: holds a person's id; an erasure removes the rows in which it is the person's.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    is_nullable: bool = False
    is_provenance: bool = False
    is_person: bool = False

    def or_null(self, when: str) -> Column:
        """The same column, allowed to be null; `when` tells readers what a null says."""
        return replace(self, is_nullable=True, meaning=f"{self.meaning} Null {when}.")


@dataclass(frozen=True, slots=True)
class Within:
    """Every non-null value lies in [low, high]."""

    column: str
    low: float
    high: float

    @property
    def predicate(self) -> str:
        """As SQL that is true for a good row."""
        return f"{self.column} >= {self.low} AND {self.column} <= {self.high}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Every non-null value is one of a closed list."""

    column: str
    values: tuple[str, ...]

    @property
    def predicate(self) -> str:
        """As SQL that is true for a good row."""
        listed = ", ".join(f"'{value}'" for value in self.values)
        return f"{self.column} IN ({listed})"


Gate = Within | OneOf


class ContractError(ValueError):
    """A declaration contradicts itself, or a frame does not follow its table's contract."""


@dataclass(frozen=True, slots=True)
class Table:
    """A Delta table: what one row is, its key, its rules, and how it moves through time.

    Attributes:
        key: columns that identify a row over the whole table.
        entity: for `Time.KNOWN`, the columns that identify what a row is about; a reader as of a
            day gets the newest row of each entity. Empty where rows are events that never change.
        gates: rules that hold for every single row; they become CHECK constraints in Delta.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time: Time
    gates: tuple[Gate, ...] = ()
    entity: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a declaration that names a column which is not there."""
        names = self.column_names
        if len(set(names)) != len(names):
            raise ContractError(f"{self.name}: a column is declared twice: {sorted(names)}")
        used = {*self.key, *self.entity, *(gate.column for gate in self.gates)}
        if self.time is not Time.NONE:
            used.add(self.time.column)
        if unknown := used - set(names):
            raise ContractError(
                f"{self.name}: key, entity, time or gate names no column: {sorted(unknown)}"
            )
        if not self.key:
            raise ContractError(f"{self.name}: a table needs a key")
        if nullable := [name for name in self.key if self.column(name).is_nullable]:
            raise ContractError(f"{self.name}: key columns must not be nullable: {nullable}")

    @property
    def column_names(self) -> list[str]:
        """Names in contract order."""
        return [column.name for column in self.columns]

    @property
    def content_columns(self) -> list[str]:
        """Columns that say what was found, without those that say who wrote it when."""
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
        """The part of the name before the first underscore.

        Raw, core, feat, graph, score, rec, run.
        """
        return self.name.split("_", 1)[0]

    @property
    def partition_columns(self) -> list[str]:
        """Folders: one per as_of for complete states.

        Never an id, never a day of arrival or knowledge.

        A night's file of the latter holds one day anyway, and its statistics let readers skip it.
        """
        return [self.time.column] if self.time is Time.AS_OF else []

    @property
    def ddl(self) -> str:
        """Spark DDL of the columns, NOT NULL where the contract says so."""
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
        """CHECK constraints by name: the gates, each letting null pass where the contract does.

        Delta, unlike SQL, takes a constraint that is null for broken.
        """
        return {
            f"{gate.column}_{type(gate).__name__.lower()}": self._check(gate) for gate in self.gates
        }

    def _check(self, gate: Gate) -> str:
        may_be_null = self.column(gate.column).is_nullable
        return f"{gate.column} IS NULL OR ({gate.predicate})" if may_be_null else gate.predicate

    @property
    def markdown(self) -> str:
        """Documentation for people: meaning, key, slices, columns, rules."""
        lines = [f"### {self.name}", "", self.meaning, ""]
        lines.append(
            f"Key: {', '.join(f'`{name}`' for name in self.key)}. {_TIME_IN_WORDS[self.time]}"
        )
        lines += ["", "| column | type | unit | meaning |", "|---|---|---|---|"]
        for column in self.columns:
            kind = column.kind.sql.lower() + (" (nullable)" if column.is_nullable else "")
            lines.append(f"| {column.name} | {kind} | {column.unit} | {column.meaning} |")
        if self.gates:
            lines += [
                "",
                "Every row: " + "; ".join(f"`{gate.predicate}`" for gate in self.gates) + ".",
            ]
        return "\n".join(lines) + "\n"


_TIME_IN_WORDS = {
    Time.AS_OF: "One complete slice per `as_of_date`.",
    Time.ARRIVAL: "Sliced by `arrival_date`; as of a day: every slice up to it.",
    Time.KNOWN: "Sliced by `known_from_date`; as of a day: what was known by then.",
    Time.NONE: "Rows depend on content alone and are only ever added.",
}
