"""`evensong similar` and `evensong find` over a lake whose champion is HTCL: rows, notes and errors."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from feature_store.lake.arrow_io import read_table
from feature_store.settings import Night, load_settings
from feature_store.tables.features import FEAT_HTCL_AUDIO, FEAT_HTCL_TEXT, FEAT_TRACK_HTCL
from feature_store.tables.runs import RUN_MODELS
from jobs.encoders.audio.spectrograms import htcl_mel
from tests.conftest import MARCH_1
from tests.dags.command import search_lake
from tests.dags.command.search_lake import sound
from tests.jobs.report.sample_lake import append_rows
from tests.support.command import run_command
from tests.training import lake as sample
from tests.training.tasks import worlds
from training.artifacts import stored_models

DAY = ("--as-of", "2026-03-01")
LISTED = [name for name in sample.TRACKS if name != sample.WITHDRAWN]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    root = tmp_path_factory.mktemp("search")
    night = Night(MARCH_1, "r", load_settings(lake=str(root / "lake"), state=root / "state"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_models, "track", lambda *_: "not-tracked")
        worlds.register()
        yield search_lake.fill(night)
        worlds.unregister()


@pytest.fixture
def evensong(monkeypatch, capsys, searched):
    """The command in this process; returns exit status, output, and errors with single blanks."""

    def run(*arguments, lake=searched.settings.lake):
        monkeypatch.setenv("EVENSONG_LAKE", str(lake))
        return run_command(monkeypatch, capsys, *arguments)

    return run


@pytest.fixture
def rows(evensong):
    """The rows that a command prints as JSON, and what it says besides."""

    def run(*arguments):
        status, text, said = evensong(*arguments, *DAY, "--format", "json")
        assert status == 0, said
        return json.loads(text), said

    return run


def unit(rows, key, vector):
    found = np.array([row[vector] for row in rows])
    return dict(
        zip(
            (row[key] for row in rows),
            found / np.linalg.norm(found, axis=1, keepdims=True),
            strict=True,
        )
    )


def test_a_track_has_the_neighbours_of_its_stored_vectors(rows, searched):
    """By hand over feat_track_htcl; neither t02 itself nor the withdrawn track is among them."""
    stored = read_table(searched.settings.lake, FEAT_TRACK_HTCL).to_pylist()
    vectors = unit(stored, "track_id", "track_vector")
    cosines = {name: float(vectors[name] @ vectors["t02"]) for name in LISTED if name != "t02"}

    found, said = rows("similar", "t02", "--n", 20)

    assert {row["track_id"]: row["cosine"] for row in found} == pytest.approx(cosines, abs=1e-5)
    assert [row["rank"] for row in found] == list(range(1, len(LISTED)))
    in_order = [row["cosine"] for row in found]
    assert in_order == sorted(in_order, reverse=True)
    assert said.startswith("similar to Night Bus · x, t02, by its ")
    assert stored[0]["model_version"] in said


def test_the_reasons_are_true_of_both(rows):
    """t02 is slow, as t04 is; 102 and 104 bpm are near, 102 and 112 are not; all have one artist."""
    found, _ = rows("similar", "t02", "--n", 20)
    why = {row["track_id"]: row["why"] for row in found}

    assert "tag slow" in why["t04"]
    assert "tempo near: 102 and 104 bpm" in why["t04"]
    assert not any("tempo" in reason or "tag" in reason for reason in why["t12"])
    assert not any("tempo" in reason for reason in why["t00"])
    assert all("same artist: x" in reasons for reasons in why.values())


def test_a_file_has_the_neighbours_of_the_track_with_its_bytes(rows, searched, tmp_path):
    """The model hears the file as it heard t04, whose recording it is, so that is the nearest one."""
    file = tmp_path / "unknown.flac"
    file.write_bytes(sound(4))
    stored = read_table(searched.settings.lake, FEAT_HTCL_AUDIO).to_pylist()
    audio = unit(stored, "content_hash", "audio_vector")
    of_tracks = read_table(searched.settings.lake, FEAT_TRACK_HTCL).to_pylist()
    hashes = {row["track_id"]: row["audio_hash"] for row in of_tracks}

    found, said = rows("similar", file, "--n", 20)

    assert (found[0]["track_id"], found[0]["cosine"]) == ("t04", pytest.approx(1.0, abs=1e-4))
    assert "same recording" in found[0]["why"]
    assert "by all of its 3.0 s" in said
    expected = {name: float(audio[hashes[name]] @ audio[hashes["t04"]]) for name in LISTED[1:]}
    assert {row["track_id"]: row["cosine"] for row in found} == pytest.approx(expected, abs=1e-3)
    assert "without a usable recording, so not compared: 1 track" in said


def test_a_file_that_is_in_no_catalogue_and_lasts_a_second_has_neighbours(rows, tmp_path):
    file = tmp_path / "second.flac"
    file.write_bytes(sound(17, seconds=1.0))

    found, said = rows("similar", file)

    assert len(found) == 10
    assert "by all of its 1.0 s" in said
    assert not any("same recording" in row["why"] for row in found)


def test_a_sentence_is_compared_with_recordings(rows, searched):
    """`bright day` is the text of t00, whose text's vector is the sentence's own; other tracks are compared by sound."""
    lake = searched.settings.lake
    of_tracks = read_table(lake, FEAT_TRACK_HTCL).to_pylist()
    [own] = [row for row in of_tracks if row["track_id"] == "t00"]
    text = unit(read_table(lake, FEAT_HTCL_TEXT).to_pylist(), "text_sha256", "text_vector")
    audio = unit(read_table(lake, FEAT_HTCL_AUDIO).to_pylist(), "content_hash", "audio_vector")
    query = text[own["text_sha256"]]

    found, said = rows("find", "bright  day", "--n", 20)

    assert "without a usable recording, so compared by the text: 1 track" in said
    by = {row["track_id"]: (row["by"], row["cosine"]) for row in found}
    assert by["t00"] == ("text", pytest.approx(1.0, abs=1e-4))
    for row in of_tracks[1:-1]:
        expected = float(query @ audio[row["audio_hash"]])
        assert by[row["track_id"]] == ("audio", pytest.approx(expected, abs=1e-4))
    assert by.keys() == set(LISTED)


def test_a_sentence_names_tags(rows):
    found, _ = rows("find", "slow sad Piano", "--n", 20)

    why = {row["track_id"]: row["why"] for row in found}
    assert why.pop("t02") == ["tags piano, slow"]
    assert why.pop("t04") == ["tag slow"]
    assert set(map(len, why.values())) == {0}


def test_a_long_sentence_is_cut_and_says_so(rows):
    """The recipe allows 64 tokens, and the tests' text model has 32 positions."""
    _, said_of_short = rows("find", "night " * 10)
    long, said = rows("find", "night " * 10_000)
    longer, _ = rows("find", "night " * 10_000 + "day")

    assert "is cut" not in said_of_short
    assert "the sentence is cut: only its first 32 tokens count (max_tokens)" in said
    assert long == longer
    assert len(said) < 400


