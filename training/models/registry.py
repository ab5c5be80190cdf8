"""Families by name; nothing else in training knows one from another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from training.data.batches import LearningBatch, UserBatch
from training.layers.ensemble import Blend, HeadScores
from training.models.ranking.bpr import BPR, BPRConfig
from training.models.ranking.concat_twin import ConcatTwinConfig, concat_twin
from training.models.ranking.ease import EASE, EASEConfig
from training.models.ranking.ials import IALS, IALSConfig
from training.models.ranking.item_knn import ItemKNN, ItemKNNConfig
from training.models.ranking.light_gcn import LightGCN, LightGCNConfig
from training.models.ranking.light_gcn_ease import LightGCNEASE, LightGCNEASEConfig
from training.models.ranking.mhcn import MHCN, MHCNConfig
from training.models.ranking.mm_gnn import MMGNN, MMGNNConfig
from training.models.ranking.popularity import Popularity, PopularityConfig

ModelConfig = (
    BPRConfig
    | ConcatTwinConfig
    | EASEConfig
    | IALSConfig
    | ItemKNNConfig
    | LightGCNConfig
    | LightGCNEASEConfig
    | MHCNConfig
    | MMGNNConfig
    | PopularityConfig
)


class Recommender(Protocol):
    """What every family offers, as a torch module.

    Attributes:
        head_names: names of its heads; a family without heads has one, "collaborative".
        blend: how they become one score, chosen on validation; of one head it keeps the order.
        node_tables: parameters with one row per node, and the kind of node; a loaded model maps
            them by id.
    """

    blend: Blend

    @property
    def head_names(self) -> tuple[str, ...]:
        """See above."""

    @property
    def node_tables(self) -> Mapping[str, str]:
        """See above."""

    def training_loss(self, batch: LearningBatch) -> dict[str, Tensor]:
        """Named losses, whose sum is descended; none for a family solved when it is made."""

    def head_scores(self, batch: UserBatch) -> HeadScores:
        """What each head says."""

    def score(self, batch: UserBatch) -> Tensor:
        """Score of every track, shape (batch, n_tracks); -inf where nothing can be said.

        The caller may change it.
        """


@dataclass(frozen=True, slots=True)
class Family:
    """A configuration, how a model is made from it, and the file that holds both."""

    config: type[ModelConfig]
    model: Callable[..., Recommender]
    module: str


FAMILIES: dict[str, Family] = {
    "popularity": Family(PopularityConfig, Popularity, "popularity"),
    "item_knn": Family(ItemKNNConfig, ItemKNN, "item_knn"),
    "ease": Family(EASEConfig, EASE, "ease"),
    "ials": Family(IALSConfig, IALS, "ials"),
    "bpr": Family(BPRConfig, BPR, "bpr"),
    "light_gcn": Family(LightGCNConfig, LightGCN, "light_gcn"),
    "light_gcn_ease": Family(LightGCNEASEConfig, LightGCNEASE, "light_gcn_ease"),
    "mhcn": Family(MHCNConfig, MHCN, "mhcn"),
    "concat_twin": Family(ConcatTwinConfig, concat_twin, "concat_twin"),
    "mm_gnn": Family(MMGNNConfig, MMGNN, "mm_gnn"),
}
