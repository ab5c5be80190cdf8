"""Light graph convolution (LightGCN): mean of the embeddings over the layers, no parameters.

Reference: LightGCN (He et al. 2020, arXiv:2002.02126): E_(k+1) = A E_k, output = mean of E_0 ..
    E_K, where A is the symmetric normalised adjacency.
"""

from __future__ import annotations

import torch
from torch import Tensor


def propagate(adjacency: Tensor, x: Tensor, n_layers: int) -> Tensor:
    """Mean of x and its neighbourhoods up to `n_layers` steps away, shape (n_nodes, dim).

    Args:
        adjacency: sparse CSR, symmetric, shape (n_nodes, n_nodes).
        x: shape (n_nodes, dim).
        n_layers: steps; 0 gives x.
    """
    mean: Tensor = _Mean.apply(adjacency, x, n_layers)
    return mean


def spmm(matrix: Tensor, transposed: Tensor, x: Tensor) -> Tensor:
    """Sparse-dense product with a constant matrix: matrix @ x, shape (n_rows, dim).

    Args:
        matrix: sparse CSR, shape (n_rows, n_columns).
        transposed: the same with rows and columns exchanged, sparse CSR.
        x: shape (n_columns, dim).
    """
    product: Tensor = _Product.apply(matrix, transposed, x)
    return product


class _Mean(torch.autograd.Function):
    """(x + A (x + A (x + ..))) / (n_layers + 1): no layer is kept, each costs one pass.

    The map is linear and A symmetric, so the gradient goes through the same map.
    """

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, adjacency: Tensor, x: Tensor, n_layers: int
    ) -> Tensor:
        ctx.save_for_backward(adjacency)
        ctx.n_layers = n_layers  # type: ignore[attr-defined]  # torch's way to keep a number
        return _mean(adjacency, x, n_layers)

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: Tensor
    ) -> tuple[None, Tensor, None]:
        (adjacency,) = ctx.saved_tensors  # type: ignore[attr-defined]  # torch adds it at run time
        return None, _mean(adjacency, gradient, ctx.n_layers), None  # type: ignore[attr-defined]


def _mean(adjacency: Tensor, x: Tensor, n_layers: int) -> Tensor:
    if not n_layers:
        return x.clone()
    total = x
    for _ in range(n_layers):
        total = torch.addmm(x, adjacency, total)
    return total.div_(n_layers + 1)  # in place: another table as large would be written for it


class _Product(torch.autograd.Function):
    """matrix @ x, whose gradient with respect to x is transposed @ gradient.

    torch would transpose the sparse matrix at every backward pass.
    """

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, matrix: Tensor, transposed: Tensor, x: Tensor
    ) -> Tensor:
        ctx.save_for_backward(transposed)
        return matrix @ x

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: Tensor
    ) -> tuple[None, None, Tensor]:
        (transposed,) = ctx.saved_tensors  # type: ignore[attr-defined]  # torch adds it at run time
        return None, None, transposed @ gradient
