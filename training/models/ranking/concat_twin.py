"""Concat twin: MM-GNN with its modalities fused early, into one input of one encoder.

Learns one content encoder over the concatenation of all modalities where MM-GNN learns one encoder
each; peers, losses, mutual learning and ensemble are MM-GNN's own (Ziaoddini 2025,
arXiv:2511.05497). It measures what fusion costs when a modality is missing.

Differs from the paper: it is the opposite of its idea. It differs from MM-GNN in these alone:
- A track's modalities are one vector: each standardised over the tracks that have it, zeros where
  it is missing, a mask that says which are there, and one projection.
- In training, modalities of tracks are dropped at random, which MM-GNN does not need.
- The content encoder is as wide as MM-GNN's content encoders together, so that both have about as
  many parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.content import Content
from training.data.dataset import DataView
from training.layers.graph_encoder import TrackInput
from training.layers.inputs import mean_and_scale
from training.models.ranking.mm_gnn import MMGNN, MMGNNConfig

FUSED = "fused"


@dataclass(frozen=True, slots=True)
class ConcatTwinConfig(MMGNNConfig):  # inherits, so that no setting of MM-GNN can be missed
    """MM-GNN's settings, and one of its own."""

    modality_dropout: float = 0.2  # chance of a track's modality to be left out of a step


def concat_twin(config: ConcatTwinConfig, view: DataView) -> MMGNN:
    """MM-GNN whose heads are `collaborative`, `fused` where there is content, and `linear`."""
    return MMGNN(config, view, partial(_fused_input, dropout=config.modality_dropout))


def _fused_input(view: DataView, config: MMGNNConfig, *, dropout: float) -> dict[str, TrackInput]:
    """One input for all modalities; none for a dataset without content."""
    if not view.content:
        return {}
    return {FUSED: ConcatInput(view.content, config.dim * len(view.content), dropout)}


class ConcatInput(nn.Module):
    """Input of all modalities: their concatenated features, masks and emotions.

    Modalities are ordered by name, so that a loaded model has the same columns.

    Attributes:
        parts: modality of each column of the features, shape (width,).
        present: shape (n_tracks, modalities) bool.
        has_each_emotion: likewise.
        emotion: valence and arousal by each modality, shape (n_tracks, modalities, 2).
    """

    mean: Tensor
    scale: Tensor
    features: Tensor
    parts: Tensor
    present: Tensor
    has: Tensor
    emotion: Tensor
    has_each_emotion: Tensor
    has_emotion: Tensor

    def __init__(self, content: Content, dim: int, dropout: float) -> None:
        super().__init__()
        self.dim = dim
        self.dropout = dropout
        modalities = [content[name] for name in sorted(content)]
        widths = torch.tensor([modality.embedding.shape[1] for modality in modalities])
        means, scales = zip(*(mean_and_scale(modality) for modality in modalities), strict=True)
        self.register_buffer("mean", torch.cat(means))
        self.register_buffer("scale", torch.cat(scales))
        buffers = {
            "features": torch.cat([modality.embedding for modality in modalities], dim=1),
            "parts": torch.arange(len(modalities)).repeat_interleave(widths),
            "present": torch.stack([modality.has for modality in modalities], dim=1),
            "emotion": torch.stack([modality.emotion for modality in modalities], dim=1),
            "has_each_emotion": torch.stack([each.has_emotion for each in modalities], dim=1),
        }
        buffers["has"] = buffers["present"].any(dim=1)
        buffers["has_emotion"] = buffers["has_each_emotion"].any(dim=1)
        for name, tensor in buffers.items():
            self.register_buffer(name, tensor, persistent=False)
        n_modalities = len(modalities)
        self.project = nn.Linear(int(widths.sum()) + 3 * n_modalities, dim, bias=False)
        self.predict_emotion = nn.Linear(dim, 2 * n_modalities)

    def forward(self) -> Tensor:
        """Unit vectors, shape (n_tracks, dim); zeros where every modality is missing."""
        seen = self.present & self._seen_modalities()  # (n_tracks, modalities)
        features = (self.features - self.mean) / self.scale * seen[:, self.parts]
        emotion = self.emotion * (self.has_each_emotion & seen)[:, :, None]
        fused = torch.cat([features, emotion.flatten(1), seen.float()], dim=1)
        vectors: Tensor = functional.normalize(self.project(fused), dim=1)
        return vectors

    def emotion_error(self, vectors: Tensor, tracks: Tensor) -> Tensor:
        """Mean squared error of each modality's valence and arousal, added up as heads' are.

        Args:
            vectors: shape (n, dim).
            tracks: their positions, shape (n,).
        """
        predicted: Tensor = self.predict_emotion(vectors).unflatten(1, (-1, 2))
        has = self.has_each_emotion[tracks]
        error = (predicted - self.emotion[tracks]).square().mean(dim=2) * has
        by_modality = error.sum(dim=0) / has.sum(dim=0).clamp(min=1)
        return by_modality.sum()

    def _seen_modalities(self) -> Tensor:
        """Which modalities a step sees, shape (n_tracks, modalities) bool; all when scoring."""
        if not self.training:
            return torch.ones_like(self.present)
        return torch.rand(self.present.shape, device=self.present.device) >= self.dropout
