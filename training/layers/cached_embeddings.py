"""People and tracks as vectors, computed once for all blocks of people that are scored."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class EncodedOnce(nn.Module):
    """Keeps what `encode` gave while nothing is learned; a change of mode forgets it.

    It hears of the change because it is part of the model whose method `encode` is.
    """

    def __init__(self, encode: Callable[[], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self._encode = encode
        self._kept: tuple[Tensor, Tensor] | None = None

    def train(self, mode: bool = True) -> EncodedOnce:
        """Change the mode, and forget: the parameters may be others by now."""
        self._kept = None
        return super().train(mode)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Vectors of people, shape (n_users, dim), and of tracks, shape (n_tracks, dim)."""
        if self.training or torch.is_grad_enabled():
            return self._encode()
        if self._kept is None:
            self._kept = self._encode()
        return self._kept
