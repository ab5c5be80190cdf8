"""What the social benchmark computes of fits, on worlds small enough to do it by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

from tests.benchmarks import social
from tests.benchmarks.support import baselines, fits
from tests.benchmarks.support.baselines import ALL_HEADS, Contender, contender_called
from tests.benchmarks.support.comparison import figures_of, segments_of
from tests.benchmarks.support.fits import Bench
from tests.training.worlds import CPU, dated_edges, edges, modality, nodes_of, pairs_of, world_of
from training.data.content import Vectors
from training.data.dataset import Evidence, World
from training.data.interactions import counts_of
from training.data.nodes import IdList
from training.evaluate import published_evidence
from training.evaluation.evaluator import Listed
from training.evaluation.splits import Split
from training.evaluation.top_k import Ranked

AS_OF = date(2026, 3, 1)
N_TRACKS = 25


@pytest.fixture
def world() -> World:
    """Eight people heard 20 of 25 tracks, each from a place of their own; person n heard each n + 1 times."""
    pairs = torch.tensor([(user, (user + k) % N_TRACKS) for user in range(8) for k in range(20)])
    nodes = nodes_of([f"u{n}" for n in range(8)], [f"t{n:02}" for n in range(N_TRACKS)])
    counts = counts_of(pairs[:, 0], pairs[:, 1], pairs[:, 0] + 1)
    follows = [(0, 1), (1, 0), (0, 2), (3, 0), (4, 4), (5, 4), (6, 4), (7, 4)]
    undated = dated_edges([(source, target, None) for source, target in follows])
    return replace(world_of(nodes, counts, AS_OF), follows=undated)


def with_all_parts(world: World) -> World:
    """Two tags, each on two tracks that are heard, by nobody's hand; the modalities have emotions anyway."""
    tags = IdList.of("tag", ["rock", "slow"])
    return replace(
        world,
        nodes=replace(world.nodes, tags=tags),
        tagged=edges([(0, 0), (1, 0), (1, 1), (2, 1)]),
        tagger_count=torch.ones(4, dtype=torch.int64),
        tag_vectors=Vectors("", torch.zeros(2, 0), torch.zeros(2, dtype=torch.bool)),
    )


def bench(world: World, folder: Path) -> Bench:
    return Bench(world, world.sha256(), folder, CPU, 1, 2, published_evidence)


def split_of(world: World) -> Split:
    return bench(world, Path()).split(1)


def test_segments_go_by_what_there_is_to_learn_from(world):
    """The two who listened least; who has three others at a follow's ends; the heard four fifths' end."""
    split = split_of(world)
    heard = split.validation.before
    listeners = torch.bincount(heard.tracks, minlength=N_TRACKS)

    segments = bench(world, Path()).segments(1)

    assert segments.few_listens.nonzero().flatten().tolist() == [0, 1]
    assert (~segments.few_follows).nonzero().flatten().tolist() == [0, 4]  # 1, 2, 3 and 5, 6, 7
    assert int((~segments.tail).sum()) == 5
    assert listeners[~segments.tail].min() >= listeners[segments.tail].max()
    assert torch.equal(segments.listeners, listeners)
    assert torch.equal(segments.cold, listeners == 0)


def test_a_track_misses_a_modality_that_others_have_and_no_other_one(world):
    """Track 0 lacks audio, track 2 lyrics and track 1 both; nobody has a cover, so nobody misses one."""
    split = split_of(world)
    nobody = list(range(world.n_tracks))
    content = {
        name: modality(world.n_tracks, 2, seed, lacking)
        for seed, (name, lacking) in enumerate(
            (("audio", [0, 1]), ("lyrics", [1, 2]), ("cover", nobody))
        )
    }

    segments = segments_of(world, split, Evidence(published_evidence(world, split).graph, content))

    assert segments.missing.nonzero().flatten().tolist() == [0, 1, 2]


