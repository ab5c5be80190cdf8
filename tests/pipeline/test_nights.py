"""Nights on the toy data set: known lists, known rejects, and re-runs that readers never see."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feature_store.lake.arrow_io import read_table
from feature_store.lake.commits import run_of_note
from feature_store.lake.delta_tables import exists, open_table
from feature_store.publishing.snapshot import Snapshot, events, open_snapshot
from feature_store.settings import Night, load_settings
from feature_store.tables import TABLES, table_called
from feature_store.tables.runs import RUN_METRICS
from jobs.run import run_job
from tests.support import toy_dataset
from training.predict import predict
from training.train import train

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)

REC_TABLES = ("rec_topk", "rec_similar_tracks", "rec_changes", "rec_mood")


def rows(nights, name, as_of=toy_dataset.LAST_DAY):
    return read_table(nights.lake, table_called(name), as_of=as_of).to_pylist()


@pytest.fixture(scope="module")
def lists(nights):
    """rec_topk of the first published event: user → rows by rank."""
    first = next(event for event in events(nights.lake) if event.action == "publish")
    lists = {}
    for row in Snapshot(nights.lake, first).read("rec_topk").to_pylist():
        lists.setdefault(row["user_id"], []).append(row)
    return lists


WITH_WITHHELD_TRACK = sorted(
    set(toy_dataset.LISTENERS) - {toy_dataset.HIDER, toy_dataset.OPTED_OUT, "rock-6"}
)


@pytest.mark.parametrize("user", WITH_WITHHELD_TRACK)
def test_the_withheld_track_comes_first(lists, user):
    assert lists[user][0]["track_id"] == toy_dataset.withheld_track(user)
    assert lists[user][0]["tier"] == "personal"


def test_a_listener_with_follows_only_gets_tracks_of_the_followed(lists):
    """r6 is withdrawn, and only one of the two plays r2 and r3: r1, r4 and r5 remain, with equal scores."""
    mine = lists[toy_dataset.FOLLOWER]

    assert [row["track_id"] for row in mine] == ["r1", "r4", "r5"]
    assert {row["tier"] for row in mine} == {"social"}
    assert {row["reason_text"] for row in mine} == {"2 people you follow play this"}


def test_a_cold_start_user_gets_popular_tracks_at_most_two_per_artist(lists):
    """Every track has five listeners, so ids decide; the artist limit drops the first artist's third track."""
    mine = lists[toy_dataset.COLD_START_USER]

    assert [row["track_id"] for row in mine] == ["j1", "j2", "j4"]
    assert {row["tier"] for row in mine} == {"popular"}
    assert {row["model_version"] for row in mine} == {None}


def test_hidden_withdrawn_and_recent_tracks_are_in_no_list(lists):
    listed = {(user, row["track_id"]) for user, mine in lists.items() for row in mine}

    assert {(user, toy_dataset.withheld_track(user)) for user in WITH_WITHHELD_TRACK} <= listed
    assert (toy_dataset.HIDER, toy_dataset.withheld_track(toy_dataset.HIDER)) not in listed
    assert toy_dataset.WITHDRAWN not in {track for _, track in listed}
    listened = {
        (user, track)
        for user in toy_dataset.LISTENERS
        for track in toy_dataset.TRACKS
        if track[0] == toy_dataset.withheld_track(user)[0]
        and track != toy_dataset.withheld_track(user)
    }
    assert not listened & listed


def test_opted_out_listeners_get_no_list_and_all_others_a_full_one(lists):
    assert toy_dataset.OPTED_OUT not in lists
    assert set(lists) == {
        *toy_dataset.LISTENERS,
        toy_dataset.FOLLOWER,
        toy_dataset.FAN,
        toy_dataset.COLD_START_USER,
    } - {toy_dataset.OPTED_OUT}
    assert {len(mine) for mine in lists.values()} == {3}


def test_similar_tracks_are_found_for_every_available_track_with_content(nights):
    similar = rows(nights, "rec_similar_tracks")

    assert {row["track_id"] for row in similar} == set(toy_dataset.TRACKS) - {toy_dataset.WITHDRAWN}
    assert {row["similar_track_id"] for row in similar} <= set(toy_dataset.TRACKS) - {
        toy_dataset.WITHDRAWN
    }
    nearest = {
        row["track_id"][0] + row["similar_track_id"][0] for row in similar if row["rank"] == 1
    }
    assert nearest == {"rr", "jj"}


