"""HTCL on real music: its split, its texts, its fits, and what is found, by hand."""

from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console

from tests.benchmarks.checks.htcl.real_tracks import decoded, generator, small_music
from tests.benchmarks.support.htcl.real.figures import (
    HEADER,
    Retrieval,
    pool_figures,
    retrieval_figures,
    retrieval_rows,
)
from tests.benchmarks.support.htcl.real.fits import FitChoice, RealFits, text_view, title_texts
from tests.benchmarks.support.htcl.real.music import HELD_OUT, LEARNED
from tests.benchmarks.support.htcl.real.real_music import _retrieval
from tests.benchmarks.support.htcl.real.retrieval import (
    draw_windows,
    same_album_recalls,
    same_track_recalls,
    title_recalls,
)
from tests.benchmarks.support.htcl.real.split import Part, album_of, parts_of, real_music
from tests.benchmarks.support.htcl.real.vectors import WindowVectors, fitted_vectors

CONSOLE = Console(file=io.StringIO())


def test_an_album_is_an_artist_or_a_folder():
    assert album_of(decoded("p", "music/ice/a.ogg", artist="Ann")) == "p/by Ann"
    assert album_of(decoded("p", "music/ice/a.ogg")) == "p/in ice"


def test_versions_of_a_piece_and_tracks_of_an_album_stay_on_one_side():
    """celtic_fast goes with celtic, although another artist is tagged; validation takes what fits into a fifth."""
    tracks = [decoded(HELD_OUT[0], "music/celtic_slow.ogg")]
    tracks += [decoded(LEARNED[1], f"music/{n}.ogg", artist=f"artist {n}") for n in range(16)]
    tracks += [
        decoded(LEARNED[1], "music/celtic.ogg", artist="Ann"),
        decoded(LEARNED[1], "music/celtic_fast.ogg", artist="Bob"),
        decoded(LEARNED[1], "music/jig.ogg", artist="Bob"),
        decoded(LEARNED[1], "music/reel.ogg", artist="Ann"),
    ]
    sides = set()
    for seed in range(20):
        parts = parts_of(tracks, torch.Generator().manual_seed(seed))
        assert parts[0] == Part.HELD_OUT
        assert (parts == Part.HELD_OUT).sum() == 1
        assert (parts == Part.VALIDATION).sum() == 4  # a fifth of 20
        assert len(parts[17:].unique()) == 1
        sides.add(int(parts[17]))

    assert sides == {Part.LEARNED, Part.VALIDATION}


def test_a_text_has_the_tags_of_another_window():
    """Window 0 has guitar and its text classical, which window 1 has; a track of one window has no other."""
    tracks = [
        decoded(LEARNED[0], "music/a.ogg", 3, title="Alpha", artist="Ann"),
        decoded(LEARNED[0], "music/b.ogg", 1, artist="Bob"),
    ]
    music = real_music(tracks, generator())

    tags = text_view(music, "tags").texts
    both = text_view(music, "both").texts

    assert [text.split(",")[0] for text in tags] == ["classical", "slow", "guitar", ""]
    assert list(text_view(music, "title").texts) == ["Alpha. Ann"] * 3 + ["Bob"]
    assert both[0].startswith("Alpha. Ann. classical")
    assert both[3] == "Bob"
    assert title_texts(music) == ["Alpha. Ann", ""]


def test_windows_of_one_track_are_copies_and_nothing_is_learned_of_the_others():
    music = small_music()

    view = text_view(music, "both")

    assert view.copies.tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 6, 7, 7]
    learned = music.parts[view.copies[view.is_learned]]
    assert set(learned.tolist()) == {Part.LEARNED}
    assert len(music.windows(Part.HELD_OUT)) == 5


def test_a_target_is_another_window_of_the_track():
    track_of = torch.tensor([0, 0, 1, 2, 2, 2])

    draws = draw_windows(track_of, 200, generator())

    assert (track_of[draws.queries] == torch.arange(3)).all()
    assert (track_of[draws.targets] == torch.arange(3)).all()
    assert draws.has_other.tolist() == [True, False, True]
    assert (draws.queries != draws.targets)[:, [0, 2]].all()
    assert set(draws.targets[:, 2].tolist()) == {3, 4, 5}


def test_same_track_recall_by_hand():
    """Of 12 tracks with two equal windows each, one alone has a window that lies elsewhere.

    Its query equals the windows of track 0, or its target does: it finds track 0 first, and of the others, all of
    cosine 0, those that are earlier: it is twelfth. Track 0 finds both its own window and that one; its own is earlier.
    """
    track_of = torch.arange(12).repeat_interleave(2)
    vectors = torch.eye(12)[track_of]
    vectors[23] = vectors[0]
    draws = draw_windows(track_of, 40, generator())

    recalls = same_track_recalls(vectors, draws)

    assert {depth: float(one[:11].mean()) for depth, one in recalls.items()} == {1: 1, 5: 1, 10: 1}
    assert recalls[10][11] == 0


def test_equal_vectors_find_as_many_as_a_random_order():
    """Of 20 tracks with equal vectors the first 10 count as found: 10 of 20; one window is no query."""
    track_of = torch.cat([torch.arange(20).repeat_interleave(2), torch.tensor([20])])
    draws = draw_windows(track_of, 5, generator())

    recalls = same_track_recalls(torch.ones(41, 1), draws)

    assert recalls[10][20].isnan()
    assert float(recalls[10].nanmean()) == 0.5
    assert float(recalls[1].nanmean()) == 0.05


