"""Gates block a night, run again after a race, and state which of them are absolute."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import functions as F

from feature_store.lake import spark_io
from feature_store.lake.storage import open_storage
from feature_store.publishing import gates, publish
from feature_store.publishing.contract_suites import read_validations
from feature_store.publishing.gates import GateFailed
from feature_store.publishing.snapshot import events, open_snapshot
from feature_store.runs.run_log import record_task
from feature_store.settings import Night, load_settings
from feature_store.tables import table_called
from feature_store.tables.recommendations import REC_CHANGES, REC_TOPK
from jobs.publishing import publication
from jobs.publishing.population_rules import list_metrics, tier_shift
from jobs.publishing.publication import publish_night
from tests.support import toy_dataset

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def stage_again(spark, night, rows=None):
    """Write the run's rec_topk again: its versions are published already, these are new ones."""
    lake, end = night.settings.lake, night.as_of + timedelta(days=1)
    staged = spark_io.read(spark, lake, REC_TOPK, as_of=night.as_of)
    written = spark_io.write(rows or staged, lake, REC_TOPK, first=night.as_of, end=end)
    record_task(night, written, {}, elapsed_s=0, now=datetime.now(UTC))


def test_a_broken_population_gate_blocks_the_night_and_readers_keep_their_snapshot(
    nights, spark, tmp_path
):
    """A listener's list has become popular; a gate that allows no such row blocks publication."""
    lake = str(shutil.copytree(nights.lake, tmp_path / "lake"))
    strict = load_settings(
        lake=lake, state=tmp_path, lists={"length": 3}, gates={"max_popular_tier_ratio": 0.0}
    )
    night = Night(toy_dataset.NEXT_DAY, nights.second["run_id"], strict)
    staged = spark_io.read(spark, lake, REC_TOPK, as_of=night.as_of)
    of_a_listener = staged["user_id"] == toy_dataset.LISTENERS[0]
    tier = F.when(of_a_listener, "popular").otherwise(staged["tier"])
    stage_again(spark, night, staged.withColumn("tier", tier))

    with pytest.raises(
        GateFailed, match=r"rec_topk: popular_tier_ratio is 0\.\d+, must be at most 0"
    ):
        publish_night(night, mode="auto", actor="test", now=NOON, spark=spark)

    assert (events(lake)[-1].action, events(lake)[-1].reason) == ("blocked", "popular_tier_ratio")
    assert open_snapshot(lake).event.event_number == 2


def test_a_row_that_breaks_an_absolute_gate_blocks_the_night_by_name(nights, spark, tmp_path):
    """The gate finds a hidden track in a staged list; the event alone keeps its row as the example."""
    lake = str(shutil.copytree(nights.lake, tmp_path / "lake"))
    settings = load_settings(lake=lake, state=tmp_path, lists={"length": 3})
    night = Night(toy_dataset.NEXT_DAY, nights.second["run_id"], settings)
    staged = spark_io.read(spark, lake, REC_TOPK, as_of=toy_dataset.NEXT_DAY)
    is_first_of_hider = (staged["user_id"] == toy_dataset.HIDER) & (staged["rank"] == 1)
    with_hidden_track = staged.withColumn(
        "track_id", F.when(is_first_of_hider, "r1").otherwise(staged["track_id"])
    )
    stage_again(spark, night, with_hidden_track)

    with pytest.raises(GateFailed, match="hidden_tracks_topk is 1, ") as failed:
        publish_night(night, mode="auto", actor="test", now=NOON, spark=spark)

    [gate] = [each for each in events(lake)[-1].gates if each["rule"] == "hidden_tracks_topk"]
    assert '"user_id":"rock-1"' in gate["examples"]
    assert "rock-1" not in str(failed.value)


@pytest.mark.parametrize(("n_races", "is_published"), [(1, True), (3, False)])
def test_gates_run_again_when_another_event_becomes_current_meanwhile(
    nights, spark, tmp_path, monkeypatch, n_races, is_published
):
    """Another event becomes current during the first check of the gates, or during each of three checks."""
    lake = str(shutil.copytree(nights.lake, tmp_path / "lake"))
    settings = load_settings(lake=lake, state=tmp_path, lists={"length": 3})
    night = Night(toy_dataset.NEXT_DAY, nights.second["run_id"], settings)
    stage_again(spark, night)
    other_events, judged = [], []

    def judge_during_race(found):
        current = open_snapshot(lake).event
        if len(judged) < n_races:
            other = replace(
                current, run_id=f"other-{len(judged)}", replaces_event=current.event_number
            )
            other_events.append(publish.append_event(lake, other).event_number)
        judged.append(current.event_number)
        return gates.evaluate_gates(found)

    monkeypatch.setattr(publication, "evaluate_gates", judge_during_race)
    if is_published:
        event = publish_night(night, mode="make_current", actor="test", now=NOON, spark=spark)
        assert event.replaces_event == other_events[-1]
        assert open_snapshot(lake).event == event
    else:
        with pytest.raises(publish.CurrentMoved, match="this run was to replace"):
            publish_night(night, mode="make_current", actor="test", now=NOON, spark=spark)

    assert len(judged) == min(n_races + 1, 3)
    assert judged == sorted(set(judged))


