"""Segments, metrics, fit cache and variants of the social benchmark, on a small data set."""

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
from tests.benchmarks.support import baselines
from tests.benchmarks.support import fit_cache as fit_cache_module
from tests.benchmarks.support.baselines import ALL_HEADS, Variant, get_variant
from tests.benchmarks.support.fit_cache import FitCache
from tests.benchmarks.support.list_metrics import ListMetrics, list_metrics, segments_of
from tests.support.ranking_fits import RANKING_TASK
from tests.training.datasets import (
    CPU,
    dataset_of,
    dated_edges,
    edges,
    modality,
    nodes_of,
    pairs_of,
)
from training.data.content import Vectors
from training.data.dataset import Dataset, DataView
from training.data.interactions import counts_of
from training.data.nodes import IdList
from training.evaluate import published_view
from training.evaluation.evaluator import Recommendations
from training.evaluation.splits import Split
from training.evaluation.top_k import TopK

AS_OF = date(2026, 3, 1)
N_TRACKS = 25


@pytest.fixture
def dataset() -> Dataset:
    """Eight users heard 20 of 25 tracks: user n starts at track n and heard each track n + 1 times."""
    pairs = torch.tensor([(user, (user + k) % N_TRACKS) for user in range(8) for k in range(20)])
    nodes = nodes_of([f"u{n}" for n in range(8)], [f"t{n:02}" for n in range(N_TRACKS)])
    counts = counts_of(pairs[:, 0], pairs[:, 1], pairs[:, 0] + 1)
    follows = [(0, 1), (1, 0), (0, 2), (3, 0), (4, 4), (5, 4), (6, 4), (7, 4)]
    undated = dated_edges([(source, target, None) for source, target in follows])
    return replace(dataset_of(nodes, counts, AS_OF), follows=undated)


def with_tags(dataset: Dataset) -> Dataset:
    """The data set with two tags, each on two heard tracks, without tag events of users."""
    tags = IdList.of("tag", ["rock", "slow"])
    return replace(
        dataset,
        nodes=replace(dataset.nodes, tags=tags),
        tagged=edges([(0, 0), (1, 0), (1, 1), (2, 1)]),
        tagger_count=torch.ones(4, dtype=torch.int64),
        tag_vectors=Vectors("", torch.zeros(2, 0), torch.zeros(2, dtype=torch.bool)),
    )


def make_cache(dataset: Dataset, folder: Path) -> FitCache:
    return FitCache(dataset, dataset.sha256(), folder, CPU, 1, 2, published_view)


def split_of(dataset: Dataset) -> Split:
    return make_cache(dataset, Path()).split(1)


def test_segments_follow_the_training_data(dataset):
    """Two users have the fewest listens, two have three neighbours by follows, and 5 of 25 tracks are the head."""
    split = split_of(dataset)
    listened = split.validation.before
    listener_count = torch.bincount(listened.tracks, minlength=N_TRACKS)

    segments = make_cache(dataset, Path()).segments(1)

    assert segments.few_listens.nonzero().flatten().tolist() == [0, 1]
    assert (~segments.few_follows).nonzero().flatten().tolist() == [0, 4]  # 1, 2, 3 and 5, 6, 7
    assert int((~segments.tail).sum()) == 5
    assert listener_count[~segments.tail].min() >= listener_count[segments.tail].max()
    assert torch.equal(segments.listener_count, listener_count)
    assert torch.equal(segments.cold, listener_count == 0)


def test_a_track_misses_only_modalities_that_other_tracks_have(dataset):
    """Track 0 lacks audio, track 2 lyrics and track 1 both; no track has a cover, so none misses one."""
    split = split_of(dataset)
    all_tracks = list(range(dataset.n_tracks))
    content = {
        name: modality(dataset.n_tracks, 2, seed, lacking)
        for seed, (name, lacking) in enumerate(
            (("audio", [0, 1]), ("lyrics", [1, 2]), ("cover", all_tracks))
        )
    }

    segments = segments_of(
        dataset, split, DataView(published_view(RANKING_TASK, dataset, split).graph, content)
    )

    assert segments.missing.nonzero().flatten().tolist() == [0, 1, 2]


def test_metrics_of_a_segment_are_means_over_users_with_a_relevant_track_there(dataset):
    """User 0's list has one of two relevant tracks and the only one in the tail; user 2's list has none of one."""
    segments = make_cache(dataset, Path()).segments(1)
    tail, head = segments.tail.nonzero().flatten(), (~segments.tail).nonzero().flatten()
    lists = torch.stack([tail[:10], tail[5:15]])
    ranked = TopK(lists, torch.zeros(2, 10), torch.ones(2, 10, dtype=torch.bool))
    relevant = pairs_of([(0, int(tail[3])), (0, int(head[0])), (2, int(head[1]))])

    metrics = list_metrics(Recommendations(torch.tensor([0, 2]), ranked, relevant), segments)

    recall, in_tail = (metrics.per_user[f"{part}recall_at_10"] for part in ("", "tail_"))
    assert recall[[0, 2]].tolist() == [0.5, 0]
    assert bool(recall[[1, 3, 4, 5, 6, 7]].isnan().all())
    assert in_tail[0] == 1
    assert bool(in_tail[1:].isnan().all())
    assert metrics.values["recall_at_10"] == 0.25
    assert metrics.values["few_listens_recall_at_10"] == 0.5
    assert metrics.values["few_follows_recall_at_10"] == 0
    assert metrics.values["tail_recall_at_10"] == 1
    assert math.isnan(metrics.values["cold_recall_at_10"])
    assert metrics.values["coverage"] == pytest.approx(15 / N_TRACKS)


