"""Readers and writers with Spark and with Arrow, on real Delta tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError

from feature_store.contract import Column, ContractError, Kind, OneOf, Table, Time
from feature_store.lake import arrow_io, spark_io
from feature_store.lake.content_hash import spark_fingerprint
from feature_store.lake.delta_tables import TableMissing, open_table
from feature_store.privacy import table_rewrite
from feature_store.tables import columns as c

MARCH_1, MARCH_2, MARCH_3 = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
LEAP_DAY = date(2028, 2, 29)

MOOD = Column("mood", Kind.STRING, "How it feels.")
MOODS = Table(
    name="feat_mood",
    meaning="Moods by day.",
    columns=(c.AS_OF_DATE, c.TRACK_ID, MOOD, c.RUN_ID),
    key=("as_of_date", "track_id"),
    time=Time.AS_OF,
    constraints=(OneOf("mood", ("calm", "wild")),),
)
TITLES = Table(
    name="core_titles",
    meaning="Titles as they became known.",
    columns=(c.TRACK_ID, c.TITLE, c.KNOWN_FROM_DATE),
    key=("track_id", "known_from_date"),
    entity=("track_id",),
    time=Time.KNOWN,
)


def moods(spark, day, *rows, run_id="r1"):
    return spark.createDataFrame([(day, *row, run_id) for row in rows], MOODS.spark_schema())


def titles(spark, *rows):
    return spark.createDataFrame(rows, TITLES.spark_schema())


def write_titles(spark, lake, day, rows):
    frame = spark.createDataFrame(list(rows), TITLES.spark_schema())
    spark_io.write(frame, lake, TITLES, first=day, end=next_day(day))


def next_day(day):
    return date.fromordinal(day.toordinal() + 1)


def write_moods(spark, lake, day, *rows, **options):
    frame = moods(spark, day, *rows, **options)
    return spark_io.write(frame, lake, MOODS, first=day, end=next_day(day))


def test_a_write_replaces_its_whole_slice_and_no_other_slice(spark, tmp_path):
    lake = str(tmp_path)
    write_moods(spark, lake, MARCH_1, ("a", "calm"), ("b", "wild"))
    write_moods(spark, lake, MARCH_2, ("a", "wild"))
    write_moods(spark, lake, MARCH_1, ("c", "calm"))

    found = {
        (row["as_of_date"], row["track_id"]) for row in arrow_io.read_table(lake, MOODS).to_pylist()
    }

    assert found == {(MARCH_1, "c"), (MARCH_2, "a")}
    write_moods(spark, lake, MARCH_1)
    assert arrow_io.read_table(lake, MOODS)["as_of_date"].to_pylist() == [MARCH_2]


def test_a_lake_may_lie_in_a_folder_with_a_blank(spark, tmp_path):
    lake = str(tmp_path / "my läke (1), 'new'")
    write_moods(spark, lake, MARCH_1, ("a", "calm"))
    write_moods(spark, lake, MARCH_2, ("b", "wild"))

    by_spark = spark_io.read(spark, lake, MOODS, as_of=MARCH_2).collect()

    assert [row.track_id for row in by_spark] == ["b"]
    assert arrow_io.read_table(lake, MOODS, as_of=MARCH_1)["track_id"].to_pylist() == ["a"]


def test_a_leap_day_is_a_day(spark, tmp_path):
    lake = str(tmp_path)
    write_moods(spark, lake, LEAP_DAY, ("a", "calm"))
    write_moods(spark, lake, date(2028, 3, 1), ("b", "calm"))

    assert spark_io.read(spark, lake, MOODS, as_of=LEAP_DAY).collect()[0]["track_id"] == "a"


def test_the_content_hash_ignores_the_order_of_rows_and_the_run(spark, tmp_path):
    """A content hash covers results only, not the order of rows or provenance."""
    one = write_moods(spark, str(tmp_path / "1"), MARCH_1, ("a", "calm"), ("b", "wild"))
    two = write_moods(
        spark, str(tmp_path / "2"), MARCH_1, ("b", "wild"), ("a", "calm"), run_id="other"
    )
    three = write_moods(spark, str(tmp_path / "3"), MARCH_1, ("a", "wild"), ("b", "calm"))

    assert one.content_sha256 == two.content_sha256
    assert one.content_sha256 != three.content_sha256


def test_a_duplicated_row_changes_the_hash(spark, tmp_path):
    once = write_moods(spark, str(tmp_path / "1"), MARCH_1, ("a", "calm"))
    twice = write_moods(spark, str(tmp_path / "2"), MARCH_1, ("a", "calm"), ("a", "calm"))

    assert once.content_sha256 != twice.content_sha256


def test_reading_rows_back_gives_the_hash_of_the_write(spark, tmp_path):
    written = write_moods(spark, str(tmp_path), MARCH_1, ("a", "calm"), ("b", "wild"))

    back = spark_io.read(spark, str(tmp_path), MOODS, as_of=MARCH_1, version=written.table_version)

    assert spark_fingerprint(back, MOODS) == (2, written.content_sha256)


def test_the_error_names_the_broken_rule_and_nothing_is_written(spark, tmp_path):
    lake = str(tmp_path)
    write_moods(spark, lake, MARCH_1, ("a", "calm"))

    with pytest.raises(
        spark_io.RuleBroken, match=r"feat_mood: .*mood_oneof.*mood : angry; nothing was written"
    ):
        write_moods(spark, lake, MARCH_1, ("a", "angry"))

    assert arrow_io.read_table(lake, MOODS, columns=["mood"]).to_pylist() == [{"mood": "calm"}]


def test_a_null_passes_the_rule_of_a_nullable_column(spark, tmp_path):
    """Delta treats a constraint that evaluates to null as broken."""
    nullable = replace(
        MOODS, columns=(c.AS_OF_DATE, c.TRACK_ID, MOOD.or_null("at night"), c.RUN_ID)
    )
    rows = spark.createDataFrame([(MARCH_1, "a", None, "r1")], nullable.spark_schema())

    written = spark_io.write(rows, str(tmp_path), nullable, first=MARCH_1, end=MARCH_2)

    assert written.row_count == 1


def test_a_row_of_another_day_is_refused_and_nothing_is_replaced(spark, tmp_path):
    lake = str(tmp_path)
    for day in (MARCH_1, MARCH_2):
        write_moods(spark, lake, day, ("a", "calm"))
    before = arrow_io.read_table(lake, MOODS).to_pylist()
    rows = moods(spark, MARCH_2, ("b", "wild")).union(moods(spark, MARCH_1, ("c", "wild")))

    with pytest.raises(spark_io.RuleBroken, match="feat_mood"):
        spark_io.write(rows, lake, MOODS, first=MARCH_1, end=MARCH_2)

    assert arrow_io.read_table(lake, MOODS).to_pylist() == before


def test_when_java_has_died_the_first_error_is_told():
    """Putting the option back fails too, with an error that says less."""
    session = DeadSession()

    with (
        pytest.raises(spark_io.RuleBroken, match="first"),
        spark_io._whole_partitions(session, MOODS),
    ):
        raise spark_io.RuleBroken("first")

    assert session.options == ["false"]


class DeadSession:
    """A session whose Java dies after the first option was set."""

    def __init__(self):
        self.conf, self.options = self, []

    def set(self, _name, value):
        self.options.append(value)

    def unset(self, _name):
        raise ConnectionRefusedError("no Java")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda frame: frame.drop("mood"), "the job gave columns"),
        (lambda frame: frame.withColumn("mood", frame["as_of_date"]), "mood is date, not string"),
    ],
)
def test_a_frame_that_contradicts_its_contract_is_refused(spark, tmp_path, change, complaint):
    rows = change(moods(spark, MARCH_1, ("a", "calm")))

    with pytest.raises(ContractError, match=complaint):
        spark_io.write(rows, str(tmp_path), MOODS, first=MARCH_1, end=MARCH_2)


@pytest.mark.parametrize("days", [(None, None), (MARCH_1, MARCH_1), (MARCH_2, MARCH_1)])
def test_a_write_without_days_is_refused(spark, tmp_path, days):
    with pytest.raises(ContractError, match="replaces the days"):
        spark_io.write(
            moods(spark, MARCH_1, ("a", "calm")), str(tmp_path), MOODS, first=days[0], end=days[1]
        )


@pytest.fixture(scope="module")
def lake_of_titles(spark, tmp_path_factory):
    """`a` was renamed on 2 March and `b` appeared on 3 March."""
    lake = str(tmp_path_factory.mktemp("titles"))
    rows = titles(spark, ("a", "Old", MARCH_1), ("a", "New", MARCH_2), ("b", "Late", MARCH_3))
    spark_io.write(rows, lake, TITLES, first=MARCH_1, end=date(2026, 3, 4))
    return lake


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (date(2026, 2, 28), []),
        (MARCH_1, [("a", "Old")]),
        (MARCH_2, [("a", "New")]),
        (MARCH_3, [("a", "New"), ("b", "Late")]),
    ],
)
def test_as_of_a_day_both_readers_see_what_was_known_that_day(
    spark, lake_of_titles, as_of, expected
):
    with_spark = spark_io.read(spark, lake_of_titles, TITLES, as_of=as_of).collect()
    without = arrow_io.read_table(lake_of_titles, TITLES, as_of=as_of).to_pylist()

    assert sorted((row["track_id"], row["title"]) for row in with_spark) == expected
    assert [(row["track_id"], row["title"]) for row in without] == expected


def test_read_history_returns_every_row_of_the_given_days(spark, lake_of_titles):
    rows = spark_io.read_history(spark, lake_of_titles, TITLES, since=MARCH_2, until=MARCH_2)

    assert [(row["track_id"], row["title"]) for row in rows.collect()] == [("a", "New")]


def test_newest_day_finds_the_newest_day_in_the_log(spark, lake_of_titles, tmp_path):
    assert spark_io.newest_day(lake_of_titles, TITLES) == MARCH_3
    assert spark_io.newest_day(str(tmp_path), TITLES) is None

    write_moods(spark, str(tmp_path), MARCH_2, ("a", "calm"))
    assert spark_io.newest_day(str(tmp_path), MOODS) == MARCH_2


def test_a_day_without_rows_is_processed_and_stays_so(spark, tmp_path):
    """Also after an earlier day is written again, and after the log begins at a checkpoint."""
    lake = str(tmp_path)
    assert spark_io.processed_until(lake, TITLES) is None
    write_titles(spark, lake, MARCH_1, (("a", "A", MARCH_1),))
    write_titles(spark, lake, MARCH_2, ())
    assert spark_io.processed_until(lake, TITLES) == MARCH_2
    assert spark_io.newest_day(lake, TITLES) == MARCH_1

    write_titles(spark, lake, MARCH_1, (("b", "B", MARCH_1),))
    table_rewrite.purge_history(lake, TITLES)

    assert spark_io.processed_until(lake, TITLES) == MARCH_2
    assert arrow_io.read_table(lake, TITLES)["track_id"].to_pylist() == ["b"]


def test_a_table_whose_progress_was_never_recorded_goes_on_after_its_newest_row(tmp_path):
    rows = pa.Table.from_pylist(
        [{"track_id": "a", "title": "A", "known_from_date": MARCH_2}], TITLES.arrow_schema
    )
    write_deltalake(str(tmp_path / "tables" / "core_titles"), rows)

    assert spark_io.processed_until(str(tmp_path), TITLES) == MARCH_2


def test_a_column_that_may_be_null_now_takes_null_in_an_earlier_table(spark, tmp_path):
    lake = str(tmp_path)
    write_titles(spark, lake, MARCH_1, (("a", "A", MARCH_1),))
    widened = replace(TITLES, columns=(c.TRACK_ID, c.TITLE.or_null("unknown"), c.KNOWN_FROM_DATE))

    rows = spark.createDataFrame([("b", None, MARCH_2)], widened.spark_schema())
    spark_io.write(rows, lake, widened, first=MARCH_2, end=MARCH_3)

    titles_now = arrow_io.read_table(lake, widened)["title"].to_pylist()
    assert sorted(titles_now, key=str) == ["A", None]


def test_the_error_of_a_missing_table_names_the_job_that_writes_it(tmp_path):
    with pytest.raises(
        TableMissing, match=r"feat_mood: no table at .*python -m jobs.run feat_mood"
    ):
        arrow_io.read_table(str(tmp_path), MOODS)


def mood_rows(*rows):
    return pa.Table.from_pylist(
        [dict(zip(MOODS.column_names, row, strict=True)) for row in rows],
        schema=MOODS.arrow_schema,
    )


def test_without_a_jvm_a_write_replaces_its_slice(tmp_path):
    lake = str(tmp_path)
    arrow_io.write_slice(lake, MOODS, mood_rows((MARCH_1, "a", "calm", "r1")), as_of=MARCH_1)
    arrow_io.write_slice(lake, MOODS, mood_rows((MARCH_2, "b", "calm", "r1")), as_of=MARCH_2)
    arrow_io.write_slice(lake, MOODS, mood_rows((MARCH_1, "c", "wild", "r2")), as_of=MARCH_1)

    found = arrow_io.read_table(lake, MOODS, columns=["track_id"]).to_pylist()

    assert found == [{"track_id": "c"}, {"track_id": "b"}]


def test_without_a_jvm_a_row_of_another_day_is_refused(tmp_path):
    with pytest.raises(ContractError, match="nothing was written"):
        arrow_io.write_slice(
            str(tmp_path), MOODS, mood_rows((MARCH_2, "a", "calm", "r1")), as_of=MARCH_1
        )


def test_only_the_columns_asked_for_and_those_that_order_the_rows_are_read(tmp_path, monkeypatch):
    """The newest title of each track needs the day and the track, which the reader drops."""
    lake = str(tmp_path)
    rows = [("b", "New", MARCH_2), ("b", "Old", MARCH_1), ("a", "First", MARCH_1)]
    arrow_io.append(lake, TITLES, title_rows(*rows))
    read = []
    scan = arrow_io._scan
    monkeypatch.setattr(
        arrow_io, "_scan", lambda *given: read.append(scan(*given).column_names) or scan(*given)
    )

    titles_of_day = arrow_io.read_table(lake, TITLES, as_of=MARCH_3, columns=["title"])
    days = arrow_io.read_table(lake, TITLES, columns=["known_from_date"], in_key_order=False)

    assert titles_of_day.to_pylist() == [{"title": "First"}, {"title": "New"}]
    assert titles_of_day.schema.field("title") == TITLES.arrow_schema.field("title")
    assert sorted(days["known_from_date"].to_pylist()) == [MARCH_1, MARCH_1, MARCH_2]
    assert read == [["known_from_date", "title", "track_id"], ["known_from_date"]]


def title_rows(*rows):
    return pa.Table.from_pylist(
        [dict(zip(TITLES.column_names, row, strict=True)) for row in rows],
        schema=TITLES.arrow_schema,
    )


def test_rows_that_were_appended_since_the_others_were_read_are_not_replaced(tmp_path):
    lake = str(tmp_path)
    arrow_io.append(lake, TITLES, title_rows(("a", "Old", MARCH_1)))
    read_version = open_table(lake, TITLES).version()
    arrow_io.append(lake, TITLES, title_rows(("b", "New", MARCH_1)))
    corrected = title_rows(("a", "Corrected", MARCH_1))

    with pytest.raises(CommitFailedError):
        arrow_io.replace_rows(lake, TITLES, corrected, read_version=read_version)
    assert arrow_io.read_table(lake, TITLES)["title"].to_pylist() == ["Old", "New"]

    arrow_io.replace_rows(lake, TITLES, corrected, read_version=read_version + 1)
    assert arrow_io.read_table(lake, TITLES)["title"].to_pylist() == ["Corrected"]


def test_a_condition_selects_rows_by_a_column_that_is_not_returned(tmp_path):
    lake = str(tmp_path)
    rows = mood_rows((MARCH_1, "b", "calm", "r1"), (MARCH_1, "a", "wild", "r1"))
    arrow_io.write_slice(lake, MOODS, rows, as_of=MARCH_1)

    found = arrow_io.read_table(lake, MOODS, columns=["track_id"], where={"mood": "calm"})

    assert found.to_pylist() == [{"track_id": "b"}]


def test_a_condition_that_would_hide_the_newest_row_is_refused(tmp_path):
    """Track `a` is called New, so as of 2 March nothing is called Old."""
    lake = str(tmp_path)
    rows = title_rows(("a", "Old", MARCH_1), ("a", "New", MARCH_2), ("b", "Other", MARCH_1))
    arrow_io.append(lake, TITLES, rows)

    with pytest.raises(ContractError, match=r"core_titles: a condition on \['title'\]"):
        arrow_io.read_table(lake, TITLES, as_of=MARCH_2, where={"title": "Old"})

    of_a = arrow_io.read_table(lake, TITLES, as_of=MARCH_2, where={"track_id": "a"})
    assert of_a["title"].to_pylist() == ["New"]
    every = arrow_io.read_table(lake, TITLES, where={"title": "Old"})
    assert every["track_id"].to_pylist() == ["a"]


def test_the_error_of_an_unknown_column_names_it(tmp_path):
    arrow_io.write_slice(
        str(tmp_path), MOODS, mood_rows((MARCH_1, "a", "calm", "r1")), as_of=MARCH_1
    )

    with pytest.raises(ContractError, match="feat_mood has no column 'tempo'"):
        arrow_io.read_table(str(tmp_path), MOODS, columns=["tempo"])


def test_a_slice_of_an_old_version_is_readable_when_its_other_files_are_deleted(spark, tmp_path):
    """Vacuum keeps only the files of the pinned day of an old version."""
    lake = str(tmp_path)
    write_moods(spark, lake, MARCH_1, ("a", "calm"))
    pinned = write_moods(spark, lake, MARCH_2, ("a", "wild"))
    [file] = (tmp_path / "tables" / MOODS.name).glob("as_of_date=2026-03-01/*.parquet")
    file.unlink()

    rows = spark_io.read(spark, lake, MOODS, as_of=MARCH_2, version=pinned.table_version)

    assert [row.mood for row in rows.collect()] == ["wild"]
