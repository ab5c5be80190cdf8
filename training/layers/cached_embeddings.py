"""Caches user and track embeddings, so that they are computed once for all blocks of listeners."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class CachedEmbeddings(nn.Module):
    """Keeps the result of `encode` while no gradients are computed; a change of mode clears it.

    As a submodule of the model it receives train() and eval(), which clear the cache.
    """

    def __init__(self, encode: Callable[[], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self._encode = encode
        self._cached: tuple[Tensor, Tensor] | None = None

    def train(self, mode: bool = True) -> CachedEmbeddings:
        """Change the mode and clear the cache, because the parameters may have changed."""
        self._cached = None
        return super().train(mode)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Embeddings of users, shape (n_users, dim), and of tracks, shape (n_tracks, dim)."""
        if self.training or torch.is_grad_enabled():
            return self._encode()
        if self._cached is None:
            self._cached = self._encode()
        return self._cached
