"""Ranking: which tracks a listener wants to hear, from listens, the social graph and content.

Families read the graph as of the night and score every track for every listener. The best
candidates of each listener go to score_candidates, from which rec_topk is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from feature_store.tables.scores import SCORE_CANDIDATES
from training.artifacts.model_state import ModelState, check_names, rows_by_id
from training.data.batches import TrainingBatches
from training.data.content import TABLE_OF, ModalityShape, encoders_of, fit_to_shapes, shapes_of
from training.data.dataset import Dataset, DataView
from training.data.interactions import day_number
from training.data.reading import TABLES_READ, read_dataset
from training.engine.optimisers import ParameterGroup
from training.engine.stages import Stage
from training.evaluation.evaluator import SELECTION_METRIC, Evaluator
from training.evaluation.splits import Cut, Holdout, Split, Unsplit, choose_split
from training.layers.ensemble import select_weights
from training.models.protocols import EnsembleRecommender, Recommender
from training.models.registry import RANKING
from training.tasks.candidate_rows import candidate_batches
from training.tasks.protocol import Family, Output, ScoringModel, Upstream

if TYPE_CHECKING:
    from datetime import date

    from torch import Tensor, nn

    from feature_store.contract import Table
    from feature_store.setting_groups import SplitSettings
    from feature_store.settings import Night
    from training.engine.recipe import Recipe

NEW_LISTENER_DAYS = 14
FEW_LISTENED_TRACKS = 10


@dataclass(frozen=True, slots=True)
class CandidateBatching:
    """Batches of listeners, and the candidates that their tracks are ranked against."""

    batch_users: int = 512
    min_batches: int = 4  # of an epoch; a dataset of few listeners takes smaller batches instead
    max_candidates: int = 8_000  # tracks that a batch ranks against


class Ranking:
    """The task that makes the lists. See tasks/protocol.py."""

    name = "ranking"
    reads: tuple[Table, ...] = TABLES_READ
    writes: tuple[Table, ...] = (SCORE_CANDIDATES,)
    families: Mapping[str, Family] = RANKING
    default_family = "mm_gnn"
    baselines: tuple[str, ...] = ("popularity", "item_knn")
    metric = SELECTION_METRIC
    batching: type[Any] = CandidateBatching

    def feature_versions(self, lake: str, as_of: date) -> dict[str, str]:
        """Encoders that the night reads, by feature table."""
        return encoders_of(lake, as_of)

    def read(self, night: Night, features: Mapping[str, str] | None = None) -> Dataset:
        """The graph, the listens and the content of the night."""
        return read_dataset(night.settings.lake, night.as_of, night.settings.graph, features)

    def lacks(self, data: Dataset) -> str:
        """Without a listen there is nobody to rank tracks for."""
        return "" if len(data.listens) else "no listener has a listen or a listen count"

    def data_sha256(self, data: Dataset) -> str:
        """See Dataset.sha256."""
        return data.sha256()

    def split(
        self, data: Dataset, cut: Cut | None, config: SplitSettings, generator: torch.Generator
    ) -> Split[Holdout] | Unsplit:
        """By time where listens have times, else at random within a listener's counts."""
        return choose_split(data.listens, data.as_of, data.available_from, cut, config, generator)

    def halves(self, part: Holdout, generator: torch.Generator) -> tuple[Holdout, Holdout]:
        """Half of the listeners, and the others."""
        return part.halves(generator)

    def train_view(self, data: Dataset, part: Holdout) -> DataView:
        """See Dataset.train_view."""
        return data.train_view(part)

    def full_view(self, data: Dataset) -> DataView:
        """See Dataset.full_view."""
        return data.full_view()

    def view_for(self, view: DataView, state: ModelState | None) -> DataView:
        """Modalities of which enough tracks were heard; with a state, the state's modalities."""
        if state is None:
            return view.with_learnable_modalities()
        return DataView(view.graph, fit_to_shapes(view.content, _shapes(state)))

    def new_model(self, recipe: Recipe, view: DataView, upstream: Upstream) -> nn.Module:
        """An untrained model; a family that needs other models gets their states too."""
        needed = [upstream[ref] for ref in self.families[recipe.family].needs]
        model: nn.Module = self.families[recipe.family].model(recipe.model, view, *needed)
        return model

    def stages(
        self,
        model: Any,
        view: DataView,
        recipe: Recipe,
        generator: torch.Generator,
        device: torch.device,
    ) -> tuple[Stage, ...]:
        """One stage over all listeners with a listen; none for a family that is solved."""
        parameters = list(model.parameters())
        if not parameters:
            return ()
        batches = TrainingBatches(
            listened=view.graph.listened,
            n_tracks=len(view.graph.nodes.tracks),
            batch_users=recipe.batching.batch_users,
            min_batches=recipe.batching.min_batches,
            max_candidates=recipe.batching.max_candidates,
            generator=generator,
            device=device,
        )
        return (
            Stage(
                name="ranking",
                module=model,
                groups=(ParameterGroup(parameters),),
                batches=batches,
                loop=recipe.loop,
                generator=generator,
                training_loss=model.training_loss,
            ),
        )

    def evaluator(self, data: Dataset, part: Holdout, device: torch.device) -> Evaluator:
        """Ranks the cut's whole catalogue for every listener of the holdout."""
        return Evaluator(part, len(data.nodes.users), data.n_tracks, device, _segments(data, part))

    def calibrate(self, model: Recommender, evaluator: Evaluator) -> dict[str, Tensor]:
        """Weights of the heads, for a family that has several."""
        if not isinstance(model, EnsembleRecommender):
            return {}
        n_heads = len(model.head_names)
        return {"ensemble.weights": select_weights(evaluator.ndcg_of_weights(model), n_heads)}

    def to_state(self, family: str, model: Any, view: DataView) -> ModelState:
        """Parameters and the weights of the heads; rows of nodes by their ids."""
        return ModelState(
            family=family,
            parameters={
                name: value.detach().cpu().contiguous()
                for name, value in model.state_dict().items()
            },
            calibrated=("ensemble.weights",) if isinstance(model, EnsembleRecommender) else (),
            ids={
                kind: view.graph.nodes.of_kind(kind)
                for kind in sorted(set(model.node_tables.values()))
            },
            rows_of=dict(model.node_tables),
            features={
                name: shape.encoder
                for name, shape in sorted(_tables(view).items())
                if shape.encoder
            },
            details={"shapes": {n: asdict(shape) for n, shape in shapes_of(view.content).items()}},
        )

    def from_state(
        self,
        state: ModelState,
        recipe: Recipe,
        view: DataView,
        upstream: Upstream,
        device: torch.device,
    ) -> nn.Module:
        """Rows are mapped by id: a listener or track without one gets zeros, and its neighbours.

        Raises:
            CheckpointError: the parameters are not those of the family.
            EncoderChangedError: the view's vectors come from another encoder.
        """
        model = self.new_model(recipe, self.view_for(view, state), upstream)
        check_names(state, set(model.state_dict()))
        nodes = view.graph.nodes
        parameters = {
            name: rows_by_id(value, state.ids[kind], nodes.of_kind(kind))
            if (kind := state.rows_of.get(name))
            else value
            for name, value in state.parameters.items()
        }
        model.load_state_dict(parameters)
        return model.to(device)

    def predict(
        self, night: Night, scoring: ScoringModel, model: Any, data: Dataset, view: DataView
    ) -> tuple[Output, ...]:
        """The candidates of every listener with a listen in the graph."""
        listeners = view.graph.listened.users.unique()
        batches = candidate_batches(night, scoring, model, data, listeners)
        return (Output(SCORE_CANDIDATES, batches),)


