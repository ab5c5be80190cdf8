"""OpenL3's audio network: eight convolutions of 3 x 3 over a mel spectrogram in decibels.

Paper: Cramer, Wu, Salamon and Bello 2019, "Look, Listen, and Learn More: Design Choices for Deep
Audio Embeddings" (ICASSP); the sizes are those of openl3 0.3.1 and 0.4.2, which are equal. It was
trained to tell whether a second of sound belongs to a picture; the maxima of its last convolution
are the embedding. Networks of music and of environmental sounds share this topology.

Differs from the paper: nothing; inference only.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from jobs.encoders.audio.openl3.weights_file import Layer

POOL_SIZES = {512: (32, 24), 6144: (8, 8)}
"""By embedding size: mels and frames of the last convolution that one maximum covers."""

_BATCH_NORM_EPS = 1e-3  # Keras' default, which the weights were trained with


class OpenL3(nn.Module):
    """The network with published weights, ready for inference.

    Args:
        layers: as `weights_file.read_layers` gives them.
        embedding_size: 512 or 6144.
    """

    def __init__(self, layers: Sequence[Layer], embedding_size: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(_norm(layer) for layer in layers[0::2])
        self.convolutions = nn.ModuleList(_convolution(layer) for layer in layers[1::2])
        self.pool_size = POOL_SIZES[embedding_size]
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, decibels: Tensor) -> Tensor:
        """Embeddings of windows, (batch, embedding_size).

        Args:
            decibels: mel spectrograms, (batch, 256, 199).
        """
        states = self.norms[0](decibels.unsqueeze(1))  # (batch, 1, mels, frames)
        *earlier, last = self.convolutions
        for number, convolution in enumerate(earlier, 1):
            states = functional.relu(self.norms[number](convolution(states)))
            if number % 2 == 0:  # an odd last frame is left out, as Keras does
                states = functional.max_pool2d(states, 2)
        pooled = functional.max_pool2d(last(states), self.pool_size)
        # Keras keeps channels last, so an embedding runs over them first.
        return pooled.permute(0, 2, 3, 1).flatten(1)


def _norm(layer: Layer) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(len(layer["gamma"]), eps=_BATCH_NORM_EPS)
    names = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    state = {ours: torch.from_numpy(layer[theirs].copy()) for ours, theirs in names.items()}
    norm.load_state_dict({**state, "num_batches_tracked": torch.tensor(0)})
    return norm


def _convolution(layer: Layer) -> nn.Conv2d:
    """Keras stores kernels as (mels, frames, in, out)."""
    kernel = layer["kernel"].transpose(3, 2, 0, 1).copy()
    convolution = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2:], padding="same")
    convolution.load_state_dict(
        {"weight": torch.from_numpy(kernel), "bias": torch.from_numpy(layer["bias"].copy())}
    )
    return convolution
