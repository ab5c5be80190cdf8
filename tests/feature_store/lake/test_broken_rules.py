"""The error of a row that breaks a rule names the rule and no listener: it reaches logs and alerts."""

from __future__ import annotations

import traceback
from datetime import date

import pyarrow as pa
import pytest

from feature_store.contract import OneOf, RuleBroken, Table, Time, Within
from feature_store.lake import arrow_io, spark_io
from feature_store.tables import columns as c

MARCH_1, MARCH_2 = date(2026, 3, 1), date(2026, 3, 2)
RANKS = Table(
    name="rec_ranks",
    meaning="Ranks.",
    columns=(c.AS_OF_DATE, c.USER_ID, c.RANK),
    key=("as_of_date", "user_id"),
    time=Time.AS_OF,
    constraints=(OneOf("user_id", ("ann", "ben")), Within("rank", 1, 9)),
)
LOG = Table(
    name="run_log",
    meaning="Ranks without days.",
    columns=(c.USER_ID, c.RANK),
    key=("user_id",),
    time=Time.NONE,
    constraints=(Within("rank", 1, 9),),
)


def row(user_id, rank):
    return {"as_of_date": MARCH_1, "user_id": user_id, "rank": rank}


def text_of(raised):
    """All that a task's log would show of the error."""
    return "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("broken", [row("zoe", 1), row("ben", 0), row("ben", None)])
def test_spark_names_the_rule_and_no_listener(spark, tmp_path, broken):
    frame = spark.createDataFrame(
        [tuple(broken.values())], "as_of_date date, user_id string, rank int"
    )

    with pytest.raises(RuleBroken, match=r"^rec_ranks: .*nothing was written") as raised:
        spark_io.write(frame, str(tmp_path), RANKS, first=MARCH_1, end=MARCH_2)

    assert broken["user_id"] not in text_of(raised).replace("'ann', 'ben'", "")
    assert ("user_id" if broken["user_id"] == "zoe" else "rank") in str(raised.value)


@pytest.mark.parametrize("broken", [row("zoe", 1), row("ben", 0)])
def test_a_slice_names_its_rules_and_no_listener(tmp_path, broken):
    rows = pa.Table.from_pylist([broken], schema=RANKS.arrow_schema)

    with pytest.raises(RuleBroken, match=r"^rec_ranks: 1 rows break .*rank") as raised:
        arrow_io.write_slice(str(tmp_path), RANKS, rows, as_of=MARCH_1)

    assert broken["user_id"] not in text_of(raised)
    assert arrow_io.read_table(str(tmp_path), RANKS).num_rows == 0


@pytest.mark.parametrize("write", [arrow_io.append, arrow_io.replace_rows])
def test_rows_of_a_log_name_their_rules_and_no_listener(tmp_path, write):
    rows = pa.Table.from_pylist([{"user_id": "zoe", "rank": 0}], schema=LOG.arrow_schema)

    with pytest.raises(RuleBroken, match=r"^run_log: 1 rows break .*rank") as raised:
        write(str(tmp_path), LOG, rows)

    assert "zoe" not in text_of(raised)
