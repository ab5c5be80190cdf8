"""PyG's two paths, the sizes and the slope of the graph benchmark."""

from __future__ import annotations

import pytest
import torch

from tests.benchmarks.graph import sizes_up_to, slope_of
from tests.benchmarks.support.light_gcn_epochs import (
    draw_pairs,
    pyg_csr,
    pyg_edge_list,
    pyg_epochs_s,
)

PAIRS = draw_pairs(400)


def test_pyg_computes_the_same_with_a_csr_matrix_as_with_an_edge_list():
    """Equal parameters give equal embeddings: the fast path is the same model."""
    (by_edges, edges), (by_matrix, matrix) = pyg_edge_list(PAIRS), pyg_csr(PAIRS)
    by_matrix.load_state_dict(by_edges.state_dict())

    assert matrix.layout == torch.sparse_csr
    assert torch.allclose(by_edges.get_embedding(edges), by_matrix.get_embedding(matrix), atol=1e-6)


def test_the_fast_path_writes_no_message_for_each_edge():
    """An edge list gathers one row per edge and layer; the matrix is multiplied instead."""
    messages: dict[str, int] = {}
    for build in (pyg_edge_list, pyg_csr):
        model, graph = build(PAIRS)
        calls: list[object] = []
        for conv in model.convs:
            conv.register_message_forward_hook(lambda *_, calls=calls: calls.append(None))
        model.get_embedding(graph)
        messages[build.__name__] = len(calls)

    assert messages == {"pyg_edge_list": 3, "pyg_csr": 0}


@pytest.mark.parametrize("build", [pyg_edge_list, pyg_csr])
def test_both_paths_train(build):
    assert len(pyg_epochs_s(build, PAIRS, batch_pairs=100, tries=2)) == 2


def test_the_slope_is_that_of_all_sizes():
    """Sizes 10^x and seconds 10^y after 1 s of fixed cost: y = x has slope 1, y(1) = 2 instead changes it.

    sum of (x - 2) y / 10 = (-2 x 0 - 1 x 2 + 0 x 2 + 1 x 3 + 2 x 4) / 10 = 0.9; the ends alone say 1.
    """
    linear = {10**exponent: 1.0 + 10**exponent for exponent in range(5)}

    assert slope_of(linear, 1.0) == pytest.approx(1)
    assert slope_of({**linear, 10: 101.0}, 1.0) == pytest.approx(0.9)
    assert sizes_up_to(10_000_000) == [100_000, 316_228, 1_000_000, 3_162_278, 10_000_000]
