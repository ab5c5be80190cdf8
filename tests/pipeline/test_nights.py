"""Nights of a tiny world: known answers, known rejects, and readers that never notice a re-run."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from feature_store.lake import spark_io
from feature_store.lake.arrow_io import read_table
from feature_store.publishing import gates, publish
from feature_store.publishing.gates import GateFailed
from feature_store.publishing.snapshot import Snapshot, events, open_snapshot
from feature_store.runs.run_log import record_task
from feature_store.settings import Night, load_settings
from feature_store.tables import table_called
from feature_store.tables.recommendations import REC_TOPK
from jobs.publishing import publication
from jobs.publishing.audit import list_rules, tier_shift
from jobs.publishing.publication import publish_night
from jobs.run import run_job
from tests.support import worlds
from training.predict import score
from training.train import train

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)

REC_TABLES = ("rec_topk", "rec_similar_tracks", "rec_changes")


def rows(nights, name, as_of=worlds.LAST_DAY):
    return read_table(nights.lake, table_called(name), as_of=as_of).to_pylist()


@pytest.fixture(scope="module")
def lists(nights):
    """rec_topk of the first night as readers saw it: user → rows by rank."""
    first = next(event for event in events(nights.lake) if event.action == "publish")
    found = {}
    for row in Snapshot(nights.lake, first).read("rec_topk").to_pylist():
        found.setdefault(row["user_id"], []).append(row)
    return found


@pytest.mark.parametrize(
    "user", sorted(set(worlds.LISTENERS) - {worlds.HIDER, worlds.OPTED_OUT, "rock-6"})
)
def test_the_track_that_all_taste_twins_play_comes_first(lists, user):
    assert lists[user][0]["track_id"] == worlds.left_out(user)
    assert lists[user][0]["tier"] == "personal"


def test_a_person_who_only_follows_gets_what_the_followed_play(lists):
    """r6 is withdrawn, r2 and r3 are played by one of the two only: r1, r4, r5 remain, equally loved."""
    mine = lists[worlds.FOLLOWER]

    assert [row["track_id"] for row in mine] == ["r1", "r4", "r5"]
    assert {row["tier"] for row in mine} == {"social"}
    assert {row["reason_text"] for row in mine} == {"2 people you follow play this"}


def test_a_stranger_gets_what_is_popular_two_tracks_an_artist(lists):
    """Every track has five listeners: ids decide, and the first artist's third track gives way."""
    mine = lists[worlds.STRANGER]

    assert [row["track_id"] for row in mine] == ["j1", "j2", "j4"]
    assert {row["tier"] for row in mine} == {"popular"}
    assert {row["model_version"] for row in mine} == {None}


def test_hidden_withdrawn_and_recently_heard_tracks_are_in_no_list(lists):
    everything = {(user, row["track_id"]) for user, mine in lists.items() for row in mine}

    assert (worlds.HIDER, worlds.left_out(worlds.HIDER)) not in everything
    assert worlds.WITHDRAWN not in {track for _, track in everything}
    heard = {
        (user, track)
        for user in worlds.LISTENERS
        for track in worlds.TRACKS
        if track[0] == worlds.left_out(user)[0] and track != worlds.left_out(user)
    }
    assert not heard & everything


def test_who_opted_out_gets_no_list_and_all_others_a_full_one(lists):
    assert worlds.OPTED_OUT not in lists
    assert set(lists) == {*worlds.LISTENERS, worlds.FOLLOWER, worlds.STRANGER} - {worlds.OPTED_OUT}
    assert {len(mine) for mine in lists.values()} == {3}


def test_similar_tracks_are_found_for_every_available_track_with_content(nights):
    similar = rows(nights, "rec_similar_tracks")

    assert {row["track_id"] for row in similar} == set(worlds.TRACKS) - {worlds.WITHDRAWN}
    assert {row["similar_track_id"] for row in similar} <= set(worlds.TRACKS) - {worlds.WITHDRAWN}
    nearest = {
        row["track_id"][0] + row["similar_track_id"][0] for row in similar if row["rank"] == 1
    }
    assert nearest == {"rr", "jj"}


def test_tracks_are_compared_by_what_both_have(nights):
    """r3, j3 and the broken r4 have no sound to compare; r5's lyrics were rejected; all have a tag."""
    without = {
        "audio": {*worlds.SILENT_TRACKS, worlds.BROKEN_AUDIO},
        "lyrics": {"r5"},
        "tags": set(),
    }

    for row in rows(nights, "rec_similar_tracks"):
        pair = {row["track_id"], row["similar_track_id"]}
        assert row["modalities"] == [
            name for name, lacking in without.items() if not pair & lacking
        ]


def test_every_bad_row_is_in_the_rejects_with_its_reason_and_original(nights):
    rejects = rows(nights, "raw_rejects")

    assert Counter(row["reject_reason"] for row in rejects) == worlds.REJECTS
    [unknown] = [row for row in rejects if row["reject_reason"] == "unknown_track"]
    assert '"track_id":"nobody-knows-it"' in unknown["original_text"]


