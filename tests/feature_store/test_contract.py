"""Contracts: which declarations are valid, and what they render."""

from __future__ import annotations

import pytest

from feature_store.contract import Column, ContractError, Kind, OneOf, Table, Time, Within

DAY = Column("as_of_date", Kind.DATE, "The day.")
MOOD = Column("mood", Kind.STRING, "How it feels.").or_null("when unknown")
LOUDNESS = Column("loudness_db", Kind.FLOAT, "How loud it is.", "dB")


def declared(**changes: object) -> Table:
    parts: dict[str, object] = {
        "name": "feat_mood",
        "meaning": "How tracks feel.",
        "columns": (DAY, LOUDNESS, MOOD),
        "key": ("as_of_date", "loudness_db"),
        "time": Time.AS_OF,
    }
    return Table(**(parts | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": (DAY, LOUDNESS, MOOD, MOOD)}, "declared twice"),
        ({"key": ("as_of_date", "tempo_bpm")}, r"names no column: \['tempo_bpm'\]"),
        ({"constraints": (Within("valence", -1, 1),)}, r"names no column: \['valence'\]"),
        ({"entity": ("track_id",)}, r"names no column: \['track_id'\]"),
        ({"time": Time.ARRIVAL}, r"names no column: \['arrival_date'\]"),
        ({"key": ()}, "needs a key"),
        ({"key": ("as_of_date", "mood")}, r"must not be nullable: \['mood'\]"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(ContractError, match=message):
        declared(**changes)


def test_one_declaration_renders_ddl_arrow_and_checks():
    """NOT NULL follows nullability, and every constraint becomes a named CHECK."""
    table = declared(constraints=(Within("loudness_db", -90, 0), OneOf("mood", ("calm", "wild"))))

    assert table.ddl == "as_of_date DATE NOT NULL, loudness_db FLOAT NOT NULL, mood STRING"
    assert [field.nullable for field in table.arrow_schema] == [False, False, True]
    assert table.checks == {
        "loudness_db_within": "loudness_db >= -90 AND loudness_db <= 0",
        "mood_oneof": "mood IS NULL OR (mood IN ('calm', 'wild'))",
    }


def test_documentation_names_unit_key_and_the_meaning_of_null():
    text = declared().markdown

    assert "| loudness_db | float | dB | How loud it is. |" in text
    assert "| mood | string (nullable) |  | How it feels. Null when unknown. |" in text
    assert "Key: `as_of_date`, `loudness_db`. One complete slice per `as_of_date`." in text


def test_content_columns_exclude_provenance():
    """Equal results of two runs have equal content, though each wrote its own run id."""
    run_id = Column("run_id", Kind.STRING, "The run that wrote the row.", is_provenance=True)

    table = declared(columns=(DAY, LOUDNESS, MOOD, run_id))

    assert table.content_columns == ["as_of_date", "loudness_db", "mood"]


def test_only_as_of_tables_are_partitioned():
    known = Column("known_from_date", Kind.DATE, "First day.")

    assert declared().partition_columns == ["as_of_date"]
    assert declared(time=Time.NONE).partition_columns == []
    assert declared(time=Time.KNOWN, columns=(DAY, known, LOUDNESS, MOOD)).partition_columns == []


def test_the_error_of_an_unknown_column_lists_the_columns():
    with pytest.raises(ContractError, match=r"feat_mood has no column 'tempo'; it has \['as_of"):
        declared().column("tempo")
