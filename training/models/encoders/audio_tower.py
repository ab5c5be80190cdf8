"""HTCL's audio tower: three strided convolutions and a Transformer over a log-mel spectrogram.

Pan et al. 2025, "Hierarchical two-stage contrastive learning" (arXiv:2505.23298), and the sizes of
their public code. Choices that neither tells are marked [ours].

Differs from the paper: frames that are padding in all recordings are not read; a clip is
standardised again by what sounds in it, and then each band; while it learns, parts of the
spectrogram may be hidden (spectrogram_masks.py). Of whole tracks and without masks that is the
paper's input but for a map of each band, which the first convolution could hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.checkpoint import checkpoint

from training.data.spectrograms import N_FRAMES, N_MELS
from training.models.encoders.spectrogram_masks import SpectrogramMasks

KERNELS, STRIDE = (5, 3, 3), 2
POSITION_KERNEL = 31

_NO_DEVIATION = 1e-3  # of values near 1: what float16 rounds
_FRAME_STEP, _FEWEST_FRAMES = 32, 64


@dataclass(frozen=True, slots=True)
class TowerSize:
    """Numbers of an audio tower; the code is the same for all.

    Attributes:
        channels: of the convolutions.
        width: of the tokens.
        layers, heads, hidden: of the Transformer; `hidden` is the width of its feed-forward parts.
        position_groups: of the convolution that tells positions.
    """

    channels: int
    width: int
    layers: int
    heads: int
    hidden: int
    position_groups: int


PAPER = TowerSize(channels=512, width=768, layers=12, heads=12, hidden=3_072, position_groups=16)


class AudioTower(nn.Module):
    """Spectrograms (batch, frames, 128) to vectors (batch, width).

    Of 1,251 frames the time steps go to 624, 311 and 155; with the class token there are 156
    tokens, whose mean is the vector.

    What it reads is fitted to the recordings from which it learns [ours]. Padding that all of them
    have at their end is not read (`limit_frames`): it costs time, and it dilutes the mean. A clip
    is standardised by its frames that sound, and then each band (`learn_bands`): of half a minute
    three quarters are padding, whose distance from the sound is nearly all that is left by the
    standardisation of feat_mel, and it would tell a preview from the beginning of its whole track.

    Args:
        size: widths and numbers of layers.
        dropout: share of values that are dropped.
        masks: what is hidden of a spectrogram while the tower learns; None hides nothing.
        recomputes_layers: keep a layer's input alone for the backward pass (activation
            checkpointing): less memory, a third more time.
    """

    band_mean: Tensor
    band_deviation: Tensor
    n_frames: Tensor

    def __init__(
        self,
        size: TowerSize,
        dropout: float = 0.1,
        masks: SpectrogramMasks | None = None,
        *,
        recomputes_layers: bool = False,
    ) -> None:
        super().__init__()
        self._recomputes_layers = recomputes_layers
        self.register_buffer("band_mean", torch.zeros(N_MELS))
        self.register_buffer("band_deviation", torch.ones(N_MELS))
        self.register_buffer("n_frames", torch.tensor(N_FRAMES))
        self.masks = masks or nn.Identity()
        sizes = (N_MELS, size.channels, size.channels)
        self.convolutions = nn.ModuleList(
            _StridedConvolution(n_in, size.channels, kernel)
            for n_in, kernel in zip(sizes, KERNELS, strict=True)
        )
        self.into_width = nn.Sequential(
            nn.LayerNorm(size.channels), nn.Linear(size.channels, size.width)
        )
        self.positions = _ConvolutionalPositions(size.width, size.position_groups)
        self.before_layers = nn.Sequential(nn.LayerNorm(size.width), nn.Dropout(dropout))
        self.class_token = nn.Parameter(torch.zeros(size.width))
        nn.init.normal_(self.class_token, std=0.02)  # [ours], as BERT's embeddings
        layer = nn.TransformerEncoderLayer(
            size.width, size.heads, size.hidden, dropout, activation="gelu", batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, size.layers, enable_nested_tensor=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        """The vectors, shape (batch, width)."""
        tokens = self.tokens(log_mel)
        for layer in self.layers.layers:
            if self._recomputes_layers and torch.is_grad_enabled():
                tokens = checkpoint(layer, tokens, use_reentrant=False)
            else:
                tokens = layer(tokens)
        return tokens.mean(dim=1)

    @property
    def frames_read(self) -> int:
        """Frames of a spectrogram that it is to be given: the first ones, 64 to 1,251."""
        return int(self.n_frames)

    def limit_frames(self, longest: int) -> None:
        """Read as many frames as the longest recording has, in steps of 32.

        Args:
            longest: frames of that recording without padding.
        """
        n_frames = -(-longest // _FRAME_STEP) * _FRAME_STEP
        self.n_frames.fill_(min(max(n_frames, _FEWEST_FRAMES), N_FRAMES))

    def learn_bands(self, log_mels: Iterable[Tensor]) -> None:
        """Take each band's mean and deviation from some spectrograms.

        Args:
            log_mels: blocks of them, shape (n, frames_read, 128) each.
        """
        mean, deviation = band_statistics(log_mels)
        self.band_mean.copy_(mean)
        self.band_deviation.copy_(deviation)

    def tokens(self, log_mel: Tensor) -> Tensor:
        """What the Transformer reads: the class token and the steps, (batch, 1 + steps, width)."""
        clips, _ = _standardised_clips(log_mel)
        standardised = (clips - self.band_mean) / self.band_deviation
        steps = self.masks(standardised).transpose(1, 2)  # (batch, bands, time)
        for convolution in self.convolutions:
            steps = convolution(steps)
        tokens = self.into_width(steps.transpose(1, 2))
        tokens = self.before_layers(tokens + self.positions(tokens))
        first = self.class_token.to(tokens.dtype).expand(len(tokens), 1, -1)
        return torch.cat([first, tokens], dim=1)


def band_statistics(log_mels: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each band over the frames that sound, shape (128,) each.

    Each clip is standardised by itself before. Bands without any difference, as those of silence
    are, have the deviation 1.

    Args:
        log_mels: blocks of spectrograms, shape (n, frames, 128) each.
    """
    n_sounding, total, squares = 0, *torch.zeros(2, N_MELS, dtype=torch.float64)
    for block in log_mels:
        clips, is_sounding = _standardised_clips(block)
        sounding = clips[is_sounding].double()
        n_sounding += len(sounding)
        total, squares = total + sounding.sum(dim=0), squares + (sounding**2).sum(dim=0)
    mean = total / max(1, n_sounding)
    deviation = (squares / max(1, n_sounding) - mean**2).clamp(min=0).sqrt()
    return mean.float(), _usable(deviation).float()


