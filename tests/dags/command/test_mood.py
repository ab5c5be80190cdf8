"""`evensong mood` over a small lake: what is read, what is listed, and that nothing is stored."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys

import numpy as np
import pytest

from feature_store.distress import GENTLE_CONTEXT
from feature_store.lake.arrow_io import read_table
from feature_store.settings import Night, load_settings
from feature_store.tables.features import FEAT_LYRICS_EMOTION
from tests.conftest import MARCH_1
from tests.dags.command import mood_lake
from tests.dags.command.mood_lake import (
    AWAY,
    ERASED,
    HIDDEN_BY_NEW,
    LISTENER,
    LYRICS_RANGE,
    NEW,
    OPTED_OUT,
    track_of_cell,
)
from tests.support.command import run_command
from tests.support.id_search import files_containing_id
from tests.training import lake as sample
from tests.training.tasks import worlds
from training.artifacts import model_registry, stored_models

DAY = ("--as-of", "2026-03-01")
LYRICS = "bright night\n" * 2  # of t01, as tests/training/lake.py has them
DISTRESS = "I want to die, Quizzaciously"
HIDDEN_DISTRESS = "nobody would notice if I was gone"  # no phrase covers it, the judge does
GENTLE_CELL = (3, 1)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    root = tmp_path_factory.mktemp("mood")
    night = Night(MARCH_1, "r", load_settings(lake=str(root / "lake"), state=root / "state"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_models, "track", lambda *_: "not-tracked")
        worlds.register()
        yield mood_lake.fill(night)
        worlds.unregister()


@pytest.fixture
def evensong(monkeypatch, capsys, filled):
    """`evensong mood` in this process; returns exit status, output, and errors with single blanks."""

    def run(*arguments, lake=filled.settings.lake, typed=None, tasks="ranking"):
        monkeypatch.setenv("EVENSONG_LAKE", str(lake))
        monkeypatch.setenv("EVENSONG_STATE", str(filled.settings.state))
        monkeypatch.setenv("EVENSONG_TRAINING__TASKS", json.dumps(tasks.split()))
        if typed is not None:
            stream = typed if hasattr(typed, "read") else piped(typed.encode())
            monkeypatch.setattr(sys, "stdin", stream)
        return run_command(monkeypatch, capsys, "mood", *arguments, *DAY)

    return run


@pytest.fixture
def rows(evensong):
    """The rows that the command prints as JSON, and what it says besides."""

    def run(*arguments, **changes):
        status, text, said = evensong(*arguments, "--format", "json", **changes)
        assert status == 0, said
        return json.loads(text), said

    return run


@pytest.fixture
def copied_lake(filled, tmp_path):
    """A copy of the lake without a table."""

    def copy(without):
        lake = tmp_path / "copy"
        shutil.copytree(filled.settings.lake, lake)
        shutil.rmtree(lake / "tables" / without)
        return lake

    return copy


def piped(content):
    return io.TextIOWrapper(io.BytesIO(content))


def row_of_lyrics(filled):
    [row] = [
        one
        for one in read_table(filled.settings.lake, FEAT_LYRICS_EMOTION).to_pylist()
        if one["content_hash"] == "content-1"
    ]
    return row


def position(value):
    """By hand: the lyrics' map is a straight line, and so is that of both."""
    return min(max((value + LYRICS_RANGE) / (2 * LYRICS_RANGE), 0), 1)


def cell_of(filled):
    row = row_of_lyrics(filled)
    return [min(4, int(5 * position(row[name]))) for name in ("valence", "arousal")]


