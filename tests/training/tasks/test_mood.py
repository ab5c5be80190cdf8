"""mood: who gets lists, which tracks are scored for a cell, the rows, and what the task does without data."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import torch

from feature_store.lake.arrow_io import read_table
from feature_store.setting_groups import SplitSettings
from feature_store.settings import Night
from feature_store.tables.features import FEAT_LISTEN_MOOD, FEAT_TRACK_MOOD
from feature_store.tables.scores import SCORE_MOOD
from tests.training import lake as sample
from tests.training.tasks import worlds
from tests.training.tasks.mood_worlds import HAPPY, MARCH_1, SAD, mood_data, track_moods, two_moods
from training.artifacts import model_registry
from training.artifacts.model_state import ModelState
from training.data.content import EncoderChangedError
from training.data.mood import CellTexts, cell_centres, no_texts, read_mood
from training.engine.loop import eval_mode
from training.evaluation.splits import Split, Unsplit, night_cut
from training.models.mood_protocol import MoodQueries
from training.predict import load_model, predict
from training.tasks import mood_rows
from training.tasks.mood import Mood
from training.tasks.mood_rows import cell_candidates, listeners_with_lists
from training.train import train

registered = worlds.registered
pytestmark = pytest.mark.usefixtures("registered")

TASK = Mood()


@pytest.fixture
def filled(night: Night) -> Night:
    worlds.fill(night.settings.lake, night.as_of)
    training = night.settings.training.model_copy(update={"n_threads": 1})
    return replace(night, settings=night.settings.model_copy(update={"training": training}))


def changed(night: Night, **changes: object) -> Night:
    """The night with other settings of moods."""
    mood = night.settings.mood.model_copy(update=changes)
    return replace(night, settings=night.settings.model_copy(update={"mood": mood}))


def began_with(night: Night, family: str) -> Night:
    training = night.settings.training.model_copy(update={"families": {"mood": family}})
    return replace(night, settings=night.settings.model_copy(update={"training": training}))


def written(night: Night) -> list[dict[str, object]]:
    return read_table(night.settings.lake, SCORE_MOOD, as_of=night.as_of).to_pylist()


def split_of(data, first_day=MARCH_1 - timedelta(days=39), **settings):
    config = SplitSettings(**settings)
    return TASK.split(data, night_cut(first_day, MARCH_1, config), config, torch.Generator())


def test_listens_of_the_last_days_are_asked_for_with_what_was_around_them():
    """40 days: validation is 16 to 22 February, the rows of a day before it are learned from."""
    split = split_of(two_moods())

    assert isinstance(split, Split)
    assert split.validation.n_users == 12
    assert len(split.validation.queries) == 12 * 7
    assert len(TASK.train_view(two_moods(), split.validation).listens) == 12 * 26


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (two_moods(n_users=4), "4 listeners with a listen held out (rule: some rows, 5 listeners)"),
        (mood_data([], [SAD], 3), "feat_listen_mood: 0 rows to train on"),
    ],
)
def test_too_few_listens_hold_nothing_out(data, reason):
    found = split_of(data)

    assert isinstance(found, Unsplit)
    assert reason in found.reason


def test_without_a_day_nothing_is_held_out():
    found = TASK.split(two_moods(), None, SplitSettings(), torch.Generator())

    assert isinstance(found, Unsplit)
    assert "nothing can be split by time" in found.reason


def test_what_is_lacking_is_named():
    assert TASK.lacks(two_moods()) == ""
    assert TASK.lacks(mood_data([], [None], 1)) == "feat_track_mood: no track has a mood"
    assert TASK.lacks(mood_data([], [SAD], 1)).startswith("feat_listen_mood: no listen")


def test_a_cell_s_candidates_lie_within_the_fewest_steps_that_hold_enough():
    """Of the saddest calmest cell: itself and its neighbours hold two tracks, two steps three."""
    moods = track_moods([(0.1, 0.1), (0.3, 0.3), (0.5, 0.1), (0.9, 0.9), None])

    assert cell_candidates(moods, 1)[0].tolist() == [0, 1]
    assert cell_candidates(moods, 2)[0].tolist() == [0, 1]
    assert cell_candidates(moods, 3)[0].tolist() == [0, 1, 2]
    assert cell_candidates(moods, 4)[0].tolist() == [0, 1, 2, 3]
    assert cell_candidates(moods, 40)[0].tolist() == [0, 1, 2, 3]
    assert len(cell_candidates(moods, 1)) == 25
    assert cell_candidates(moods, 1)[24].tolist() == [3]


def test_active_listeners_get_lists_or_all_who_listened(night):
    """Listener 1 listened for the last time 10 days ago: the last of the days is 1 March."""
    rows = [(0, 0, MARCH_1, SAD), (1, 1, MARCH_1 - timedelta(days=10), HAPPY)]
    data = mood_data(rows, [SAD, HAPPY], 3)
    view = data.full_view()

    def who(**settings):
        return listeners_with_lists(changed(night, **settings), data, view).tolist()

    assert who(active_days=10) == [0]
    assert who(active_days=11) == [0, 1]
    assert who(listeners="all", active_days=1) == [0, 1]


def test_rows_are_the_best_of_each_cell_as_the_model_scores_them(filled):
    """Each list of two listeners is recomputed from the stored model, over all tracks of the cell's candidates."""
    train(filled, "mood")
    predict(filled, "mood")

    rows = written(filled)
    data = read_mood(filled)
    row = model_registry.promoted_models(filled, "mood", "wide_deep")[0]
    model = load_model(filled, TASK, row, data.full_view())
    available = data.moods.among(data.dataset.is_available)
    candidates = cell_candidates(available, filled.settings.mood.candidates_per_cell)
    users = torch.tensor([1, 6])
    with eval_mode(model):
        for cell in (0, 13, 22):
            asked = MoodQueries(users, cell_centres()[cell].expand(2, 2))
            scores = model.score(asked, candidates[cell])
            for number, user in enumerate(users.tolist()):
                order = scores[number].argsort(descending=True)
                expected = data.dataset.nodes.tracks.ids[candidates[cell][order].numpy()]
                name = str(data.dataset.nodes.users.ids[user])
                assert [r["track_id"] for r in list_of(rows, name, cell)] == expected.tolist()
    assert sample.WITHDRAWN not in {row["track_id"] for row in rows}
    assert sample.TRACKS[sample.WITHOUT_MOOD] not in {row["track_id"] for row in rows}


