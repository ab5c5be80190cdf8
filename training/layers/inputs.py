"""Inputs of encoders: random embeddings, and statistics that standardise features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.data.content import Modality


def unit_rows(n_rows: int, dim: int) -> Tensor:
    """Random rows of about unit length, like the projected features that they meet."""
    return torch.randn(n_rows, dim) / math.sqrt(dim)


def mean_and_scale(modality: Modality) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature over the tracks that have it, shape (width,)."""
    if not bool(modality.has.any()):
        width = modality.embedding.shape[1]
        return torch.zeros(width), torch.ones(width)
    present = modality.embedding[modality.has]
    return present.mean(dim=0), present.std(dim=0, unbiased=False).clamp(min=1e-6)