def test_gates_about_rows_are_absolute_and_gates_about_the_population_are_not(nights):
    """Operators may not waive absolute gates: these protect people and what readers rely on."""
    newest = [event for event in events(nights.lake) if event.action == "publish"][-1]

    absolute = {gate["rule"] for gate in newest.gates if gate["is_absolute"]}

    assert absolute == {
        "duplicate_keys_topk", "duplicate_keys_similar", "rank_holes_topk", "rank_holes_similar",
        "unavailable_tracks_topk", "unavailable_tracks_similar", "hidden_tracks_topk",
        "opted_out_or_unknown_people", "erased_people_topk", "tracks_over_artist_limit",
        "duplicate_keys_mood", "rank_holes_mood", "unavailable_tracks_mood", "hidden_tracks_mood",
        "opted_out_or_unknown_people_mood", "erased_people_mood", "tracks_over_artist_limit_mood",
        "columns_lost", "dangling_edges",
        "contract_rec_topk", "contract_rec_similar_tracks", "contract_rec_changes",
        "contract_rec_mood",
    }  # fmt: skip
    assert len(newest.gates) - len(absolute) == 17


def test_a_night_without_lists_breaks_gates_and_does_not_raise(nights, spark):
    """A night without any list must end as a blocked event whose gates name the cause."""
    settings = load_settings(lake=nights.lake)
    nothing = spark.createDataFrame([], REC_TOPK.spark_schema())
    tracks = spark_io.read(
        spark, nights.lake, table_called("core_tracks"), as_of=toy_dataset.LAST_DAY
    )
    possible = spark.createDataFrame([("ann", 3)], "user_id string, possible_length long")
    listened = spark.createDataFrame([("ann", "hymn")], "user_id string, track_id string")
    night = Night(toy_dataset.LAST_DAY, "empty", settings)

    found = list_metrics(nothing, possible, listened, tracks, night)

    assert {one.rule: one.value for one in found} == {
        "full_list_ratio": 0, "popular_tier_ratio": 1, "catalogue_coverage_ratio": 0,
    }  # fmt: skip


def test_lists_that_change_their_tiers_overnight_break_a_gate(nights, spark):
    """Five popular rows replace three personal and two warm ones of ten: half have moved."""
    night = Night(toy_dataset.LAST_DAY, "r", load_settings(lake=nights.lake))
    before = spark.createDataFrame(
        [(tier,) for tier in 8 * ["personal"] + 2 * ["warm"]], "tier string"
    )
    now = spark.createDataFrame(
        [(tier,) for tier in 5 * ["personal"] + 5 * ["popular"]], "tier string"
    )

    assert tier_shift(now, before, night).value == pytest.approx(0.5)
    assert tier_shift(now, None, night).value == 0
    assert tier_shift(before.limit(0), before, night).value == pytest.approx(0.5)


def test_a_slice_that_breaks_its_contract_blocks_the_night(nights, spark, tmp_path):
    """A repeated row of rec_changes, which Delta's rules let through and no row rule looks at."""
    lake = str(shutil.copytree(nights.lake, tmp_path / "lake"))
    settings = load_settings(lake=lake, state=tmp_path, lists={"length": 3})
    night = Night(toy_dataset.NEXT_DAY, nights.second["run_id"], settings)
    staged = spark_io.read(spark, lake, REC_CHANGES, as_of=toy_dataset.NEXT_DAY)
    written = spark_io.write(
        staged.unionByName(staged.limit(1)),
        lake,
        REC_CHANGES,
        first=toy_dataset.NEXT_DAY,
        end=toy_dataset.NEXT_DAY + timedelta(days=1),
    )
    record_task(night, written, {}, elapsed_s=0, now=datetime.now(UTC))

    with pytest.raises(
        GateFailed, match=r"contract_rec_changes is 1, must be at most 0 \(event \d+, blocked\)"
    ):
        publish_night(night, mode="auto", actor="test", now=NOON, spark=spark)

    [failed] = [
        validation
        for validation in read_validations(open_storage(lake), night.as_of, night.run_id)
        if not validation["success"]
    ]
    assert failed["suite_name"] == "rec_changes"
