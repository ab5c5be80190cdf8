"""Suites rendered from contracts find each kind of broken rule, in one scan with the fingerprint."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from feature_store.contract import Column, Kind, OneOf, Table, Time, Within
from feature_store.lake.content_hash import fingerprint_and_counts, spark_fingerprint
from feature_store.lake.storage import FolderStorage
from feature_store.publishing.contract_suites import (
    contract_rules,
    read_validations,
    repeated_keys,
    rule_counts,
    store_validations,
    validate_contract,
)

DAY = date(2026, 3, 1)
MOODS = Table(
    name="moods",
    meaning="Moods.",
    columns=(
        Column("track_id", Kind.STRING, "Track."),
        Column("mood", Kind.STRING, "Mood."),
        Column("strength", Kind.DOUBLE, "How much.", is_nullable=True),
    ),
    key=("track_id", "mood"),
    time=Time.NONE,
    constraints=(OneOf("mood", ("sad", "glad")), Within("strength", 0, 1)),
)
GOOD = [("t1", "sad", 0.0), ("t1", "glad", 1.0), ("t2", "sad", None)]


def moods(spark, rows):
    return spark.createDataFrame(rows, "track_id string, mood string, strength double")


def validation_of(spark, rows):
    frame = moods(spark, rows)
    row_count, content_sha256, counts = fingerprint_and_counts(frame, MOODS, rule_counts(MOODS))
    assert (row_count, content_sha256) == spark_fingerprint(frame, MOODS)
    return validate_contract(MOODS, counts, repeated_keys({MOODS: frame})["moods"])


def test_each_rule_of_the_contract_is_an_expectation():
    assert {rule.name: rule.rule for rule in contract_rules(MOODS)} == {
        "null track_id": "track_id IS NOT NULL",
        "null mood": "mood IS NOT NULL",
        "repeated key": "(track_id, mood) is unique",
        "unknown mood": "mood IN ('sad', 'glad')",
        "out of range strength": "strength >= 0 AND strength <= 1",
    }


def test_good_rows_fulfil_it_and_bounds_and_nulls_are_allowed(spark):
    assert all(validation_of(spark, GOOD).is_passed.values())


@pytest.mark.parametrize(
    ("row", "broken"),
    [
        ((None, "sad", 0.5), ["null track_id"]),
        (("t3", None, 0.5), ["null mood"]),
        (("t1", "sad", 0.5), ["repeated key"]),
        (("t3", "angry", 0.5), ["unknown mood"]),
        (("t3", "sad", 1.01), ["out of range strength"]),
        (("t3", "sad", -0.01), ["out of range strength"]),
        (("t3", "sad", float("nan")), ["out of range strength"]),
        ((None, "angry", 2.0), ["null track_id", "unknown mood", "out of range strength"]),
    ],
)
def test_a_broken_rule_fails_its_expectation_and_no_other(spark, row, broken):
    passed = validation_of(spark, [*GOOD, row]).is_passed

    assert [name for name, is_passed in passed.items() if not is_passed] == broken


def test_repeated_keys_of_several_tables_are_counted_apart(spark):
    """Three rows of one key are two repeats; a null in a key is a value like another."""
    other = replace(MOODS, name="others", key=("track_id",))
    rows = moods(spark, [*GOOD, ("t1", "sad", 1.0), ("t1", "sad", 0.5), (None, "sad", 0.1)])

    assert repeated_keys({MOODS: rows, other: rows}) == {"moods": 2, "others": 3}
    assert repeated_keys({MOODS: rows.limit(0)}) == {"moods": 0}


def test_a_slice_without_rows_is_valid(spark):
    assert all(validation_of(spark, []).is_passed.values())


def test_results_are_kept_beside_the_report(spark, tmp_path):
    """They hold rules and counts, as Great Expectations writes them, and no row."""
    storage = FolderStorage(tmp_path)
    assert read_validations(storage, DAY, "r1") == []

    store_validations(storage, DAY, "r1", [validation_of(spark, [*GOOD, ("t9", "angry", 0.5)])])

    [found] = read_validations(storage, DAY, "r1")
    assert (found["suite_name"], found["success"]) == ("moods", False)
    assert found["statistics"]["unsuccessful_expectations"] == 1
    [failed] = [result for result in found["results"] if not result["success"]]
    assert failed["expectation_config"]["kwargs"]["column"] == "unknown mood"
    assert failed["expectation_config"]["meta"] == {"rule": "mood IN ('sad', 'glad')"}
    assert "t9" not in json.dumps(found)
