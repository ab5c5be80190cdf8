"""MusiCNN's network: musically motivated front-end, dense mid-end, temporal pooling.

Paper: Pons and Serra 2019, https://arxiv.org/abs/1909.06654; the sizes are those of the published
MagnaTagATune checkpoint. Timbral filters are tall (7 frames by 38 and 67 bands), temporal filters
are long (32 to 128 frames by 1 band); the output is 50 tag probabilities for 3 s of music.

Differs from the paper: nothing; inference only, so dropout is left out.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from jobs.encoders.audio.musicnn.tf_checkpoint import Checkpoint

_BATCH_NORM_EPS = 1e-3  # TensorFlow's default, which the checkpoint was trained with
_N_TIMBRAL, _N_TEMPORAL = 2, 3
_MID_PADDING = (3, 3)  # keeps the number of frames under filters of 7 frames


class MusiCNN(nn.Module):
    """The network with the checkpoint's weights, ready for inference."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.input_norm = _Norm(checkpoint, 0)
        self.timbral = nn.ModuleList(_TimbralFilters(checkpoint, n) for n in range(_N_TIMBRAL))
        temporal = range(_N_TIMBRAL, _N_TIMBRAL + _N_TEMPORAL)
        self.temporal = nn.ModuleList(_TemporalFilters(checkpoint, n) for n in temporal)
        self.mid = nn.ModuleList(_MidFilters(checkpoint, n) for n in (5, 6, 7))
        self.pool_norm = _Norm(checkpoint, 9)
        self.dense = _dense(checkpoint, "dense")
        self.dense_norm = _Norm(checkpoint, 10)
        self.output = _dense(checkpoint, "dense_1")
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Penultimate features (batch, 200) and tag probabilities (batch, 50).

        Args:
            patches: log-mel, (batch, frames, bands).
        """
        frames = self.mid_end(self.front_end(patches))  # (batch, 753, frames)
        pooled = torch.stack([frames.amax(dim=2), frames.mean(dim=2)], dim=2)  # (batch, 753, 2)
        # The checkpoint's dense layer expects maximum and mean of a channel side by side.
        flat = self.pool_norm(pooled.flatten(1))  # (batch, 1506)
        features = self.dense_norm(functional.relu(self.dense(flat)))
        return features, torch.sigmoid(self.output(features))

    def front_end(self, patches: Tensor) -> Tensor:
        """Outputs of the timbral and temporal filters, (batch, 561, frames)."""
        normed = self.input_norm(patches.unsqueeze(1))  # (batch, 1, frames, bands)
        by_band = normed.transpose(2, 3).contiguous()
        timbral = [filters(by_band) for filters in self.timbral]
        return torch.cat([*timbral, *(filters(normed) for filters in self.temporal)], dim=1)

    def mid_end(self, front: Tensor) -> Tensor:
        """The front-end and three layers over time, the last two residual: (batch, 753, frames)."""
        first = self.mid[0](front)
        second = self.mid[1](first) + first
        third = self.mid[2](second) + second
        return torch.cat([front, first, second, third], dim=1)


class _Norm(nn.Module):
    """Batch normalisation with the checkpoint's running moments, over dimension 1."""

    scale: Tensor
    shift: Tensor

    def __init__(self, checkpoint: Checkpoint, number: int) -> None:
        super().__init__()
        name = "batch_normalization" + (f"_{number}" if number else "")
        gamma, beta, mean, variance = (
            torch.from_numpy(checkpoint.tensor(f"{name}/{part}").copy())
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / torch.sqrt(variance + _BATCH_NORM_EPS)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", beta - mean * scale)

    def forward(self, inputs: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (inputs.dim() - 2)
        return inputs * self.scale.view(shape) + self.shift.view(shape)


class _PooledFilters(nn.Module):
    """Filters, ReLU, normalisation, and the maximum over bands.

    ReLU and the normalisation keep the order of values or, where the scale is negative, reverse it.
    So the maximum is taken before them, over filters whose sign is turned there: the same number,
    without five passes over 60 values for each that is left.
    """

    sign: Tensor

    def __init__(self, checkpoint: Checkpoint, number: int) -> None:
        super().__init__()
        self.norm = _Norm(checkpoint, number + 1)
        signs = torch.where(self.norm.scale < 0, -1.0, 1.0)
        self.register_buffer("sign", signs[:, None])
        self.conv = _conv2d(checkpoint, number, signs.numpy())

    def pooled(self, padded: Tensor, bands: int) -> Tensor:
        """Shape (batch, filters, frames); `bands` is the dimension of the bands."""
        highest = self.conv(padded).amax(dim=bands) * self.sign
        normed: Tensor = self.norm(functional.relu(highest))
        return normed


class _TimbralFilters(_PooledFilters):
    """Filters over many bands, max-pooled over the band axis to ignore pitch.

    They take (batch, 1, bands, frames): the maximum over bands is faster across rows.
    """

    def __init__(self, checkpoint: Checkpoint, number: int) -> None:
        super().__init__(checkpoint, number)
        frames, bands = self.conv.kernel_size
        turned = nn.Conv2d(1, self.conv.out_channels, (bands, frames))
        turned.load_state_dict(
            {"weight": self.conv.weight.transpose(2, 3).contiguous(), "bias": self.conv.bias}
        )
        self.conv = turned

    def forward(self, by_band: Tensor) -> Tensor:
        return self.pooled(functional.pad(by_band, _MID_PADDING), bands=2)  # in time only


class _TemporalFilters(_PooledFilters):
    """Filters over many frames of one band, max-pooled over the bands."""

    def forward(self, normed: Tensor) -> Tensor:
        missing = self.conv.kernel_size[0] - 1
        # TensorFlow's "same" padding puts the odd frame at the end.
        padded = functional.pad(normed, (0, 0, missing // 2, missing - missing // 2))
        return self.pooled(padded, bands=3)


class _MidFilters(nn.Module):
    """Filters of 7 frames over all channels of the layer below."""

    def __init__(self, checkpoint: Checkpoint, number: int) -> None:
        super().__init__()
        kernel = checkpoint.tensor(f"conv2d_{number}/kernel")  # (frames, channels in, 1, out)
        self.conv = nn.Conv1d(kernel.shape[1], kernel.shape[3], kernel.shape[0])
        filters = kernel[:, :, 0].transpose(2, 1, 0)
        bias = checkpoint.tensor(f"conv2d_{number}/bias")
        self.conv.load_state_dict(_parameters(filters, bias))
        self.norm = _Norm(checkpoint, number + 1)

    def forward(self, below: Tensor) -> Tensor:
        padded = functional.pad(below, _MID_PADDING)
        activated: Tensor = self.norm(functional.relu(self.conv(padded)))
        return activated


def _conv2d(checkpoint: Checkpoint, number: int, signs: NDArray[np.float32]) -> nn.Conv2d:
    """A convolution over (frames, bands), times 1 or -1 for each filter.

    TensorFlow stores kernels as (frames, bands, in, out).
    """
    name = "conv2d" + (f"_{number}" if number else "")
    kernel = checkpoint.tensor(f"{name}/kernel")
    conv = nn.Conv2d(1, kernel.shape[3], (kernel.shape[0], kernel.shape[1]))
    filters = (kernel * signs).transpose(3, 2, 0, 1)
    conv.load_state_dict(_parameters(filters, checkpoint.tensor(f"{name}/bias") * signs))
    return conv


def _dense(checkpoint: Checkpoint, name: str) -> nn.Linear:
    kernel = checkpoint.tensor(f"{name}/kernel")  # (in, out)
    dense = nn.Linear(kernel.shape[0], kernel.shape[1])
    dense.load_state_dict(_parameters(kernel.T, checkpoint.tensor(f"{name}/bias")))
    return dense


def _parameters(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> dict[str, Tensor]:
    """The state dict of a torch layer."""
    return {"weight": torch.from_numpy(weight.copy()), "bias": torch.from_numpy(bias.copy())}