def test_a_sentence_in_another_language_is_one_like_any_other(rows):
    found, said = rows("find", "ein langsames, trauriges Klavier")

    assert len(found) == 10
    assert "cut" not in said


def test_a_title_stands_for_its_only_track(rows):
    by_id, _ = rows("similar", "t02")
    by_title, _ = rows("similar", "night bus")

    assert by_id == by_title


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("similar", "t2"), "error UnknownTrackError: core_tracks: no available track"),
        (("similar", "t2"), "close to it: t"),
        (("similar", "Low Tide"), "2 tracks are called 'Low Tide'; name the id of one: t04"),
        (("similar", "t15"), "t15 is not available as of 2026-03-01"),
        (("similar", "x" * 5_000), "has the id or title 'xxx"),
        (("similar", ""), "error UnknownTrackError"),
        (("find", ""), "error EmptySentenceError: the sentence '' has no word"),
        (("find", " … "), "has no word"),
    ],
)
def test_what_cannot_be_searched_is_one_clear_message(evensong, arguments, message):
    status, text, said = evensong(*arguments, *DAY)

    assert (status, text) == (1, "")
    assert message in said
    assert len(said) < 900


def test_a_file_that_is_no_audio_is_named_with_its_reason(evensong, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("la la la")

    status, _, said = evensong("similar", file, *DAY)

    assert status == 1
    assert "UnusableRecordingError" in said
    assert "notes.txt: unreadable" in said


def test_a_file_is_heard_whatever_the_bytes_of_its_name(evensong, tmp_path):
    """Latin 1, as old disks have it, and a page whose name can be read."""
    file, page = tmp_path / "caf\udce9.flac", tmp_path / "page.html"
    file.write_bytes(sound(4))

    status, text, said = evensong("similar", file, *DAY, "--html", page)

    assert status == 0, said
    assert r"caf\xe9.flac" in text
    assert r"caf\xe9.flac" in page.read_text(encoding="utf-8")


def test_a_sentence_that_is_no_utf_8_is_one_clear_message(evensong):
    status, _, said = evensong("find", "slow \udcff piano", *DAY)

    assert status == 1
    assert r"the sentence 'slow \udcff piano' has bytes that are no UTF-8; write it in" in said


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/p.html", "there is no folder missing"),
        ("made", "made is a folder; name a file in it"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_before_the_search(
    evensong, tmp_path, monkeypatch, name, message
):
    (tmp_path / "made").mkdir()
    monkeypatch.chdir(tmp_path)

    status, text, said = evensong("similar", "t02", *DAY, "--html", name)

    assert (status, text) == (2, "")
    assert message in said


def test_no_track_is_too_few(evensong):
    status, text, said = evensong("similar", "t02", *DAY, "-n", "0")

    assert (status, text) == (2, "")
    assert "0 is below 1; name how many tracks" in said


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("folder", "and it is a folder (name a file in it)"),
        ("link", "and it is a link to a file that is not there"),
    ],
)
def test_what_is_no_file_is_named_as_what_it_is(evensong, tmp_path, monkeypatch, kind, message):
    path = tmp_path / "no track"
    path.mkdir() if kind == "folder" else path.symlink_to(tmp_path / "gone.flac")
    monkeypatch.chdir(tmp_path)

    status, _, said = evensong("similar", "no track", *DAY)

    assert status == 1
    assert message in said


