"""Label-distribution smoothing: rare labels weigh more, by a density that can be computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from training.data.label_density import label_weights, smoothed_density


def test_the_density_counts_labels_around_each_bin():
    """Three labels in the bin of [0, .05) and one in [.1, .15), two bins away: exp(-(.1)² / (2 x .1²)) of it counts."""
    near = math.exp(-0.5)

    density = smoothed_density(torch.tensor([0.0, 0.01, 0.04, 0.1]))

    assert len(density) == 40
    assert density[20] == pytest.approx(3 + near)
    assert density[22] == pytest.approx(1 + 3 * near)
    assert density[21] == pytest.approx(4 * math.exp(-(0.05**2) / (2 * 0.1**2)))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_weights_are_a_power_of_the_density_with_a_mean_of_one(strength):
    """Far apart, 3 labels and 1 have densities of 3 and 1: weights of 3 ** -s and 1, before they are scaled."""
    labels = torch.tensor([-0.8, -0.8, -0.8, 0.8])

    weights = label_weights(labels, strength)

    assert float(weights.mean()) == pytest.approx(1)
    assert float(weights[3] / weights[0]) == pytest.approx(3**strength)


def test_without_strength_all_labels_weigh_the_same():
    assert label_weights(torch.tensor([0.0, 0.0, 0.9]), 0.0).tolist() == [1.0, 1.0, 1.0]
    assert label_weights(torch.zeros(0), 0.5).tolist() == []


def test_the_ends_of_the_scale_and_borders_of_bins_are_in_a_bin():
    """1 belongs to the last bin; float32's -0.95, a little below the border, to the second."""
    at_ends = smoothed_density(torch.tensor([-1.0, 1.0]))
    at_border = smoothed_density(torch.tensor([-0.95]))

    assert at_ends[0] == at_ends[39] == pytest.approx(1)
    assert int(at_border.argmax()) == 1