def test_a_listen_sent_twice_counts_once(nights):
    assert len(rows(nights, "raw_listens")) == worlds.N_LISTENS + 2  # the copy, the unknown track
    assert len(rows(nights, "core_listens")) == worlds.N_LISTENS


def test_broken_content_has_a_reason_and_stops_nothing(nights):
    audio = [row["failure_reason"] for row in rows(nights, "feat_audio") if row["failure_reason"]]
    covers = [row["failure_reason"] for row in rows(nights, "feat_cover") if row["failure_reason"]]

    assert audio == ["unreadable"]
    assert covers == ["unreadable"]


def test_the_second_night_encodes_the_new_release_and_nothing_else(nights):
    """9 audio files, 11 lyrics, 12 covers and 2 tags of the first night are not touched again."""
    features = ("feat_audio", "feat_lyrics", "feat_cover", "feat_tags")

    assert [nights.first["tables"][name]["rows"] for name in features] == [10, 11, 12, 2]
    assert [nights.second["tables"][name]["rows"] for name in features] == [1, 1, 1, 0]


def test_the_next_days_hit_rate_is_that_of_the_one_listener_who_followed_her_list(nights):
    """Of the 11 people with a list who listened, rock-2 alone played one of hers: 1/11."""
    quality = rows(nights, "run_quality", worlds.NEXT_DAY)
    [hit_rate] = [row for row in quality if row["metric"] == "hit_rate"]

    assert (hit_rate["subject"], hit_rate["n_users"]) == ("rec_topk", 11)
    assert hit_rate["value"] == pytest.approx(1 / 11, abs=1e-6)


def test_changes_are_told_against_the_night_before(nights):
    changes = rows(nights, "rec_changes", worlds.NEXT_DAY)

    assert nights.first["tables"]["rec_changes"]["rows"] == 0
    assert {row["compared_run_id"] for row in changes} == {nights.first["run_id"]}
    left = {(row["user_id"], row["track_id"]) for row in changes if row["change"] == "left"}
    assert ("rock-2", "r2") in left  # heard today, so it gives way


def test_re_running_an_older_date_gives_the_same_rows_and_does_not_move_current(nights):
    """Though a day has landed since, the night of LAST_DAY sees what it saw then."""
    published = open_snapshot(nights.lake)

    assert published.as_of == worlds.NEXT_DAY
    assert [event.action for event in events(nights.lake)] == ["publish", "publish", "stage_only"]
    for name in REC_TABLES:
        assert nights.again["tables"][name] == nights.first["tables"][name], name


def test_the_same_night_into_another_lake_gives_the_same_rows_in_every_table(nights):
    assert nights.elsewhere["tables"] == nights.first["tables"]


def test_another_seed_gives_other_lists(nights, spark, tmp_path):
    """The seed reaches the model and, through its scores, the published rows."""
    assert nights.elsewhere
    lake = str(shutil.copytree(nights.elsewhere_lake, tmp_path / "lake"))
    settings = load_settings(lake=lake, state=tmp_path / "state", seed=7, lists={"length": 3})
    night = Night(worlds.LAST_DAY, "another-seed", settings)

    train(night, retrain="always")
    score(night)
    rescored = run_job("rec_topk", night, spark)

    assert rescored.content_sha256 != nights.first["tables"]["rec_topk"]["content_sha256"]


def test_the_report_is_one_file_that_loads_nothing(nights):
    [page] = Path(nights.lake).glob(f"reports/{worlds.LAST_DAY}/{nights.first['run_id']}.html")
    text = page.read_text()

    assert nights.first["run_id"] in text
    assert 'src="http' not in text
    assert 'href="http' not in text


def test_every_published_row_names_its_run_and_inputs_are_pinned(nights):
    event = events(nights.lake)[0]

    assert {row["run_id"] for row in Snapshot(nights.lake, event).read("rec_topk").to_pylist()} == {
        nights.first["run_id"]
    }
    assert {"core_tracks", "feat_audio", "score_candidates"} <= {
        pin.table_name for pin in event.inputs
    }
    assert all(gate["is_passed"] for gate in event.gates)
    assert event.model_versions[0].startswith("mm_gnn:")


def test_a_broken_population_rule_blocks_the_night_and_readers_keep_what_they_had(
    nights, spark, tmp_path
):
    """The stranger's list rests on popularity; where that is not allowed, nothing is switched."""
    lake = str(shutil.copytree(nights.lake, tmp_path / "lake"))
    strict = load_settings(lake=lake, state=tmp_path, gates={"max_popular_tier_ratio": 0.0})
    night = Night(worlds.NEXT_DAY, nights.second["run_id"], strict)

    with pytest.raises(
        GateFailed, match=r"rec_topk: popular_tier_ratio is 0\.\d+, must be at most 0"
    ):
        publish_night(night, mode="auto", actor="test", now=NOON, spark=spark)

    assert (events(lake)[-1].action, events(lake)[-1].reason) == ("blocked", "popular_tier_ratio")
    assert open_snapshot(lake).event.event_number == 2


