"""The exact gradient of a loss over a whole batch, of which memory holds a piece at a time.

A contrastive loss needs the vectors of all examples at once, but not the activations behind them.
The vectors are computed without those; the loss gives their gradients; then each piece is computed
again, with the same dropout, and its gradients go back from there.

Reference: Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited
setup" (arXiv:2101.06983), section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import torch
from torch import Tensor

Piece = TypeVar("Piece")
Vectors = tuple[Tensor, ...]


def backward_in_pieces(
    pieces: Sequence[Piece],
    encode: Callable[[Piece], Vectors],
    losses_of: Callable[[Vectors], dict[str, Tensor]],
    autocast: Callable[[], AbstractContextManager[object]],
) -> dict[str, Tensor]:
    """Add the gradients of the sum of the losses to the parameters; returns the losses.

    Args:
        pieces: parts of the batch, in order.
        encode: vectors of a piece, each of shape (examples of the piece, dim).
        losses_of: named losses of the vectors of the whole batch.
        autocast: the precision of forward passes.
    """
    drawn, parts = [], []
    for piece in pieces:
        drawn.append(_Drawn())
        with torch.no_grad(), autocast():
            parts.append(encode(piece))
    whole = tuple(torch.cat(part).requires_grad_() for part in zip(*parts, strict=True))
    with autocast():
        losses = losses_of(whole)
    torch.stack([one.float() for one in losses.values()]).sum().backward()
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part[0]))
    for piece, state, start, end in zip(pieces, drawn, starts, starts[1:], strict=False):
        with state.again(), autocast():
            vectors = encode(piece)
        torch.autograd.backward(vectors, [_gradient(one)[start:end] for one in whole])
    return {name: one.detach() for name, one in losses.items()}


def _gradient(vectors: Tensor) -> Tensor:
    """Of vectors that no loss reads: zeros."""
    return torch.zeros_like(vectors) if vectors.grad is None else vectors.grad


class _Drawn:
    """The state of torch's generators before a piece was computed."""

    def __init__(self) -> None:
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None

    @contextmanager
    def again(self) -> Iterator[None]:
        """Draw the same numbers, then go on as before."""
        devices = [torch.cuda.current_device()] if self._cuda is not None else []
        with torch.random.fork_rng(devices):
            torch.set_rng_state(self._cpu)
            if self._cuda is not None:
                torch.cuda.set_rng_state(self._cuda)
            yield
