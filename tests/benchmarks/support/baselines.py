"""Who competes in benchmarks: families, and MM-GNN with a part taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType

import typer

from training.config import Recipe, load_recipe
from training.models.ranking.mm_gnn import MMGNNConfig

ALL_HEADS = "all heads"


@dataclass(frozen=True, slots=True)
class Contender:
    """A family as it is compared.

    Attributes:
        family: name in the registry.
        changes: of its model's settings.
        head: whose scores alone make the lists; all heads' blend by default.
    """

    family: str
    changes: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    head: str = ALL_HEADS

    def recipe(self, max_epochs: int | None) -> Recipe:
        """The family's own, with the changes; fewer epochs for a quick look."""
        own = load_recipe(self.family)
        loop = own.loop if max_epochs is None else replace(own.loop, max_epochs=max_epochs)
        return replace(own, model=replace(own.model, **self.changes), loop=loop)


OURS = "mm_gnn"
LINEAR_PEER = {
    name.removeprefix("linear_"): value
    for name, value in asdict(MMGNNConfig()).items()
    if name.startswith("linear_")
}
"""MM-GNN's own linear peer, as settings of EASE: stronger than the paper's."""

FAMILIES = {
    name: Contender(name) for name in ("popularity", "item_knn", "ease", "ials", "bpr", "light_gcn")
} | {
    "social_gnn": Contender("mhcn"),
    "concat_twin": Contender("concat_twin"),
    OURS: Contender(OURS),
    "light_gcn_ease": Contender("light_gcn_ease"),
    "light_gcn_linear": Contender("light_gcn_ease", LINEAR_PEER),
}

WITHOUT: Mapping[str, dict[str, float]] = {
    "no_social": {"follows_weight": 0.0, "linear_follows_weight": 0.0},
    "no_tag_edges": {"tagged_weight": 0.0, "linear_tagged_weight": 0.0},
    "no_mutual": {"mutual_weight": 0.0},
    "no_emotion": {"emotion_weight": 0.0},
    "no_linear": {"linear_max_tracks": 0},
    "no_newcomers": {"newcomer_rate": 0.0},
}
"""MM-GNN's parts, and the settings that take each away: mm_gnn_<part>."""


def contender_called(name: str) -> Contender:
    """A family, `mm_gnn_<part>` of WITHOUT, or `mm_gnn_only_<head>`.

    Of `only_<head>` the head alone makes the lists, and learned nothing of the others but when to stop: the epoch is the
    blend's.

    Raises:
        typer.BadParameter: there is none of that name.
    """
    ablation = name.removeprefix(f"{OURS}_")
    if name in FAMILIES:
        return FAMILIES[name]
    if ablation in WITHOUT:
        return Contender(OURS, WITHOUT[ablation])
    if ablation.startswith("only_"):
        return Contender(OURS, WITHOUT["no_mutual"], ablation.removeprefix("only_"))
    parts = (*WITHOUT, "only_<head>")
    known = [*FAMILIES, *(f"{OURS}_{part}" for part in parts)]
    raise typer.BadParameter(f"family {name!r} must be one of {', '.join(known)}")