def test_same_album_recall_by_hand():
    """Tracks a and c are alike; a finds c first, b finds d of another album first; d is alone on its album."""
    track_of = torch.arange(4)
    vectors = torch.nn.functional.normalize(
        torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.9, 0.4]]), dim=1
    )
    draws = draw_windows(track_of, 2, generator())

    recalls = same_album_recalls(vectors, draws, ["x", "x", "x", "y"])

    assert recalls[1].tolist()[:3] == [0.5, 0.0, 0.5]  # a finds c, b finds d of y, c finds a
    assert recalls[5].tolist()[:3] == [1.0, 1.0, 1.0]
    assert recalls[1][3].isnan()  # alone on its album


def test_title_recall_by_hand():
    """A title is compared with the mean of a track's windows; tracks without a title stay in the pool."""
    windows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]])
    titles = torch.tensor([[1.0, 0.0], [0.0, 1.0]])

    recalls = title_recalls(titles, torch.tensor([True, False]), windows, torch.tensor([0, 0, 1]))

    assert recalls[1][0] == 0  # the mean of track 0 is (.5, .5), and track 1 has (.9, .1)
    assert recalls[5][0] == 1
    assert recalls[1][1].isnan()


def test_figures_and_rows_have_each_kind_of_vectors():
    """Perfect vectors against MusiCNN's constant ones: of 3 tracks the two with two windows are queries."""
    music = small_music()
    one_hot = torch.eye(3)[music.track_of[music.windows(Part.HELD_OUT)]]
    constant = torch.ones_like(one_hot)
    kinds = [
        WindowVectors("MusiCNN", "", "", "musicnn_", constant),
        WindowVectors("random tower", "tiny", "", "random_", constant),
        WindowVectors("random tower", "small", "", "small_random_", one_hot),
        WindowVectors("projection", "tiny", "both", "", one_hot, torch.eye(3)),
    ]

    found = _retrieval(kinds, music, 5)
    pools = pool_figures(music)
    figures = retrieval_figures(found, 5)
    rows = retrieval_rows(found, pools, 5)

    assert (pools["real.held_out_tracks"], pools["real.held_out_windows"]) == (3, 5)
    assert pools["real.chance_recall_at_1"] == 1 / 3
    assert figures["real.same_track_recall_at_1"] == 1
    assert figures["real.same_track_recall_at_10_low"] == 1
    assert figures["real.musicnn_same_track_recall_at_1"] == 0.5  # the first of both is earlier
    assert figures["real.same_track_gain_over_musicnn"] == 0  # at 10 of 3 everything is found
    assert "real.same_track_gain_over_random" in figures
    assert "real.random_same_track_gain_over_random" not in figures
    assert "real.musicnn_same_track_gain_over_musicnn" not in figures
    assert figures["real.same_track_queries"] == 2
    assert figures["real.title_to_audio_queries"] == 2
    assert "real.musicnn_title_to_audio_recall_at_10" not in figures
    assert [row[:3] for row in rows] == [
        ["random order", "–", "–"],
        ["MusiCNN", "–", "–"],
        ["random tower", "tiny", "–"],
        ["random tower", "small", "–"],
        ["projection", "tiny", "both"],
    ]
    assert {len(row) for row in rows} == {len(HEADER)}
    assert [row[6] == "–" for row in rows] == [True, True, True, True, False]


def test_a_gain_is_over_the_random_tower_of_the_same_size():
    """The random tower of tiny finds 10 of 12 tracks, that of small none; the tiny tower finds all: 2 of 12 more."""
    kinds = {
        "tiny": torch.tensor([1.0] * 10 + [0.0] * 2, dtype=torch.float64),
        "small": torch.zeros(12, dtype=torch.float64),
    }
    found = [
        Retrieval(
            WindowVectors("random tower", size, "", f"{size}_random_", torch.zeros(0)),
            {task: dict.fromkeys((1, 5, 10), recall) for task in ("same_track", "same_album")},
        )
        for size, recall in kinds.items()
    ]
    perfect = dict.fromkeys((1, 5, 10), torch.ones(12, dtype=torch.float64))
    ours = WindowVectors("tower", "tiny", "both", "tower_", torch.zeros(0))
    found.append(Retrieval(ours, {"same_track": perfect, "same_album": perfect}))

    figures = retrieval_figures(found, 5)

    assert figures["real.tower_same_track_gain_over_random"] == pytest.approx(2 / 12)
    assert figures["real.tower_same_album_gain_over_random"] == pytest.approx(2 / 12)
    assert "real.tower_same_track_gain_over_musicnn" not in figures


def test_a_fit_is_read_from_its_file_and_gives_the_same_vectors(tmp_path, monkeypatch):
    """The second fit trains no epoch; another learning rate is another fit."""
    music = small_music()
    windows = music.windows(Part.HELD_OUT)
    fits = RealFits(music, tmp_path, 1, CONSOLE, max_epochs=1)
    choice = FitChoice("tiny", "both", 1e-3)
    fitted = fits.fit(choice)
    before = fitted_vectors(fitted, music.spectrograms, windows, title_texts(music))
    monkeypatch.setattr(RealFits, "_fit", lambda *_: pytest.fail("it is fitted again"))

    again = fits.fit(choice)

    after = fitted_vectors(again, music.spectrograms, windows, title_texts(music))
    assert (again.n_epochs, again.best_epoch, again.validation) == (1, 1, fitted.validation)
    assert [(one.prefix, one.windows.shape) for one in before] == [
        ("", (5, 100)),
        ("tower_", (5, 64)),
    ]
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one.windows, other.windows)
    assert [file.suffix for file in tmp_path.iterdir()] == [".safetensors"]
    with pytest.raises(pytest.fail.Exception, match="fitted again"):
        fits.fit(FitChoice("tiny", "both", 1e-4))
