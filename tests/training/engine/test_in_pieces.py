"""A batch in pieces has the gradient of the whole batch."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from training.engine.in_pieces import backward_in_pieces
from training.layers.contrastive import contrastive_loss

N_ROWS = 12


class Towers(nn.Module):
    """Two small towers with dropout, and a scale that the loss alone reads."""

    def __init__(self, dropout):
        super().__init__()
        self.x = nn.Sequential(nn.Linear(6, 8), nn.Dropout(dropout), nn.ReLU(), nn.Linear(8, 4))
        self.y = nn.Sequential(nn.Linear(5, 8), nn.Dropout(dropout), nn.ReLU(), nn.Linear(8, 4))
        self.log_scale = nn.Parameter(torch.tensor(1.0))

    def encode(self, rows):
        return self.x(rows[0]), self.y(rows[1])

    def losses(self, vectors):
        numbers = torch.arange(len(vectors[0]))
        return {"clip": contrastive_loss(*vectors, self.log_scale.exp(), numbers, numbers)}


def batch():
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(N_ROWS, width, generator=generator) for width in (6, 5)]


def gradients_in_pieces(towers, size, seed=0):
    torch.manual_seed(seed)
    pieces = list(zip(*(rows.split(size) for rows in batch()), strict=True))
    losses = backward_in_pieces(pieces, towers.encode, towers.losses, nullcontext)
    found = [parameter.grad.clone() for parameter in towers.parameters()]
    towers.zero_grad()
    return losses["clip"], found


@pytest.mark.parametrize("size", [1, 5, 12])
def test_pieces_of_any_size_give_the_loss_and_gradient_of_the_whole(size):
    torch.manual_seed(1)
    towers = Towers(dropout=0.0)
    whole = towers.losses(towers.encode(batch()))["clip"]
    whole.backward()
    expected = [parameter.grad.clone() for parameter in towers.parameters()]
    towers.zero_grad()

    loss, found = gradients_in_pieces(towers, size)

    torch.testing.assert_close(loss, whole.detach())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_a_piece_is_computed_again_with_the_same_dropout():
    """Then the gradient is that of the loss that was computed: the loss falls along it."""
    torch.manual_seed(1)
    towers = Towers(dropout=0.5)
    loss, found = gradients_in_pieces(towers, 4, seed=9)
    step = 1e-3
    with torch.no_grad():
        for parameter, gradient in zip(towers.parameters(), found, strict=True):
            parameter.sub_(gradient, alpha=step)
    lower, _ = gradients_in_pieces(towers, 4, seed=9)

    expected = step * sum(float(gradient.square().sum()) for gradient in found)
    assert float(loss - lower) == pytest.approx(expected, rel=0.05)


def test_random_numbers_go_on_as_after_one_pass():
    towers = Towers(dropout=0.5)
    gradients_in_pieces(towers, 4, seed=9)
    after = torch.rand(1)
    torch.manual_seed(9)
    with torch.no_grad():
        for rows in zip(*(rows.split(4) for rows in batch()), strict=True):
            towers.encode(rows)
    assert torch.rand(1) == after
