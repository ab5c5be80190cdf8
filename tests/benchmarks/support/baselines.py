"""Model variants that benchmarks compare: baselines, MM-GNN and its ablations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType

import typer

from training.config import Recipe, load_recipe
from training.models.ranking.mm_gnn import MMGNNConfig

ALL_HEADS = "all heads"


@dataclass(frozen=True, slots=True)
class Variant:
    """A model family with changed settings.

    Attributes:
        family: name in the model registry.
        changes: to the model's settings.
        head: the head that ranks alone; by default the ensemble of all heads ranks.
    """

    family: str
    changes: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    head: str = ALL_HEADS

    def recipe(self, max_epochs: int | None) -> Recipe:
        """The family's recipe with the changes; `max_epochs` bounds the epochs of a quick run."""
        recipe = load_recipe("ranking", self.family)
        loop = recipe.loop if max_epochs is None else replace(recipe.loop, max_epochs=max_epochs)
        return replace(recipe, model=replace(recipe.model, **self.changes), loop=loop)


MM_GNN = "mm_gnn"
LINEAR_PEER = {
    name.removeprefix("linear_"): value
    for name, value in asdict(MMGNNConfig()).items()
    if name.startswith("linear_")
}
"""Settings of MM-GNN's linear peer, as settings of EASE: stronger than those of EASE's paper."""

FAMILIES = {
    name: Variant(name) for name in ("popularity", "item_knn", "ease", "ials", "bpr", "light_gcn")
} | {
    "mhcn": Variant("mhcn"),
    "concat_twin": Variant("concat_twin"),
    MM_GNN: Variant(MM_GNN),
    "light_gcn_ease": Variant("light_gcn_ease"),
    "light_gcn_linear": Variant("light_gcn_ease", LINEAR_PEER),
}

ABLATIONS: Mapping[str, dict[str, float]] = {
    "no_social": {"follows_weight": 0.0, "linear_follows_weight": 0.0},
    "no_tag_edges": {"tagged_weight": 0.0, "linear_tagged_weight": 0.0},
    "no_mutual": {"mutual_weight": 0.0},
    "no_emotion": {"emotion_weight": 0.0},
    "no_linear": {"linear_max_tracks": 0},
    "no_cold_start_dropout": {"cold_start_rate": 0.0},
}
"""Settings that remove a part of MM-GNN, by the ablation's name: mm_gnn_<name>."""


def get_variant(name: str) -> Variant:
    """A family, `mm_gnn_<ablation>`, or `mm_gnn_only_<head>`.

    `mm_gnn_only_<head>` ranks by one head, trained without mutual learning; early stopping still
    selects the epoch by the ensemble.

    Raises:
        typer.BadParameter: no variant has this name.
    """
    ablation = name.removeprefix(f"{MM_GNN}_")
    if name in FAMILIES:
        return FAMILIES[name]
    if ablation in ABLATIONS:
        return Variant(MM_GNN, ABLATIONS[ablation])
    if ablation.startswith("only_"):
        return Variant(MM_GNN, ABLATIONS["no_mutual"], ablation.removeprefix("only_"))
    suffixes = (*ABLATIONS, "only_<head>")
    known = [*FAMILIES, *(f"{MM_GNN}_{suffix}" for suffix in suffixes)]
    raise typer.BadParameter(f"family {name!r} must be one of {', '.join(known)}")