def nearest(valence, arousal, left_out=()):
    """By hand: available tracks with a mood, nearest first, two of an artist, whose tracks are four."""
    places = {
        name: ((number + 0.5) / 16, 0.25 + 0.5 * (number % 2))
        for number, name in enumerate(sample.TRACKS)
        if name not in {"t07", "t15", *left_out}
    }
    in_order = sorted(
        places,
        key=lambda name: (np.hypot(places[name][0] - valence, places[name][1] - arousal), name),
    )
    taken, artists = [], []
    for name in in_order:
        if artists.count(int(name[1:]) // 4) < 2:
            taken.append(name)
            artists.append(int(name[1:]) // 4)
    return taken


def test_a_sentence_is_read_as_the_lyrics_were(rows, filled):
    """Words of t01's lyrics have the values of its row in feat_lyrics_emotion, and lie where the night's map says."""
    row = row_of_lyrics(filled)

    _, said = rows(LYRICS)

    for name in ("valence", "arousal"):
        value, sd = row[name], row[f"{name}_sd"]
        assert f"{name} {value:+.2f} ± {sd:.2f}" in said
        low, at, high = (position(value + sign * sd) for sign in (-1, 0, 1))
        assert f"{name} {at:.2f} ({low:.2f} to {high:.2f})" in said
    assert "ridge " + row["model_version"] in said
    assert "compared with the catalogue" in said


def test_bright_words_are_happier_than_dark_ones(rows):
    """The labels say so; the list without a listener follows."""
    valences = [
        float(re.search(r"valence (\S+) ±", rows(words)[1])[1])
        for words in ("bright day", "dark day")
    ]

    assert valences[0] > valences[1] + 0.1


def test_the_list_is_the_published_one_of_the_listener_and_cell(rows, filled):
    valence_cell, arousal_cell = cell_of(filled)
    track = track_of_cell(valence_cell, arousal_cell)
    number = int(track[1:])
    has_mood = track != "t07"

    found, said = rows(LYRICS, "--user", LISTENER)

    assert found == [
        {
            "rank": 1,
            "track_id": track,
            "title": f"Title {track}",
            "artist": "Ines",
            "valence_position": (number + 0.5) / 16 if has_mood else None,
            "arousal_position": 0.25 + 0.5 * (number % 2) if has_mood else None,
            "why": f"Reason {valence_cell} {arousal_cell}",
        }
    ]
    assert (
        f"rec_mood of u00, cell {valence_cell} of valence and {arousal_cell} of arousal, by mood mood-v1"
        in said
    )
    assert "same for everybody" not in said


def test_without_a_listener_the_nearest_tracks_are_listed(rows, filled):
    row = row_of_lyrics(filled)
    expected = nearest(position(row["valence"]), position(row["arousal"]))

    found, said = rows(LYRICS, "--n", 20)

    assert [one["track_id"] for one in found] == expected
    assert [one["rank"] for one in found] == list(range(1, len(expected) + 1))
    assert len(expected) == 8
    assert "without --user; the tracks nearest to this position, the same for everybody" in said
    assert [one["track_id"] for one in rows(LYRICS, "--n", 3)[0]] == expected[:3]


def test_a_listener_without_history_gets_the_nearest_but_for_what_is_hidden(rows, filled):
    """u13 hid t03, and t04 only for an hour."""
    row = row_of_lyrics(filled)
    expected = nearest(position(row["valence"]), position(row["arousal"]), {HIDDEN_BY_NEW})

    found, said = rows(LYRICS, "--user", NEW, "--n", 20)

    assert [one["track_id"] for one in found] == expected
    assert "u13 has no listens yet, so rec_mood has no list" in said
    assert "the same for everybody but for 1 that u13 has hidden" in said


def test_a_listener_who_is_away_gets_the_nearest_and_the_setting_is_named(rows):
    found, said = rows(LYRICS, "--user", AWAY)

    assert len(found) == 8
    assert "rec_mood has no list of u12, who has a last listen on 2025-12-24" in said
    assert "in the last 30 days (mood.active_days, mood.listeners)" in said


def test_who_wants_no_recommendations_gets_none(rows, evensong):
    found, said = rows(LYRICS, "--user", OPTED_OUT)

    assert found == []
    assert "u01 wants no recommendations (core_users.is_opted_out), so nothing is listed" in said
    status, text, _ = evensong(LYRICS, "--user", OPTED_OUT)
    assert status == 0
    assert "rank" not in text


@pytest.mark.parametrize("user", ["u99", "", ERASED])
def test_an_unknown_listener_is_an_error_that_says_what_to_do(evensong, user):
    """An erased person is unknown, also while a row is still there."""
    status, text, said = evensong(LYRICS, "--user", user)

    assert (status, text) == (1, "")
    assert f"core_users: no listener has the id '{user}' as of 2026-03-01" in said
    assert "leave --user out" in said


@pytest.mark.parametrize("user", [LISTENER, None])
def test_without_the_task_mood_the_nearest_are_listed_and_the_setting_is_named(
    rows, copied_lake, user
):
    of_user = () if user is None else ("--user", user)

    found, said = rows(LYRICS, *of_user, lake=copied_lake(without="rec_mood"))

    assert len(found) == 8
    assert "rec_mood has no row as of 2026-03-01" in said
    assert 'set training.tasks = ["ranking", "mood"]' in said


def test_without_a_model_of_texts_the_error_says_what_to_set(evensong, copied_lake):
    lake = copied_lake(without="feat_lyrics_emotion")

    off = evensong(LYRICS, lake=lake)
    on = evensong(LYRICS, lake=lake, tasks="text_emotion ranking")

    assert [off[0], on[0]] == [1, 1]
    assert "NoTextModelError: feat_lyrics_emotion: no row as of 2026-03-01" in off[2]
    assert 'set training.tasks = ["ranking", "text_emotion"] and run a night' in off[2]
    assert "evensong ingest emobank" in on[2]
    assert "set training.tasks" not in on[2]


def test_a_model_that_is_gone_is_named(evensong, copied_lake):
    status, _, said = evensong(LYRICS, lake=copied_lake(without="run_models"))

    assert status == 1
    assert "run_models: no row of ridge" in said


def test_a_day_without_a_plane_names_those_that_have_one(evensong, monkeypatch, capsys, filled):
    evensong("bright")  # sets the variables

    status, _, said = run_command(
        monkeypatch, capsys, "mood", "I want to die", "--as-of", "2026-02-20"
    )

    assert status == 1
    assert "feat_mood_plane: no available track lies on the plane" in said
    assert "the newest days that have some: 2026-03-01 (--as-of)" in said


@pytest.mark.parametrize("sentence", [DISTRESS, HIDDEN_DISTRESS])
def test_distress_gets_the_gentle_list_and_its_line_first(evensong, rows, sentence):
    """Nothing that a model reads is shown, and the sentence is not repeated."""
    track = track_of_cell(*GENTLE_CELL)

    status, text, said = evensong(sentence, "--user", LISTENER)
    found, _ = rows(sentence, "--user", LISTENER)

    assert status == 0
    first, second, *_ = text.splitlines()
    assert first == GENTLE_CONTEXT.message
    assert second == "music that is calm and happy, compared with the catalogue"
    assert [one["track_id"] for one in found] == [track]
    for read in ("feels", "as read", "unsure", "±", "ridge", sentence[:20]):
        assert read not in text + said
    assert "feels" in evensong(LYRICS)[1]


def test_distress_without_a_listener_has_the_tracks_nearest_to_the_gentle_position(rows):
    found, _ = rows(DISTRESS, "--n", 20)

    expected = nearest(GENTLE_CONTEXT.valence_position, GENTLE_CONTEXT.arousal_position)
    assert [one["track_id"] for one in found] == expected


def test_distress_needs_no_model_of_texts(evensong, copied_lake):
    status, text, _ = evensong(DISTRESS, lake=copied_lake(without="feat_lyrics_emotion"))

    assert status == 0
    assert text.startswith(GENTLE_CONTEXT.message)


def test_the_gentle_line_comes_before_an_error(evensong):
    status, text, _ = evensong(DISTRESS, "--user", "u99")

    assert status == 1
    assert text.strip() == GENTLE_CONTEXT.message


def test_a_sentence_is_stored_nowhere(evensong, filled, tmp_path):
    """Every byte of lake, state and the folder where the command ran is searched; `bright` is found, as of the lyrics."""
    word, other = "Quizzaciously", "Zoanthropic"
    sentence = f"bright night {word}"
    root = filled.settings.state.parent
    page = tmp_path / "page.html"

    assert evensong(sentence, "--user", LISTENER)[0] == 0
    assert evensong(sentence, "--format", "json")[0] == 0
    assert evensong(DISTRESS, "--html", page)[0] == 0
    assert evensong("--repl", typed=f"{sentence}\n{DISTRESS}\nbright {other}\n")[0] == 0

    assert files_containing_id(root / "lake", "bright") != []
    for folder in (root, tmp_path):
        for part in (sentence, word, word.casefold(), "want to die", other):
            assert files_containing_id(folder, part) == []
    assert page.exists()


@pytest.mark.parametrize(
    "sentence",
    ["", "  \n ", "… ?!", "<br/><p class='x'></p>", "\x1b[31m\x07", "\u200b\ufeff", "\ud800"],
    ids=ascii,
)
def test_what_has_no_word_is_one_clear_message(evensong, sentence):
    status, text, said = evensong(sentence)

    assert (status, text) == (1, "")
    assert "error NoWordsError: the sentence has no word" in said
    assert "evensong mood" in said
    assert "\x1b" not in said


def test_odd_signs_do_not_reach_the_terminal(evensong):
    """Control characters and tags say nothing, and the words between them are read."""
    status, text, _ = evensong("\x1b[2J\x07<b>bright</b>\u202e night\r\n", "--n", 20)

    assert status == 0
    assert text.splitlines()[0] == "mood bright night"
    assert re.findall(r"[\x00-\x09\x0b-\x1f\u202e]", text) == []
    assert "Esc\\x1b[31m" in text


def test_emojis_are_read_by_their_names(rows):
    """The text model knows `night` of `night with stars`."""
    by_emoji, said = rows("bright 🌃")
    by_words, _ = rows("bright night with stars")

    assert by_emoji == by_words
    assert "mood bright night with stars" in said


def test_ten_thousand_words_are_all_read_and_a_few_are_shown(rows):
    values = [
        (re.search(r"valence (\S+) ±", said)[1], len(said))
        for _, said in (
            rows("dark night " * 5_000),
            rows("dark night " * 10 + "bright day " * 5_000),
        )
    ]

    assert float(values[1][0]) > float(values[0][0]) + 0.1
    assert max(length for _, length in values) < 900


def test_another_language_is_noted_where_that_is_sure(rows):
    _, said_of_german = rows("Ich bin heute sehr traurig und will etwas Ruhiges hören")
    _, said_of_english = rows("I feel sad today")

    assert "seems to be in another language (de); it is read in English only" in said_of_german
    assert "language" not in said_of_english


def test_a_dash_reads_the_sentence_from_standard_input(rows):
    assert rows("-", typed=LYRICS) == rows(LYRICS)


def test_the_repl_goes_on_after_a_bad_sentence_and_ends_with_quit(evensong, monkeypatch):
    """Two answers, an error and their times; the model is loaded once, and no prompt is in the output of a pipe."""
    loaded, read_state = [], model_registry.read_state
    monkeypatch.setattr(
        model_registry,
        "read_state",
        lambda night, row, **options: loaded.append(row) or read_state(night, row, **options),
    )

    status, text, _ = evensong(
        "--repl", "--n", 1, typed=piped(b"bright day\n\x07\ndark \xff night\nQuit\nbright night\n")
    )

    assert status == 0
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("mood")] == [
        "mood bright day",
        "mood dark � night",
    ]
    assert sum(line.startswith("error NoWordsError") for line in lines) == 1
    assert len(re.findall(r"^answered in \d+\.\d\d s$", text, re.MULTILINE)) == 3
    assert "mood> " not in text
    assert len(loaded) == 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_repl_prompts_at_a_terminal_and_ends_with_an_empty_line(evensong):
    _, text, _ = evensong("--repl", "--n", 1, typed=Terminal("bright day\n \nbright night\n"))

    assert text.count("mood> ") == 2
    assert "mood bright day" in text
    assert "bright night" not in text


def test_the_repl_prints_a_line_of_json_for_each_answer(evensong):
    """Times are for people."""
    status, text, said = evensong(
        "--repl", "--user", LISTENER, "--format", "json", typed=f"bright day\n{DISTRESS}\n"
    )

    assert status == 0
    answers = [json.loads(line) for line in text.splitlines()]
    assert len(answers) == 2
    assert answers[1][0]["track_id"] == track_of_cell(*GENTLE_CELL)
    assert said.count("answered in") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a sentence, or --repl"),
        (("bright", "--repl"), "give a sentence, or --repl"),
        (("--repl", "--html", "page.html"), "a page holds one answer"),
        (("bright", "--user", "\udcff"), "an id is UTF-8"),
    ],
)
def test_wrong_options_are_refused(evensong, arguments, message):
    status, _, said = evensong(*arguments)

    assert status == 2
    assert message in said