def _standardised_clips(log_mel: Tensor) -> tuple[Tensor, Tensor]:
    """Each clip by the mean and the deviation of its frames that sound, and which frames these are.

    A frame that is at its clip's floor in every band is padding or silence.

    Args:
        log_mel: shape (n, frames, 128); the second result has the shape (n, frames).
    """
    is_sounding = (log_mel > log_mel.amin(dim=(1, 2), keepdim=True)).any(dim=2, keepdim=True)
    n_values = (N_MELS * is_sounding.sum(dim=(1, 2), keepdim=True)).clamp(min=1)
    mean = (log_mel * is_sounding).sum(dim=(1, 2), keepdim=True) / n_values
    squares = ((log_mel - mean) * is_sounding).square().sum(dim=(1, 2), keepdim=True)
    return (log_mel - mean) / _usable((squares / n_values).sqrt()), is_sounding.squeeze(2)


def _usable(deviation: Tensor) -> Tensor:
    """1 where there is none to divide by."""
    return deviation.where(deviation > _NO_DEVIATION, 1.0)


class _StridedConvolution(nn.Module):
    """Convolution that halves the time steps, a normalisation of each step, GELU."""

    def __init__(self, n_in: int, n_out: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(n_in, n_out, kernel, STRIDE, bias=False)
        self.norm = nn.LayerNorm(n_out)

    def forward(self, steps: Tensor) -> Tensor:
        """(batch, n_in, time) to (batch, n_out, about time / 2)."""
        normed = self.norm(self.convolution(steps).transpose(1, 2))
        return F.gelu(normed).transpose(1, 2)


class _ConvolutionalPositions(nn.Module):
    """What is around each token, which tells where it is (wav2vec 2.0, arXiv:2006.11477)."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        convolution = nn.Conv1d(
            width, width, POSITION_KERNEL, padding=POSITION_KERNEL // 2, groups=groups
        )
        self.convolution = weight_norm(convolution, dim=2)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Shape (batch, time, width), as the tokens."""
        around = self.convolution(tokens.transpose(1, 2)).transpose(1, 2)
        return F.gelu(self.norm(around))
