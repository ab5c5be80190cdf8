"""Weights for labels that few examples have: label-distribution smoothing.

Reference: Yang et al. 2021, arXiv:2102.09554. A histogram of the labels, smoothed by a Gaussian
kernel, says how much a model can learn around each label; rare labels weigh more.
"""

from __future__ import annotations

import torch
from torch import Tensor

BIN_WIDTH = 0.05
KERNEL_SD = 0.1  # two bins, as in the paper
LOW, HIGH = -1.0, 1.0
_ROUNDING = 1e-5  # of a bin: what float32 takes from a label that lies on a border


def label_weights(labels: Tensor, strength: float) -> Tensor:
    """A weight for each label, with a mean of 1; density ** -strength before that.

    Args:
        labels: of one dimension, each in [-1, 1], shape (n,).
        strength: 0 for equal weights; 0.5 is the paper's square-root inverse, 1 its inverse.
    """
    if not strength or not len(labels):
        return torch.ones(len(labels))
    weights = smoothed_density(labels)[_bins_of(labels)].pow(-strength)
    return (weights / weights.mean()).float()


def smoothed_density(labels: Tensor) -> Tensor:
    """Labels around each bin: the histogram times the kernel, whose middle is 1; shape (40,)."""
    n_bins = round((HIGH - LOW) / BIN_WIDTH)
    counts = torch.bincount(_bins_of(labels), minlength=n_bins).double()
    bins = torch.arange(n_bins).double() * BIN_WIDTH
    kernel = torch.exp(-(bins[:, None] - bins[None]).square() / (2 * KERNEL_SD**2))
    return kernel @ counts


def _bins_of(labels: Tensor) -> Tensor:
    """The bin of each label; 1 belongs to the last one."""
    n_bins = round((HIGH - LOW) / BIN_WIDTH)
    position = (labels.double() - LOW) / BIN_WIDTH + _ROUNDING
    return position.long().clamp(0, n_bins - 1)
