"""Hides bands and stretches of time of spectrograms while a network learns.

Park et al. 2019, "SpecAugment: A simple data augmentation method for automatic speech recognition"
(arXiv:1904.08779), without its time warping. Of a catalogue of some thousand tracks a network
learns each one by heart; it cannot do so by what is hidden in the next epoch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_N_MASKS = 2
"""Of each kind, as the paper's strongest policies have."""


class SpectrogramMasks(nn.Module):
    """Sets masked values to 0, the mean of each band; in evaluation mode nothing.

    Args:
        band_share: of all bands that a mask hides at most, 0 to 1.
        time_share: of all frames, likewise.
    """

    def __init__(self, band_share: float, time_share: float) -> None:
        super().__init__()
        self._band_share, self._time_share = band_share, time_share

    def forward(self, standardised: Tensor) -> Tensor:
        """Shape (batch, frames, bands), each spectrogram with masks of its own."""
        if not self.training:
            return standardised
        batch, n_frames, n_bands = standardised.shape
        device = standardised.device
        bands = _hidden(batch, n_bands, self._band_share, device)
        frames = _hidden(batch, n_frames, self._time_share, device)
        return standardised.masked_fill(bands[:, None, :] | frames[:, :, None], 0.0)


def _hidden(batch: int, size: int, share: float, device: torch.device) -> Tensor:
    """Which of `size` positions are in a mask, shape (batch, size) bool.

    A mask has from none to the share of them, each number as likely, and lies anywhere.
    """
    most = int(share * size)
    widths = torch.randint(0, most + 1, (batch, _N_MASKS, 1), device=device)
    starts = (torch.rand(batch, _N_MASKS, 1, device=device) * (size - widths + 1)).long()
    positions = torch.arange(size, device=device)
    return ((positions >= starts) & (positions < starts + widths)).any(dim=1)
