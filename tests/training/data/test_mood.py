"""Moods of tracks and contexts of listens: cells, what a view knows, and what is read from the tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import torch

from feature_store.setting_groups import SplitSettings
from feature_store.tables.features import FEAT_LISTEN_MOOD
from tests.training import lake as sample
from tests.training.datasets import modality
from tests.training.tasks.mood_worlds import HAPPY, MARCH_1, SAD, mood_data, two_moods
from training.data.interactions import day_number
from training.data.mood import (
    NO_CELL,
    MoodHoldout,
    cell_centres,
    cell_numbers,
    read_mood,
)
from training.data.nodes import DanglingIdError
from training.evaluation.splits import night_cut, time_split


def test_cells_are_numbered_by_valence_then_arousal():
    """(0.1, 0.9) is the saddest and most excited cell, 4; a position of 1 belongs to the last fifth."""
    positions = torch.tensor([(0.1, 0.9), (0.9, 0.1), (1.0, 1.0), (0.2, 0.0)], dtype=torch.float64)

    assert cell_numbers(positions).tolist() == [4, 20, 24, 5]
    assert cell_numbers(cell_centres()).tolist() == list(range(25))


def test_a_track_without_a_mood_has_no_cell():
    data = mood_data([], [SAD, None, HAPPY], 1)

    assert data.moods.cells.tolist() == [2, NO_CELL, 22]


def holdout_of(data):
    cut = night_cut(MARCH_1 - timedelta(days=39), MARCH_1, SplitSettings())
    known = time_split(data.dataset.listens, data.dataset.available_from, cut).validation
    window = cut.validation
    return MoodHoldout(known, data.listens.within(window.start, window.end)), cut


def test_a_view_before_a_holdout_knows_no_later_listen_and_no_later_track():
    """Track 3 became available on the first day of the window: its mood and listens are unknown."""
    data = two_moods()
    _, cut = holdout_of(data)
    available_from = data.dataset.available_from.clone()
    available_from[3] = day_number(cut.validation.start)
    data = replace(data, dataset=replace(data.dataset, available_from=available_from))
    holdout, cut = holdout_of(data)

    view = data.train_view(holdout)

    assert int(view.listens.day.max()) == day_number(cut.validation.start) - 1
    assert 3 not in view.listens.tracks.tolist()
    assert 3 in data.full_view().listens.tracks.tolist()
    assert view.moods.has.nonzero().squeeze(1).tolist() == [n for n in range(20) if n != 3]
    assert not view.known_mask[3]


def test_equal_data_have_one_hash_and_each_part_counts():
    data = two_moods()
    other_context = data.listens.contexts.clone()
    other_context[0, 0] += 0.1
    changed = [
        replace(data, listens=replace(data.listens, contexts=other_context)),
        replace(data, moods=data.moods.among(torch.arange(20) > 0)),
        replace(data, dataset=two_moods(n_users=13).dataset),
    ]

    assert two_moods().sha256() == data.sha256()
    assert len({data.sha256(), *(one.sha256() for one in changed)}) == 4


def test_the_text_of_a_cell_is_the_mean_of_its_tracks_lyrics():
    """Unit vectors (1, 0) and (0, 1) of two sad tracks: (0.71, 0.71). Nobody else has lyrics."""
    data = mood_data([], [SAD, SAD, HAPPY, None], 1)
    lyrics = modality(4, 2, 1, lacking=[2])
    lyrics.embedding[:2] = torch.tensor([(3.0, 0.0), (0.0, 0.5)])
    dataset = replace(data.dataset, content={"lyrics": lyrics})

    texts = replace(data, dataset=dataset).full_view().texts

    assert texts.embedding[2].tolist() == pytest.approx([0.5**0.5, 0.5**0.5])
    assert texts.has.nonzero().squeeze(1).tolist() == [2]
    assert texts.encoder == lyrics.encoder


def test_without_lyrics_cells_have_no_text():
    data = mood_data([], [SAD], 1)

    texts = replace(data, dataset=replace(data.dataset, content={})).full_view().texts

    assert texts.embedding.shape == (25, 0)
    assert not texts.has.any()


def test_reading_puts_rows_in_the_order_of_the_graph(night):
    """t02 lies at (2.5 / 16, 0.25); the listener of the first row heard it in a context near there."""
    sample.fill(night.settings.lake, night.as_of)

    data = read_mood(night)

    assert data.moods.positions[2].tolist() == pytest.approx([2.5 / 16, 0.25])
    assert data.moods.has.nonzero().squeeze(1).tolist() == [
        number for number in range(16) if number != sample.WITHOUT_MOOD
    ]
    assert len(data.listens) == 13 * 7
    row = int((data.listens.tracks == 2).nonzero()[0])
    assert data.listens.contexts[row].tolist() == pytest.approx([2.5 / 16 - 0.1, 0.25])


def test_listens_that_nobody_chose_do_not_count_where_the_graph_leaves_them_out(night):
    """The rule is graph.organic_only, the same as for edges."""
    sample.fill(night.settings.lake, night.as_of)
    rows = [sample.listen_mood(row) for row in sample._listens(night.as_of)]
    for row in rows[:5]:
        row["organic_count"] = 0
    sample._write(night.settings.lake, FEAT_LISTEN_MOOD, night.as_of, rows)
    graph = night.settings.graph.model_copy(update={"organic_only": True})
    chosen = replace(night, settings=night.settings.model_copy(update={"graph": graph}))

    assert len(read_mood(night).listens) == len(rows)
    assert len(read_mood(chosen).listens) == len(rows) - 5


def test_a_row_of_a_listener_whom_the_graph_lacks_is_refused(night):
    sample.fill(night.settings.lake, night.as_of)
    row = sample.listen_mood(sample._listens(night.as_of)[0]) | {"user_id": "nobody"}
    sample._write(night.settings.lake, FEAT_LISTEN_MOOD, night.as_of, [row])

    with pytest.raises(DanglingIdError, match="feat_listen_mood: 1 ids are no user"):
        read_mood(night)