def list_of(rows: list[dict[str, object]], user: str, cell: int) -> list[dict[str, object]]:
    at = (user, cell // 5, cell % 5)
    found = [r for r in rows if (r["user_id"], r["valence_cell"], r["arousal_cell"]) == at]
    assert [row["rank"] for row in found] == list(range(1, len(found) + 1))
    assert found
    return found


def test_lists_are_as_long_as_the_setting_and_blocks_change_nothing(filled, monkeypatch):
    """13 listeners, 25 cells, 3 tracks each; in blocks of four as in one."""
    short = changed(filled, candidates_per_cell=3)
    train(short, "mood")
    predict(short, "mood")
    whole = written(short)
    monkeypatch.setattr(mood_rows, "BLOCK_USERS", 4)
    predict(short, "mood")

    in_blocks = written(short)
    assert len(whole) == 13 * 25 * 3
    assert [row["track_id"] for row in in_blocks] == [row["track_id"] for row in whole]
    assert [row["score"] for row in in_blocks] == pytest.approx([row["score"] for row in whole])


@pytest.mark.parametrize("family", ["nearest", "popularity"])
def test_a_baseline_can_make_the_lists(filled, family):
    """It learns nothing, and no ranking model is trained for it."""
    night = began_with(filled, family)
    train(night, "mood")
    predict(night, "mood")

    rows = written(night)
    assert {row["family"] for row in rows} == {family}
    assert len({row["user_id"] for row in rows}) == 13
    assert model_registry.rows_of(night, "ranking") == []
    if family == "nearest":  # t02 at (0.16, 0.25) is nearer to (0.1, 0.3) than t00 at (0.03, 0.25)
        assert list_of(rows, "u05", 1)[0]["track_id"] == "t02"


def test_a_head_that_the_ranking_model_lacks_is_a_stated_reason_and_an_empty_slice(filled):
    """The recipe names the linear peer, which has no vectors."""
    folder = worlds.config.CONFIGS / "mood"
    (folder / "wide_deep.toml").write_text('[model]\nhead = "linear"\n')

    row = train(filled, "mood")

    assert row.no_data_reason is not None
    assert "mm_gnn has no head 'linear' with vectors; it has audio" in row.no_data_reason
    assert [one.row_count for one in predict(filled, "mood")] == [0]
    assert written(filled) == []


@pytest.mark.parametrize("table", [FEAT_TRACK_MOOD, FEAT_LISTEN_MOOD])
def test_a_night_without_moods_says_so_and_writes_an_empty_slice(filled, table):
    sample._write(filled.settings.lake, table, filled.as_of, [])

    row = train(filled, "mood")
    [one] = predict(filled, "mood")

    assert str(row.no_data_reason).startswith(table.name)
    assert one.row_count == 0


def test_another_encoder_of_lyrics_is_refused_and_none_at_all_is_not():
    """A model that learned from texts scores without lyrics, too; one that learned from none ignores them."""
    silent = two_moods().full_view()
    spoken = replace(silent, texts=CellTexts("enc", torch.ones(25, 3), torch.ones(25) > 0))
    learned, without = (
        ModelState("wide_deep", {}, details={"text": {"encoder": encoder, "width": width}})
        for encoder, width in (("enc", 3), ("", 0))
    )

    assert TASK.view_for(spoken, learned) is spoken
    muted = TASK.view_for(replace(spoken, texts=no_texts("", 0)), learned).texts
    assert muted.embedding.shape == (25, 3)
    assert not muted.has.any()
    assert TASK.view_for(spoken, without).texts.embedding.shape == (25, 0)
    other = replace(spoken, texts=replace(spoken.texts, encoder="another"))
    with pytest.raises(EncoderChangedError, match="feat_lyrics: vectors by another"):
        TASK.view_for(other, learned)