def test_the_page_shows_the_sentence_on_the_plane_and_plays_the_list(evensong, tmp_path, filled):
    row, file = row_of_lyrics(filled), tmp_path / "page.html"

    status, text, _ = evensong("<i>bright</i> & night", "--n", 20, "--html", file)

    assert status == 0
    assert f"page: {file}" in text.replace("\n", "")
    page = file.read_text()
    assert "<h1>bright &amp; night</h1>" in page
    assert page.count('class="region"') == page.count('class="point"') == 1
    assert page.count('class="listed"') == 8
    assert row["model_version"] in page
    embedded = re.findall(r'<audio id="(\w+)"[^>]* src="data:audio/mpeg;base64,', page)
    assert len(embedded) == 8
    assert re.findall(r'data-excerpt="(\w+)"', page) == embedded
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_the_page_of_distress_holds_the_list_alone(evensong, tmp_path):
    """Neither the sentence nor that it was one of distress; the line is at the terminal."""
    file = tmp_path / "page.html"

    status, text, _ = evensong(DISTRESS, "--user", LISTENER, "--html", file)

    assert status == 0
    page = file.read_text()
    assert f"Title {track_of_cell(*GENTLE_CELL)}" in page
    assert "<h1>Calm and happy</h1>" in page
    for left_out in (
        'class="region"',
        'class="point"',
        "want to die",
        "Quizz",
        GENTLE_CONTEXT.message[:20],
        "read by",
    ):
        assert left_out not in page
    assert GENTLE_CONTEXT.message in text
