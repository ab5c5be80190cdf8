"""Tracks that were made new, recommended by their sound alone: HTCL beside other ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

from feature_store.lake.storage import sha256_of
from feature_store.setting_groups import SplitSettings
from feature_store.settings import Night, Settings
from tests.benchmarks.cold_start import recall_among
from tests.benchmarks.sample_world import open_fit_cache, options_of, sample_lake
from tests.benchmarks.support.baselines import ALL_HEADS, MM_GNN, get_variant
from tests.benchmarks.support.code_version import code_sha256
from tests.benchmarks.support.fit_cache import make_split, recommended
from tests.benchmarks.support.modality_dropout import draw_cold_start_tracks, make_cold_start
from tests.support.ranking_fits import cut_of
from training.config import load_recipe
from training.data.audio_text import AudioTextData, read_audio_text
from training.data.batches import UserBatch
from training.data.dataset import Dataset
from training.data.interactions import Pairs
from training.engine.loop import deterministic, eval_mode
from training.engine.model_selection import Fitting, select_on_validation
from training.evaluate import on_test, test_view
from training.evaluation.splits import Unsplit
from training.models.encoders.centred_cosine import CentredCosine, CentredCosineConfig
from training.models.encoders.htcl_encoder import HTCLEncoder
from training.models.protocols import EncodedTracks
from training.tasks.audio_text import AudioText

HTCL, NEIGHBOURS, UPSTREAM = "htcl", "musicnn", f"{MM_GNN}_on_htcl"
RANKERS = (
    "popularity",
    MM_GNN,
    *(f"{MM_GNN}_only_{head}" for head in ("audio", "lyrics", "cover")),
)
CPU = torch.device("cpu")


class BySound(nn.Module):
    """Ranks tracks by the cosine between their sound and the mean sound of what a listener heard.

    Args:
        vectors: unit vectors of all tracks, shape (n_tracks, dim).
        has: which tracks have one, shape (n_tracks,) bool.
        listened: what each listener heard; listens count by their logarithm.
        n_users: of the data set.
    """

    def __init__(self, vectors: Tensor, has: Tensor, listened: Pairs, n_users: int) -> None:
        super().__init__()
        self._vectors, self._has = vectors, has
        known = listened.where(has[listened.tracks])
        total = torch.zeros(n_users, vectors.shape[1])
        weighted = vectors[known.tracks] * known.weight.float().log1p()[:, None]
        self._listeners = F.normalize(total.index_add_(0, known.users, weighted), dim=1)

    def score(self, batch: UserBatch) -> Tensor:
        """See Recommender."""
        scores = self._listeners[batch.users] @ self._vectors.T
        return scores.masked_fill(~self._has, -torch.inf)


def measure_new_tracks(seed: int, settings: Settings, console: Console) -> dict[str, float]:
    """Recall at 10 of a world's cold-start tracks, by `cold_<who>`; read if it was measured before.

    A tenth of the tracks loses every listen before the test window, every like and every tag, as in
    the benchmark cold_start. HTCL, of size `tiny`, learns without them.
    """
    inputs = code_sha256() + settings.encoders.model_dump_json() + settings.graph.model_dump_json()
    folder = settings.state / "benchmarks" / "htcl" / "new_tracks"
    kept = folder / f"seed-{seed}-{sha256_of(inputs.encode())[:12]}.json"
    if not kept.exists():
        figures = _measured(seed, settings)
        folder.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(figures), encoding="utf-8")
        partial.rename(kept)
    console.print(f"new tracks: world {seed} is measured")
    figures = json.loads(kept.read_text(encoding="utf-8"))
    return {name: float(figure) for name, figure in figures.items()}


def _measured(seed: int, settings: Settings) -> dict[str, float]:
    options = options_of(seed, quick=False)
    lake = sample_lake(options, settings)
    own = settings.model_copy(
        update={"lake": lake, "state": settings.state / "benchmarks" / "htcl" / "cold"}
    )
    music = read_audio_text(Night(options.last_day, "benchmark", own))
    known = music.dataset
    tracks = draw_cold_start_tracks(known, seed)
    split = make_split(known, seed)
    relevant = on_test(split, lambda test: test.relevant)
    cold = make_cold_start(known, tracks, on_test(split, lambda test: test.end))
    cold_split = make_split(cold, seed)
    cache = open_fit_cache(cold, settings)
    listed, ndcg = {}, {}
    for name in RANKERS:
        variant = get_variant(name)
        fit = cache.fit(variant, seed)
        listed[name] = fit.lists[variant.head]
        if variant.head == ALL_HEADS:  # validation measures no head alone
            ndcg[name] = fit.validation["ndcg_at_10"]
    listened = on_test(cold_split, lambda test: test.before.pairs(test.end, cold.n_tracks))
    n_users = len(cold.nodes.users)
    encoded = _encoded(_without_history(music, cold, tracks), seed, own)
    for name, one in encoded.items():
        ranker = BySound(one.vectors["audio"], one.has["audio"], listened, n_users)
        listed[name] = recommended(ranker, cold, cold_split, CPU)
    upstream = open_fit_cache(_with_vectors(cold, encoded[HTCL]), settings)
    fit = upstream.fit(get_variant(MM_GNN), seed)
    listed[UPSTREAM], ndcg[UPSTREAM] = fit.lists[ALL_HEADS], fit.validation["ndcg_at_10"]
    recalls = {
        f"cold_{name}.recall_at_10": recall_among(one, tracks, relevant, known)
        for name, one in listed.items()
    }
    return recalls | {f"cold_{name}.validation_ndcg": figure for name, figure in ndcg.items()}


def _without_history(music: AudioTextData, cold: Dataset, tracks: Tensor) -> AudioTextData:
    """The same recordings, for a data set without the tracks' history."""
    pairs = music.pairs
    is_cold = torch.isin(pairs.triggers, tracks) | torch.isin(pairs.tracks, tracks)
    return replace(music, dataset=cold, pairs=pairs.where(~is_cold))


def _with_vectors(cold: Dataset, encoded: EncodedTracks) -> Dataset:
    """The data set with HTCL's vectors of recordings and texts as its audio and lyrics."""
    content = dict(cold.content)
    for name, vectors in (("audio", "audio"), ("lyrics", "text")):
        content[name] = replace(
            content[name],
            encoder="htcl",
            embedding=encoded.vectors[vectors],
            has=encoded.has[vectors],
        )
    return replace(cold, content=content)


def _encoded(data: AudioTextData, seed: int, settings: Settings) -> Mapping[str, EncodedTracks]:
    """Vectors of HTCL, fitted as a training fits it, and of MusiCNN; by what the test may know."""
    task, config = AudioText(), SplitSettings()
    recipe = load_recipe(task.name, "htcl")
    generator = torch.Generator().manual_seed(seed)
    split = task.split(data, cut_of(data.dataset, config), config, generator)
    if isinstance(split, Unsplit):
        raise TypeError(f"world {seed}: {split.reason}; take a larger world")
    with deterministic(seed, settings.training.n_threads):
        fitting = Fitting(task=task, data=data, device=CPU)
        chosen = select_on_validation(fitting, split, recipe, seed=seed)
        view = test_view(task, data, split)
        htcl = cast("HTCLEncoder", task.from_state(chosen.state, recipe, view, {}, CPU))
    all_tracks = torch.arange(data.n_tracks)
    with eval_mode(htcl):
        by_htcl = htcl.encode(all_tracks)
    neighbours = CentredCosine(CentredCosineConfig(), view)
    return {HTCL: by_htcl, NEIGHBOURS: neighbours.encode(all_tracks)}