def test_tracks_are_compared_by_the_modalities_that_both_have(nights):
    """r3, j3 and the broken r4 have no audio; r5's lyrics were rejected; every track has a tag."""
    without = {
        "audio": {*toy_dataset.SILENT_TRACKS, toy_dataset.BROKEN_AUDIO},
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

    assert Counter(row["reject_reason"] for row in rejects) == toy_dataset.REJECTS
    [unknown] = [row for row in rejects if row["reject_reason"] == "unknown_track"]
    assert '"track_id":"nobody-knows-it"' in unknown["original_text"]


def test_a_listen_sent_twice_counts_once(nights):
    assert (
        len(rows(nights, "raw_listens")) == toy_dataset.N_LISTENS + 2
    )  # the copy, the unknown track
    assert len(rows(nights, "core_listens")) == toy_dataset.N_LISTENS


def test_broken_content_gets_a_failure_reason_and_does_not_stop_the_night(nights):
    audio = [row["failure_reason"] for row in rows(nights, "feat_audio") if row["failure_reason"]]
    covers = [row["failure_reason"] for row in rows(nights, "feat_cover") if row["failure_reason"]]

    assert audio == ["unreadable"]
    assert covers == ["unreadable"]


def test_the_second_night_encodes_the_new_release_and_nothing_else(nights):
    """The second night does not encode the content and the 3 tags of the first night again."""
    features = ("feat_audio", "feat_lyrics", "feat_cover", "feat_tags")

    assert [nights.first["tables"][name]["rows"] for name in features] == [10, 11, 12, 3]
    assert [nights.second["tables"][name]["rows"] for name in features] == [1, 1, 1, 0]


def test_the_next_days_hit_rate_counts_the_one_listener_who_played_a_recommended_track(nights):
    """Of the 11 listeners with a list and a listen, only rock-2 played a listed track: 1/11."""
    quality = rows(nights, "run_quality", toy_dataset.NEXT_DAY)
    [hit_rate] = [row for row in quality if row["metric"] == "hit_rate"]

    assert (hit_rate["subject"], hit_rate["n_units"]) == ("rec_topk", 11)
    assert hit_rate["value"] == pytest.approx(1 / 11, abs=1e-6)


def test_rec_changes_compares_with_the_night_before(nights):
    changes = rows(nights, "rec_changes", toy_dataset.NEXT_DAY)

    assert nights.first["tables"]["rec_changes"]["rows"] == 0
    assert {row["compared_run_id"] for row in changes} == {nights.first["run_id"]}
    left = {(row["user_id"], row["track_id"]) for row in changes if row["change"] == "left"}
    assert ("rock-2", "r2") in left  # heard on NEXT_DAY, so it leaves the list


def test_re_running_an_older_date_gives_the_same_rows_and_does_not_move_current(nights):
    """A later day has landed, but the night of LAST_DAY reads the same input as before."""
    published = open_snapshot(nights.lake)

    assert published.as_of == toy_dataset.NEXT_DAY
    assert [event.action for event in events(nights.lake)] == ["publish", "publish", "stage_only"]
    for name in REC_TABLES:
        assert nights.again["tables"][name] == nights.first["tables"][name], name


def test_the_same_night_into_another_lake_gives_the_same_rows_in_every_table(nights):
    assert nights.elsewhere["tables"] == nights.first["tables"]


def test_another_seed_gives_other_lists(nights, spark, tmp_path):
    """The seed reaches the model and, through its scores, the published rows."""
    lake = str(shutil.copytree(nights.copy_of_elsewhere, tmp_path / "lake"))
    settings = load_settings(lake=lake, state=tmp_path / "state", seed=7, lists={"length": 3})
    night = Night(toy_dataset.LAST_DAY, "another-seed", settings)

    train(night, "ranking", retrain="always")
    predict(night, "ranking")
    rescored = run_job("rec_topk", night, spark)

    assert rescored.content_sha256 != nights.first["tables"]["rec_topk"]["content_sha256"]


def test_the_report_is_one_file_without_external_resources(nights):
    [page] = Path(nights.lake).glob(f"reports/{toy_dataset.LAST_DAY}/{nights.first['run_id']}.html")
    text = page.read_text()

    assert nights.first["run_id"] in text
    assert 'src="http' not in text
    assert 'href="http' not in text


def test_every_commit_of_a_night_names_its_run(nights):
    """Spark's and delta-rs's alike; what creates a table or gives it rules belongs to no run."""
    recorded = read_table(nights.lake, RUN_METRICS, columns=["run_id"])
    runs = set(recorded["run_id"].to_pylist())  # the killed one too
    assert {nights.first["run_id"], nights.second["run_id"], nights.again["run_id"]} <= runs
    tables = [table for table in TABLES.values() if exists(nights.lake, table)]
    notes = {
        (table.name, commit["operation"], run_of_note(commit.get("userMetadata", "")))
        for table in tables
        for commit in open_table(nights.lake, table).history()
        if commit["operation"] not in {"CREATE TABLE", "ADD CONSTRAINT"}
    }

    assert {note for _, _, note in notes} == runs, sorted(map(str, notes))


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