def test_a_row_that_breaks_an_absolute_rule_blocks_the_night_by_name(nights, spark, tmp_path):
    """A hidden track smuggled into a staged list is found, and shown as the example."""
    lake = str(shutil.copytree(nights.lake, tmp_path / "lake"))
    settings = load_settings(lake=lake, state=tmp_path, lists={"length": 3})
    night = Night(worlds.NEXT_DAY, nights.second["run_id"], settings)
    staged = spark_io.read(spark, lake, REC_TOPK, as_of=worlds.NEXT_DAY)
    is_first_of_hider = (staged["user_id"] == worlds.HIDER) & (staged["rank"] == 1)
    smuggled = staged.withColumn(
        "track_id", F.when(is_first_of_hider, "r1").otherwise(staged["track_id"])
    )
    written = spark_io.write(
        smuggled,
        lake,
        REC_TOPK,
        first=worlds.NEXT_DAY,
        end=worlds.NEXT_DAY + timedelta(days=1),
    )
    record_task(night, written, {}, elapsed_s=0, now=datetime.now(UTC))

    with pytest.raises(GateFailed, match=r'hidden_tracks_topk is 1, .*"user_id":"rock-1"'):
        publish_night(night, mode="auto", actor="test", now=NOON, spark=spark)


@pytest.mark.parametrize(("n_rivals", "is_published"), [(1, True), (3, False)])
def test_a_night_that_is_overtaken_while_it_is_judged_is_judged_again(
    nights, spark, tmp_path, monkeypatch, n_rivals, is_published
):
    """Another event becomes current during the first judgement, or during each of the three."""
    lake = str(shutil.copytree(nights.lake, tmp_path / "lake"))
    settings = load_settings(lake=lake, state=tmp_path, lists={"length": 3})
    night = Night(worlds.NEXT_DAY, nights.second["run_id"], settings)
    rivals, judged = [], []

    def judge_beside_a_rival(found):
        current = open_snapshot(lake).event
        if len(judged) < n_rivals:
            rival = replace(
                current, run_id=f"rival-{len(judged)}", replaces_event=current.event_number
            )
            rivals.append(publish.append_event(lake, rival).event_number)
        judged.append(current.event_number)
        return gates.judge(found)

    monkeypatch.setattr(publication, "judge", judge_beside_a_rival)
    if is_published:
        event = publish_night(night, mode="make_current", actor="test", now=NOON, spark=spark)
        assert event.replaces_event == rivals[-1]
        assert open_snapshot(lake).event == event
    else:
        with pytest.raises(publish.CurrentMoved, match="this run was to replace"):
            publish_night(night, mode="make_current", actor="test", now=NOON, spark=spark)

    assert len(judged) == min(n_rivals + 1, 3)
    assert judged == sorted(set(judged))


def test_rules_about_rows_are_absolute_and_rules_about_the_population_are_not(nights):
    """The first kind nobody may waive: it protects people, and readers' columns."""
    newest = [event for event in events(nights.lake) if event.action == "publish"][-1]

    absolute = {gate["rule"] for gate in newest.gates if gate["is_absolute"]}

    assert absolute == {
        "duplicate_keys_topk", "duplicate_keys_similar", "rank_holes_topk", "rank_holes_similar",
        "unavailable_tracks_topk", "unavailable_tracks_similar", "hidden_tracks_topk",
        "opted_out_or_unknown_people", "erased_people_topk", "tracks_over_artist_limit",
        "columns_lost", "dangling_edges",
    }  # fmt: skip
    assert len(newest.gates) - len(absolute) == 14


def test_a_night_without_a_single_list_breaks_rules_and_does_not_fail(nights, spark):
    """The worst night of all must end as a blocked event that says what is missing."""
    settings = load_settings(lake=nights.lake)
    nothing = spark.createDataFrame([], REC_TOPK.spark_schema())
    tracks = spark_io.read(spark, nights.lake, table_called("core_tracks"), as_of=worlds.LAST_DAY)
    people = spark.createDataFrame([("ann",)], "user_id string")
    shorter = settings.model_copy(update={"lists": settings.lists.model_copy(update={"length": 3})})

    found = list_rules(nothing, people, tracks, Night(worlds.LAST_DAY, "empty", shorter))

    assert {one.rule: one.value for one in found} == {
        "full_list_ratio": 0, "popular_tier_ratio": 1, "catalogue_coverage_ratio": 0,
    }  # fmt: skip


def test_lists_that_change_their_tiers_overnight_break_a_rule(nights, spark):
    """Popular rows took the place of three personal and both warm ones: half have moved."""
    night = Night(worlds.LAST_DAY, "r", load_settings(lake=nights.lake))
    before = spark.createDataFrame(
        [(tier,) for tier in 8 * ["personal"] + 2 * ["warm"]], "tier string"
    )
    now = spark.createDataFrame(
        [(tier,) for tier in 5 * ["personal"] + 5 * ["popular"]], "tier string"
    )

    assert tier_shift(now, before, night).value == pytest.approx(0.5)
    assert tier_shift(now, None, night).value == 0
    assert tier_shift(before.limit(0), before, night).value == pytest.approx(0.5)
