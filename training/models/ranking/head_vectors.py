"""Vectors of listeners and tracks of one head of a fitted MM-GNN, for models that learn from it.

The parameters are those of the fitted model, the graph is the view's: a listener or track that is
newer than the model has a vector through its neighbours or its content. A head is one encoder of
mm_gnn.py by its name (collaborative, or a modality); the linear peer has no vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from training.artifacts.model_state import CheckpointError, rows_by_id
from training.data.content import ModalityShape, fit_to_shapes
from training.layers.graph_encoder import GraphEncoder
from training.models.ranking.mm_gnn import (
    COLLABORATIVE,
    ContentInput,
    MMGNNConfig,
    view_without_emotion,
)

if TYPE_CHECKING:
    from training.artifacts.model_state import ModelState
    from training.data.dataset import DataView


def heads_with_vectors(state: ModelState) -> tuple[str, ...]:
    """Names of the heads of a fitted model that have vectors, in alphabetical order."""
    prefix, suffix = "heads.", ".nodes.user"
    return tuple(
        sorted(
            name.removeprefix(prefix).removesuffix(suffix)
            for name in state.parameters
            if name.startswith(prefix) and name.endswith(suffix)
        )
    )


def lacks_head(state: ModelState, head: str) -> str:
    """Why a fitted model has no vectors of a head; empty when it has."""
    heads = heads_with_vectors(state)
    if head in heads:
        return ""
    return f"{state.family} has no head {head!r} with vectors; it has {', '.join(heads) or 'none'}"


def head_vectors(state: ModelState, view: DataView, head: str) -> tuple[Tensor, Tensor]:
    """Unit vectors of listeners, shape (n_users, dim), and of tracks, shape (n_tracks, dim).

    A node without an edge, and a track without the head's modality, has zeros.

    Raises:
        CheckpointError: the model has no such head, or was stored by another code.
        EncoderChangedError: the view's vectors of the modality come from another encoder.
    """
    if reason := lacks_head(state, head):
        raise CheckpointError(f"{reason}; name one of these as the recipe's head")
    config = _config(state)
    encoder = GraphEncoder(config.encoder, view.graph, _content(state, view, head, config))
    encoder.load_state_dict(_parameters(state, view, head))
    encoder.eval()
    with torch.no_grad():
        users, tracks = encoder()
    return users, tracks


def _config(state: ModelState) -> MMGNNConfig:
    """The model's own configuration; vectors are those of the whole graph, without sampling."""
    try:
        return replace(MMGNNConfig(**state.recipe["model"]), fan_out=0)
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"checkpoint of {state.family}: its recipe is not one of today's ({error}); train that "
            "model again (--retrain always)"
        ) from error


def _content(
    state: ModelState, view: DataView, head: str, config: MMGNNConfig
) -> ContentInput | None:
    """The input of a head of a modality; None for the one of ids."""
    if head == COLLABORATIVE:
        return None
    shape = ModalityShape(**state.details["shapes"][head])
    seen = view if config.emotion_weight else view_without_emotion(view)
    return ContentInput(fit_to_shapes(seen.content, {head: shape})[head], config.dim)


def _parameters(state: ModelState, view: DataView, head: str) -> Mapping[str, Tensor]:
    """The head's tensors by their names in the encoder; rows by the ids of the view."""
    prefix = f"heads.{head}."
    found: dict[str, Tensor] = {}
    for name, value in state.parameters.items():
        if name.startswith(prefix):
            kind = state.rows_of.get(name)
            rows = value
            if kind is not None:
                rows = rows_by_id(value, state.ids[kind], view.graph.nodes.of_kind(kind))
            found[name.removeprefix(prefix)] = rows
    return found