def test_the_cache_returns_the_lists_of_the_first_fit(dataset, tmp_path, monkeypatch):
    """The second call trains nothing; each head has its own lists; another seed is another fit."""
    cache, variant = make_cache(dataset, tmp_path), Variant("light_gcn_ease")
    first = cache.fit(variant, 1)
    monkeypatch.setattr(fit_cache_module, "select_on_validation", None)

    again = cache.fit(variant, 1)

    assert set(again.lists) == {ALL_HEADS, "collaborative", "linear"}
    for head, listed in first.lists.items():
        assert torch.equal(listed.ranked.tracks, again.lists[head].ranked.tracks)
    assert first.validation == again.validation
    with pytest.raises(TypeError):
        cache.fit(variant, 2)


def test_a_variant_changes_its_recipe():
    without = get_variant("mm_gnn_no_social").recipe(None)
    alone = get_variant("mm_gnn_only_collaborative")

    assert without.model.follows_weight == 0
    assert alone.recipe(None).model.mutual_weight == 0
    assert alone.head == "collaborative"
    with pytest.raises(typer.BadParameter, match="'mm_gnn_no_luck' must be one of popularity"):
        get_variant("mm_gnn_no_luck")


@pytest.mark.parametrize(
    ("name", "weight"), [("mm_gnn", 0.1), ("concat_twin", 0.1), ("mm_gnn_no_mutual", 0)]
)
def test_hetrec_variants_have_a_smaller_weight_of_mutual_learning(name, weight):
    on_hetrec, elsewhere = social.hetrec_variant(name).recipe(None), get_variant(name).recipe(None)

    assert on_hetrec.model == replace(elsewhere.model, mutual_weight=weight)
    assert social.hetrec_variant("light_gcn_linear") == get_variant("light_gcn_linear")


@pytest.mark.parametrize("ablation", baselines.ABLATIONS)
def test_each_ablation_changes_the_scores_of_mm_gnn(dataset, tmp_path, ablation):
    """At least one list of the ablation has other scores than that of the full model."""
    cache = make_cache(with_tags(dataset), tmp_path)

    full, ablated = (
        cache.fit(get_variant(name), 1).lists[ALL_HEADS].ranked
        for name in ("mm_gnn", f"mm_gnn_{ablation}")
    )

    assert bool(ablated.valid_mask.any())
    assert not torch.equal(full.scores, ablated.scores)


def test_the_last_line_has_a_figure_for_each_family_and_an_interval_for_each_baseline(
    dataset, tmp_path
):
    """Means and deviations over two seeds, MM-GNN's gain over popularity, and null for an empty segment."""
    metrics = social.measure(make_cache(dataset, tmp_path), ["popularity", "mm_gnn"], 2)

    flat = json.loads(json.dumps(social.flat_figures(metrics, social.differences(metrics))))

    recalls = [one.values["recall_at_10"] for one in metrics["mm_gnn"].values()]
    assert flat["mm_gnn.recall_at_10"] == pytest.approx(sum(recalls) / 2, abs=1e-6)
    assert flat["mm_gnn.recall_at_10_sd"] == pytest.approx(np.std(recalls, ddof=1), abs=1e-6)
    gain = flat["mm_gnn.ndcg_at_10"] - flat["popularity.ndcg_at_10"]
    assert flat["mm_gnn_minus_popularity.ndcg_at_10"] == pytest.approx(gain, abs=2e-6)
    low, high = (flat[f"mm_gnn_minus_popularity.ndcg_at_10_{end}"] for end in ("low", "high"))
    assert low <= gain <= high
    assert "mm_gnn_minus_popularity.tail_recall_at_10_low" in flat
    assert flat["popularity.cold_recall_at_10"] is None
    assert "mm_gnn_minus_popularity.cold_recall_at_10" not in flat  # no cold track is relevant


def test_all_means_of_a_table_are_over_the_same_seeds():
    """Seeds 1 to 5 have recall 0.1 to 0.5: a mean of 0.3; of the first three, which BPR has alone, 0.2."""
    metrics = {
        name: {seed: _metrics(seed / 10) for seed in range(1, n_seeds + 1)}
        for name, n_seeds in (("ease", 5), ("bpr", 3))
    }

    five, three = social.sections_of(metrics, "command", AS_OF)

    column = social.HEADER.index("recall@10")
    assert (five.title, five.seeds) == ("Social (HetRec 2011 Last.fm)", 5)
    assert (three.title, three.seeds) == ("Social (HetRec 2011 Last.fm), first 3 seeds", 3)
    assert [(row[0], row[column][:6]) for row in five.rows] == [("ease", "0.3000")]
    assert [(row[0], row[column][:6]) for row in three.rows] == [
        ("ease", "0.2000"),
        ("bpr", "0.2000"),
    ]
    assert "3 seeds, mean ± sd" in three.markdown
    [only] = social.sections_of({"ease": metrics["ease"]}, "command", AS_OF)
    assert only == five


def _metrics(recall: float) -> ListMetrics:
    values = dict.fromkeys(social.COLUMNS, 0.0) | {"recall_at_10": recall}
    return ListMetrics(values, {})
