"""Mood: what a listener wants to hear when the listener feels like that.

A listen happened among other tracks, whose mean mood stands for how the session felt. From these
listens the task learns to rank tracks for a listener and a point of the plane of valence and
arousal; each night it writes the best tracks of each listener for each cell of that plane.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import torch

from feature_store.tables.scores import SCORE_MOOD
from training.artifacts.model_state import ModelState, check_names, rows_by_id
from training.data.content import MODALITIES, EncoderChangedError, encoders_of
from training.data.mood import (
    MOOD_READ,
    MoodData,
    MoodHoldout,
    MoodView,
    no_texts,
    read_mood,
)
from training.engine.ranges import AT_LEAST_ONE, check_ranges
from training.evaluation.mood_ranking import SELECTION_METRIC, MoodEvaluator, evenly_spread
from training.evaluation.splits import (
    Cut,
    Holdout,
    Split,
    Unsplit,
    Window,
    least_of_parts,
    map_parts,
    time_split,
)
from training.models.ranking.wide_deep import WideDeep
from training.models.registry import MOOD
from training.tasks.mood_rows import mood_batches
from training.tasks.protocol import Family, Output, ScoringModel, Upstream

if TYPE_CHECKING:
    from datetime import date

    from torch import Tensor, nn

    from feature_store.contract import Table
    from feature_store.setting_groups import SplitSettings
    from feature_store.settings import Night
    from training.engine.recipe import Recipe
    from training.engine.stages import Stage

_LYRICS = MODALITIES["lyrics"].table.name


@dataclass(frozen=True, slots=True)
class MoodBatching:
    """Batches of listens."""

    batch_listens: Annotated[int, AT_LEAST_ONE] = 512  # of all processes together
    min_batches: Annotated[int, AT_LEAST_ONE] = 4  # of an epoch; few listens take smaller batches

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_ranges(self)


class Mood:
    """The task that ranks tracks for moods. See tasks/protocol.py."""

    name = "mood"
    reads: tuple[Table, ...] = MOOD_READ
    writes: tuple[Table, ...] = (SCORE_MOOD,)
    families: Mapping[str, Family] = MOOD
    default_family = "wide_deep"
    baselines: tuple[str, ...] = ("nearest", "popularity")
    metric = SELECTION_METRIC
    batching: type[Any] = MoodBatching

    def feature_versions(self, lake: str, as_of: date) -> dict[str, str]:
        """Encoders that the night reads, by feature table."""
        return encoders_of(lake, as_of)

    def read(self, night: Night, features: Mapping[str, str] | None = None) -> MoodData:
        """The ranking's tables, moods of tracks and contexts of listens."""
        return read_mood(night, features)

    def lacks(self, data: MoodData) -> str:
        """Without moods of tracks there are no lists for moods, and listens teach what to list."""
        if not bool(data.moods.has.any()):
            return "feat_track_mood: no track has a mood"
        if not len(data.listens):
            return "feat_listen_mood: no listen stands among other tracks that have a mood"
        return ""

    def data_sha256(self, data: MoodData) -> str:
        """See MoodData.sha256."""
        return data.sha256()

    def split(
        self,
        data: MoodData,
        cut: Cut | None,
        config: SplitSettings,
        generator: torch.Generator,  # noqa: ARG002  nothing is drawn
    ) -> Split[MoodHoldout] | Unsplit:
        """By time: listens of both windows, each with its context."""
        if cut is None:
            return Unsplit("core_daily_listens: no row, so nothing can be split by time")
        split = map_parts(
            time_split(data.dataset.listens, data.dataset.available_from, cut),
            partial(_part, data, cut.validation),
            partial(_part, data, cut.test),
        )
        n_before = len(data.train_view(split.validation).listens)
        n_least = least_of_parts(split, lambda part: part.n_users)
        if not n_before or n_least < config.min_held_out_users:
            return Unsplit(
                f"feat_listen_mood: {n_before} rows to train on, {n_least} listeners with a listen "
                f"held out (rule: some rows, {config.min_held_out_users} listeners)"
            )
        return split

    def halves(
        self, part: MoodHoldout, generator: torch.Generator
    ) -> tuple[MoodHoldout, MoodHoldout]:
        """Half of the listeners, and the others."""
        return part.halves(generator)

    def train_view(self, data: MoodData, part: MoodHoldout) -> MoodView:
        """See MoodData.train_view."""
        return data.train_view(part)

    def full_view(self, data: MoodData) -> MoodView:
        """See MoodData.full_view."""
        return data.full_view()

    def view_for(self, view: MoodView, state: ModelState | None) -> MoodView:
        """The whole view; with a state, texts of the width that it has learned from, or none.

        Raises:
            EncoderChangedError: the vectors of lyrics come from another encoder.
        """
        if state is None:
            return view
        learned = state.details["text"]
        encoder, width = learned["encoder"], learned["width"]
        if not width or not bool(view.texts.has.any()):
            return replace(view, texts=no_texts(encoder, width))
        if view.texts.encoder != encoder:
            raise EncoderChangedError(
                f"{_LYRICS}: vectors by {view.texts.encoder}, the model was trained on {encoder}; "
                "train again (--retrain always)"
            )
        return view

    def new_model(self, recipe: Recipe, view: MoodView, upstream: Upstream) -> nn.Module:
        """An untrained model; a family that needs other models gets their states too."""
        family = self.families[recipe.family]
        needed = [upstream[ref] for ref in family.needs]
        model: nn.Module = family.model(recipe.model, view, *needed)
        return model

    def stages(
        self,
        model: Any,
        view: MoodView,  # noqa: ARG002  the model has it
        recipe: Recipe,
        generator: torch.Generator,
        device: torch.device,
    ) -> tuple[Stage, ...]:
        """That of Wide & Deep; the baselines are solved by their constructors."""
        if not isinstance(model, WideDeep):
            return ()
        return model.stages(recipe, generator, device)

    def evaluator(self, data: MoodData, part: MoodHoldout, device: torch.device) -> MoodEvaluator:
        """See MoodEvaluator."""
        return MoodEvaluator(part, data.moods, device)

    def calibrate(self, model: Any, evaluator: MoodEvaluator) -> dict[str, Tensor]:  # noqa: ARG002  the protocol's
        """Nothing is chosen after a fit."""
        return {}

    def to_state(self, family: str, model: Any, view: MoodView) -> ModelState:
        """Parameters; rows of listeners by their ids."""
        nodes, learns = view.ranking.graph.nodes, any(True for _ in model.parameters())
        texts = view.texts
        return ModelState(
            family=family,
            parameters={
                name: value.detach().cpu().contiguous()
                for name, value in model.state_dict().items()
            },
            ids={kind: nodes.of_kind(kind) for kind in sorted(set(model.node_tables.values()))},
            rows_of=dict(model.node_tables),
            features={_LYRICS: texts.encoder} if learns and texts.encoder else {},
            details={"text": {"encoder": texts.encoder, "width": texts.embedding.shape[1]}},
        )

    def from_state(
        self,
        state: ModelState,
        recipe: Recipe,
        view: MoodView,
        upstream: Upstream,
        device: torch.device,
    ) -> nn.Module:
        """Rows of listeners are mapped by id: a listener without one has weights of 0.

        Raises:
            CheckpointError: the parameters are not those of the family, or the ranking model lacks
                the head.
            EncoderChangedError: the vectors of lyrics come from another encoder.
        """
        model = self.new_model(recipe, self.view_for(view, state), upstream)
        check_names(state, set(model.state_dict()))
        nodes = view.ranking.graph.nodes
        parameters = {
            name: rows_by_id(value, state.ids[kind], nodes.of_kind(kind))
            if (kind := state.rows_of.get(name))
            else value
            for name, value in state.parameters.items()
        }
        model.load_state_dict(parameters)
        return model.to(device)

    def predict(
        self, night: Night, scoring: ScoringModel, model: Any, data: MoodData, view: MoodView
    ) -> tuple[Output, ...]:
        """The best tracks of each listener who gets lists for moods, for each cell of the plane."""
        return (Output(SCORE_MOOD, mood_batches(night, scoring, model, data, view)),)


def _part(data: MoodData, window: Window, known: Holdout) -> MoodHoldout:
    """The listens of a window, of tracks that were available before it."""
    inside = data.listens.within(window.start, window.end)
    queries = inside.where(known.available_mask[inside.tracks])
    return MoodHoldout(known, evenly_spread(queries))
