from __future__ import annotations

import pytest
import torch

from training.data.graph import csr
from training.layers.cached_embeddings import CachedEmbeddings
from training.layers.propagation import propagate, spmm

MATRIX = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])


def sparse(dense: torch.Tensor) -> torch.Tensor:
    rows, columns = dense.nonzero().T
    return csr(rows, columns, dense[rows, columns], tuple(dense.shape))


def test_a_step_and_its_gradient_are_those_of_the_dense_product():
    """A matrix that is not symmetric, not even square: forward M x, backward M' g."""
    x = torch.tensor([[1.0, -1.0], [0.5, 2.0], [3.0, 0.0]], requires_grad=True)
    above = torch.tensor([[1.0, 2.0], [-1.0, 4.0]])

    passed = spmm(sparse(MATRIX), sparse(MATRIX.T), x)
    passed.backward(above)

    assert torch.equal(passed.detach(), MATRIX @ x.detach())
    assert torch.equal(x.grad, MATRIX.T @ above)


def test_propagation_is_the_mean_over_the_steps():
    """On a path of two nodes with weight 1/2: (x + A x + A A x) / 3 for x = (4, 0)."""
    path = sparse(torch.tensor([[0.0, 0.5], [0.5, 0.0]]))

    spread = propagate(path, torch.tensor([[4.0], [0.0]]), 2)

    assert spread.flatten().tolist() == pytest.approx([(4 + 0 + 1) / 3, (0 + 2 + 0) / 3])


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_propagation_and_its_gradient_are_those_of_dense_powers(n_layers):
    """Mean of A^0 x .. A^L x, differentiated by torch itself, on a symmetric matrix of three nodes."""
    dense = torch.tensor([[0.0, 0.5, 0.2], [0.5, 0.0, 0.0], [0.2, 0.0, 0.3]])
    above = torch.tensor([[1.0, 2.0], [-1.0, 4.0], [0.5, 0.0]])
    x, same = (
        torch.tensor([[1.0, -1.0], [0.5, 2.0], [3.0, 0.0]], requires_grad=True) for _ in "12"
    )

    spread = propagate(sparse(dense), x, n_layers)
    spread.backward(above)

    powers = [torch.linalg.matrix_power(dense, step) for step in range(n_layers + 1)]
    expected = torch.stack(powers).mean(dim=0) @ same
    expected.backward(above)
    assert torch.allclose(spread, expected)
    assert torch.allclose(x.grad, same.grad)


class Counting(torch.nn.Module):
    """Counts how often it had to encode."""

    def __init__(self) -> None:
        super().__init__()
        self.n_encoded = 0
        self.embeddings = CachedEmbeddings(self.encode)

    def encode(self) -> tuple[torch.Tensor, torch.Tensor]:
        self.n_encoded += 1
        return torch.tensor([self.n_encoded]), torch.tensor([0])


def test_blocks_of_listeners_share_cached_embeddings_until_the_mode_changes():
    """Twice while scoring is once; learning in between makes it new; with gradients it is never kept."""
    model = Counting().eval()
    with torch.no_grad():
        first, again = model.embeddings()[0], model.embeddings()[0]
        model.train()
        model.embeddings()
        later = model.eval().embeddings()[0]
    with_gradients = model.embeddings()[0]

    assert (int(first), int(again), int(later), int(with_gradients)) == (1, 1, 3, 4)