def test_an_id_counts_before_a_file_of_that_name(evensong, rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t02").write_bytes(b"no audio")
    (tmp_path / "Low Tide").mkdir()

    assert rows("similar", "t02")[0][0]["rank"] == 1
    assert "unreadable" in evensong("similar", "./t02", *DAY)[2]
    assert "2 tracks are called" in evensong("similar", "Low Tide", *DAY)[2]
    assert "it is a folder; name a file in it" in evensong("similar", "./Low Tide", *DAY)[2]


def test_a_day_without_vectors_names_those_that_have_some(evensong):
    status, _, said = evensong("find", "day", "--as-of", "2026-02-20")

    assert status == 1
    assert "feat_track_htcl: no vector as of 2026-02-20" in said
    assert "2026-03-01 (--as-of)" in said


def test_without_htcl_both_say_how_to_switch_it_on_and_only_a_track_has_another_list(
    evensong, night, tmp_path
):
    """The catalogue has a list of centred cosines for t02, and none for t04."""
    sample.fill(night.settings.lake, night.as_of)
    file = tmp_path / "a.flac"
    file.write_bytes(sound(2))
    neighbour = {
        "as_of_date": night.as_of, "run_id": "r", "track_id": "t02", "rank": 1, "title": "t04",
        "similar_track_id": "t04", "score": 0.5, "modalities": ["audio"], "artist_id": "x",
        "artist_name": "x", "artist_match_key": "x", "title_match_key": "t04",
    }  # fmt: skip
    append_rows(night, "rec_similar_tracks", neighbour)

    said = {
        argument: evensong(*argument, *DAY, lake=night.settings.lake)
        for argument in (("similar", "t02"), ("similar", "t04"), ("similar", file), ("find", "day"))
    }

    for status, _, message in said.values():
        assert status == 1
        assert 'training.families = {"audio_text": "htcl"}' in message
    elsewhere = "rec_similar_tracks lists 1 tracks for t02, by centred cosines"
    assert [elsewhere in message for _, _, message in said.values()] == [True, False, False, False]


def test_nothing_published_is_an_error_that_says_so(evensong):
    status, _, said = evensong("similar", "t02")

    assert status == 1
    assert "published_runs: nothing is published" in said


def test_a_model_of_other_spectrograms_is_not_asked(evensong, searched, tmp_path, monkeypatch):
    file = tmp_path / "a.flac"
    file.write_bytes(sound(2))
    other = replace(htcl_mel.identity(), preprocessing_id="of the next release")
    monkeypatch.setattr(htcl_mel, "identity", lambda: other)

    status, _, said = evensong("similar", file, *DAY)

    assert status == 1
    assert "of the next release" in said
    assert "EncoderChangedError" in said


def test_a_table_is_for_people(evensong):
    """Piped, nothing is cut, and what a title hides from a terminal is shown."""
    status, text, _ = evensong("similar", "t02", *DAY, "--n", 20)

    assert status == 0
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "rank track_id title artist cosine by why" in lines
    assert any("t08 Esc\\x1b[31m x" in line for line in lines)
    assert "\x1b" not in text


def test_the_page_plays_the_query_and_each_track(evensong, tmp_path):
    """Excerpts are inside the page: those of five tracks, and of the track that was asked for."""
    page = tmp_path / "page.html"

    status, text, _ = evensong("similar", "t02", *DAY, "--n", 5, "--html", page)

    assert status == 0
    assert f"page: {page}" in text.replace("\n", "")
    html = page.read_text()
    played = set(re.findall(r'data-excerpt="(\w+)"', html))
    embedded = re.findall(r'<audio id="(\w+)"[^>]* src="data:audio/mpeg;base64,', html)
    assert len(embedded) == 6
    assert played == set(embedded)
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert "same artist: x" in html


def test_the_page_plays_a_file_that_is_in_no_catalogue(evensong, tmp_path):
    file, page = tmp_path / "own&more.flac", tmp_path / "page.html"
    file.write_bytes(sound(17))

    status, _, said = evensong("similar", file, *DAY, "--n", 2, "--html", page)

    assert status == 0, said
    html = page.read_text()
    assert 'data-excerpt="query"' in html
    assert '<audio id="query"' in html
    assert "own&amp;more.flac" in html


def test_a_model_that_is_gone_is_named(evensong, searched, tmp_path):
    """The vectors' version has no row: another lake's run_models."""
    import shutil

    lake = tmp_path / "lake"
    shutil.copytree(searched.settings.lake, lake)
    shutil.rmtree(lake / "tables" / RUN_MODELS.name)

    status, _, said = evensong("find", "day", *DAY, lake=lake)

    assert status == 1
    assert "run_models: no row of htcl" in said
    assert evensong("similar", "t02", *DAY, lake=lake)[0] == 0
