"""Light graph convolution: means pass along edges, and nothing is learned on the way.

Reference: LightGCN (He et al. 2020, arXiv:2002.02126): E_(k+1) = A E_k, output = mean of E_0 ..
    E_K, where A is the symmetric normalised adjacency.
"""

from __future__ import annotations

import torch
from torch import Tensor


class _SymmetricProduct(torch.autograd.Function):
    """A @ x for a constant symmetric A, whose gradient with respect to x is A @ gradient.

    torch would transpose the sparse matrix anew at every backward pass.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, matrix: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(matrix)
        return matrix @ x

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[None, Tensor]:
        (matrix,) = ctx.saved_tensors  # type: ignore[attr-defined]  # torch adds it at run time
        return None, matrix @ gradient


def propagate(adjacency: Tensor, x: Tensor, n_layers: int) -> Tensor:
    """Mean of x and its neighbourhoods up to `n_layers` steps away, shape (n_nodes, dim).

    Args:
        adjacency: sparse CSR, symmetric, shape (n_nodes, n_nodes).
        x: shape (n_nodes, dim).
        n_layers: steps; 0 gives x.
    """
    total = layer = x
    for _ in range(n_layers):
        layer = _SymmetricProduct.apply(adjacency, layer)
        total = total + layer
    return total / (n_layers + 1)