def _segments(data: Dataset, part: Holdout) -> dict[str, Tensor]:
    """Segments of listeners by what was known before the holdout, shape (n_users,) bool each.

    new: first listen within NEW_LISTENER_DAYS of the cut. few_listens: at most FEW_LISTENED_TRACKS
    different tracks. no_follows: follows nobody.
    """
    before, n_users = part.before, len(data.nodes.users)
    undated = torch.iinfo(torch.int64).min
    days = torch.where(before.is_dated, before.day, undated)
    first_day = torch.full((n_users,), torch.iinfo(torch.int64).max)
    first_day = first_day.scatter_reduce(0, before.users, days, "amin")
    pairs = torch.unique(before.users * data.n_tracks + before.tracks)
    n_listened = torch.bincount(pairs // data.n_tracks, minlength=n_users)
    follows = data.follows.edges.where(data.follows.began_before(part.end))
    return {
        "new": first_day >= day_number(part.end) - NEW_LISTENER_DAYS,
        "few_listens": n_listened <= FEW_LISTENED_TRACKS,
        "no_follows": torch.bincount(follows.source, minlength=n_users) == 0,
    }


def _shapes(state: ModelState) -> dict[str, ModalityShape]:
    return {name: ModalityShape(**shape) for name, shape in state.details["shapes"].items()}


def _tables(view: DataView) -> dict[str, ModalityShape]:
    """Encoder and width of each modality, by its feature table."""
    return {TABLE_OF[name].name: shape for name, shape in shapes_of(view.content).items()}
