"""The contrastive loss by hand, with copies, and in two processes."""

from __future__ import annotations

import math

import pytest
import torch

from tests.training.engine.processes import in_two_processes
from training.layers.contrastive import Temperature, contrastive_loss

UNIQUE = torch.arange(2)


def test_the_scale_begins_at_e_to_2_6():
    assert Temperature()().item() == pytest.approx(13.4637, abs=1e-4)


def test_two_pairs_by_hand():
    """Cosines 1, 0 and .6, .8 (any length); scale 2: the four cross-entropies written out."""
    x = torch.tensor([[3.0, 0.0], [0.0, 0.5]])
    y = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    rows = [(2.0, 1.2, 0), (0.0, 1.6, 1)]  # scores of x_i with y_0 and y_1, and the right one
    columns = [(2.0, 0.0, 0), (1.2, 1.6, 1)]

    def cross_entropy(first, second, right):
        return math.log(math.exp(first) + math.exp(second)) - (first, second)[right]

    expected = sum(cross_entropy(*one) for one in rows + columns) / 4

    loss = contrastive_loss(x, y, torch.tensor(2.0), UNIQUE, UNIQUE)

    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_a_copy_of_the_right_one_is_no_negative():
    """Rows 0 and 2 are one track on the side of y: each finds its own among the other rows."""
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(3, 4, generator=generator) for _ in range(2))
    y[2] = y[0]
    scale, unique = torch.tensor(5.0), torch.arange(3)

    loss = contrastive_loss(x, y, scale, unique, torch.tensor([0, 1, 0]))

    cosines = torch.nn.functional.cosine_similarity(x[:, None], y[None], dim=2) * 5
    finding_y = [
        torch.logsumexp(cosines[row, kept], 0) - cosines[row, row]
        for row, kept in ((0, [0, 1]), (1, [0, 1, 2]), (2, [1, 2]))
    ]
    finding_x = torch.logsumexp(cosines, 0) - cosines.diagonal()
    expected = (torch.stack(finding_y).mean() + finding_x.mean()) / 2
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)


def test_one_pair_has_no_loss():
    one = torch.ones(1, 3)
    assert contrastive_loss(one, one, torch.tensor(9.0), UNIQUE[:1], UNIQUE[:1]).item() == 0


def world():
    generator = torch.Generator().manual_seed(7)
    x, y = (torch.randn(8, 5, generator=generator) for _ in range(2))
    return x, y, torch.tensor([0, 1, 2, 3, 1, 5, 6, 7])


def loss_and_gradients(rows):
    x, y, tracks = world()
    x, y = x[rows].requires_grad_(), y[rows].requires_grad_()
    log_scale = torch.tensor(1.0, requires_grad=True)
    loss = contrastive_loss(x, y, log_scale.exp(), tracks[rows], tracks[rows])
    loss.backward()
    return loss.detach(), x.grad, y.grad, log_scale.grad


def of_a_process(rank):
    """Three rows in one process, five in the other."""
    return loss_and_gradients(slice(0, 3) if rank == 0 else slice(3, 8))


def test_two_processes_give_the_loss_and_gradients_of_one(tmp_path):
    """Averaged over the processes; a row's own gradient stands in one of them, and counts half."""
    loss, x, y, scale = loss_and_gradients(slice(None))

    losses, xs, ys, scales = zip(*in_two_processes(of_a_process, tmp_path), strict=True)

    torch.testing.assert_close(torch.stack(losses).mean(), loss, atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.cat(xs) / 2, x, atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.cat(ys) / 2, y, atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.stack(scales).mean(), scale, atol=1e-6, rtol=0)