def test_figures_of_a_segment_are_over_who_has_something_there(world):
    """Person 0 finds one of two, person 2 nothing of one; of the tail, person 0 finds the only one."""
    segments = bench(world, Path()).segments(1)
    tail, head = segments.tail.nonzero().flatten(), (~segments.tail).nonzero().flatten()
    lists = torch.stack([tail[:10], tail[5:15]])
    ranked = Ranked(lists, torch.zeros(2, 10), torch.ones(2, 10, dtype=torch.bool))
    wanted = pairs_of([(0, int(tail[3])), (0, int(head[0])), (2, int(head[1]))])

    figures = figures_of(Listed(torch.tensor([0, 2]), ranked, wanted), segments)

    recall, in_tail = (figures.of_each[f"{part}recall_at_10"] for part in ("", "tail_"))
    assert recall[[0, 2]].tolist() == [0.5, 0]
    assert bool(recall[[1, 3, 4, 5, 6, 7]].isnan().all())
    assert in_tail[0] == 1
    assert bool(in_tail[1:].isnan().all())
    assert figures.values["recall_at_10"] == 0.25
    assert figures.values["few_listens_recall_at_10"] == 0.5
    assert figures.values["few_follows_recall_at_10"] == 0
    assert figures.values["tail_recall_at_10"] == 1
    assert math.isnan(figures.values["cold_recall_at_10"])
    assert figures.values["coverage"] == pytest.approx(15 / N_TRACKS)


def test_a_fit_is_made_once_and_its_lists_come_back(world, tmp_path, monkeypatch):
    """The second time nothing is learned; a head alone has lists of its own; another seed is another fit."""
    here, blend = bench(world, tmp_path), Contender("light_gcn_ease")
    made = here.fitted(blend, 1)
    monkeypatch.setattr(fits, "choose", None)

    again = here.fitted(blend, 1)

    assert set(again.lists) == {ALL_HEADS, "collaborative", "linear"}
    for head, listed in made.lists.items():
        assert torch.equal(listed.ranked.tracks, again.lists[head].ranked.tracks)
    assert made.validation == again.validation
    with pytest.raises(TypeError):
        here.fitted(blend, 2)


def test_a_change_of_settings_is_a_change_of_the_recipe():
    without = contender_called("mm_gnn_no_social").recipe(None)
    alone = contender_called("mm_gnn_only_collaborative")

    assert without.model.follows_weight == 0
    assert alone.recipe(None).model.mutual_weight == 0
    assert alone.head == "collaborative"
    with pytest.raises(typer.BadParameter, match="'mm_gnn_no_luck' must be one of popularity"):
        contender_called("mm_gnn_no_luck")


@pytest.mark.parametrize(
    ("name", "weight"), [("mm_gnn", 0.1), ("concat_twin", 0.1), ("mm_gnn_no_mutual", 0)]
)
def test_heads_of_hetrec_s_only_modality_learn_less_of_each_other(name, weight):
    here, elsewhere = social.competing(name).recipe(None), contender_called(name).recipe(None)

    assert here.model == replace(elsewhere.model, mutual_weight=weight)
    assert social.competing("light_gcn_linear") == contender_called("light_gcn_linear")


@pytest.mark.parametrize("part", baselines.WITHOUT)
def test_mm_gnn_fits_without_each_of_its_parts(world, tmp_path, part):
    """Each ablation is another model than the whole: somebody's list has other scores."""
    here = bench(with_all_parts(world), tmp_path)

    whole, without = (
        here.fitted(contender_called(name), 1).lists[ALL_HEADS].ranked
        for name in ("mm_gnn", f"mm_gnn_{part}")
    )

    assert bool(without.is_filled.any())
    assert not torch.equal(whole.scores, without.scores)


def test_the_last_line_has_a_figure_for_every_family_and_an_interval_for_every_rival(
    world, tmp_path
):
    """Means and deviations over two seeds, MM-GNN's lead over popularity, and null where there is nothing."""
    figures = social.measure(bench(world, tmp_path), ["popularity", "mm_gnn"], 2)

    flat = json.loads(json.dumps(social.flat_figures(figures, social.differences(figures))))

    recalls = [one.values["recall_at_10"] for one in figures["mm_gnn"].values()]
    assert flat["mm_gnn.recall_at_10"] == pytest.approx(sum(recalls) / 2, abs=1e-6)
    assert flat["mm_gnn.recall_at_10_sd"] == pytest.approx(np.std(recalls, ddof=1), abs=1e-6)
    lead = flat["mm_gnn.ndcg_at_10"] - flat["popularity.ndcg_at_10"]
    assert flat["mm_gnn_minus_popularity.ndcg_at_10"] == pytest.approx(lead, abs=2e-6)
    low, high = (flat[f"mm_gnn_minus_popularity.ndcg_at_10_{end}"] for end in ("low", "high"))
    assert low <= lead <= high
    assert "mm_gnn_minus_popularity.tail_recall_at_10_low" in flat
    assert flat["popularity.cold_recall_at_10"] is None
    assert "mm_gnn_minus_popularity.cold_recall_at_10" not in flat  # nothing cold is to be found
