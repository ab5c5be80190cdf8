"""Neighbour sampling: inclusion probabilities, edge weights, and edges that are never drawn."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import torch

from feature_store.setting_groups import SplitSettings
from tests.training.datasets import (
    CPU,
    cut_of,
    dataset_of,
    graph_with,
    ids,
    listens_on,
    nodes_of,
    pairs_of,
    three_modalities,
    two_taste_view,
)
from training.data.batches import TrainingBatches
from training.data.graph import RelationWeights, SocialGraph, adjacency, csr
from training.data.neighbours import (
    EdgeOverride,
    NeighbourSampler,
    propagate_sampled,
    uniform_sampling,
    weighted_sampling,
)
from training.engine.loop import deterministic
from training.evaluation.splits import Split, choose_split
from training.layers.propagation import propagate
from training.models.ranking.mm_gnn import MMGNN, MMGNNConfig

DRAWS = 20_000
SPREAD = 0.02  # five standard deviations of a share of 20,000 draws are at most .018
UNIFORM = RelationWeights(
    listened=1, follows=1, made_by=1, tagged=1, liked=1, on_album=1, listened_power=0
)


def star(n_copies: int = 1) -> torch.Tensor:
    """Node 0 next to 1, 2, 3, by weights 1, 2, 3; node 4 alone. Copies follow one another."""
    ends = (5 * torch.arange(n_copies)[:, None] + torch.tensor([1, 2, 3])).flatten()
    hubs = (5 * torch.arange(n_copies)).repeat_interleave(3)
    weights = torch.tensor([1.0, 2.0, 3.0]).repeat(n_copies)
    return csr(
        torch.cat([hubs, ends]),
        torch.cat([ends, hubs]),
        torch.cat([weights, weights]),
        (5 * n_copies, 5 * n_copies),
    )


def sampler(matrix, sampling_weights, fan_outs, seed=1) -> NeighbourSampler:
    return NeighbourSampler(
        matrix, sampling_weights(matrix), fan_outs, torch.Generator().manual_seed(seed)
    )


def drawn_pairs(sampling_weights) -> dict[tuple[int, int], float]:
    """Share of the draws in which each pair of a hub's neighbours came, of two that are drawn."""
    around = sampler(star(DRAWS), sampling_weights, [2]).sample(5 * torch.arange(DRAWS))
    neighbours = around.nodes[around.steps[0].col_indices()].reshape(DRAWS, 2) % 5
    pairs, count = neighbours.sort(dim=1).values.unique(dim=0, return_counts=True)
    shares = (count / DRAWS).tolist()
    return {tuple(pair): share for pair, share in zip(pairs.tolist(), shares, strict=True)}


def test_uniform_sampling_without_replacement_draws_every_set_equally_often():
    """Two of three neighbours: three sets, a third of the draws each."""
    third = pytest.approx(1 / 3, abs=SPREAD)

    assert drawn_pairs(uniform_sampling) == {(1, 2): third, (1, 3): third, (2, 3): third}


def test_weighted_draws_follow_the_weights_one_after_the_other():
    """Weights 1, 2, 3: first 1 then 2 has 1/6 x 2/5, first 2 then 1 has 2/6 x 1/4; and so on."""
    one_two, one_three = 1 / 6 * 2 / 5 + 2 / 6 * 1 / 4, 1 / 6 * 3 / 5 + 3 / 6 * 1 / 3

    assert drawn_pairs(weighted_sampling) == {
        (1, 2): pytest.approx(one_two, abs=SPREAD),
        (1, 3): pytest.approx(one_three, abs=SPREAD),
        (2, 3): pytest.approx(1 - one_two - one_three, abs=SPREAD),
    }


@pytest.mark.parametrize("sampling_weights", [uniform_sampling, weighted_sampling])
def test_a_sampled_step_is_unbiased(sampling_weights):
    """On average a step over two of three neighbours is the step over all: 1 x 5 + 2 x 7 - 3 x 4 = 7."""
    around = sampler(star(DRAWS), sampling_weights, [2]).sample(5 * torch.arange(DRAWS))
    states = torch.tensor([0.0, 5.0, 7.0, -4.0, 0.0])[around.nodes % 5]

    assert float((around.steps[0] @ states[:, None]).mean()) == pytest.approx(7.0, abs=0.5)


def test_an_edge_of_no_weight_is_never_drawn():
    """One of two neighbours, of weights 0 and 2: always the second, as if it were the only one."""
    matrix = csr(torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([0.0, 2.0]), (3, 3))

    neighbours = sampler(matrix, weighted_sampling, [1])
    found = [neighbours.sample(torch.tensor([0])) for _ in range(50)]

    assert {tuple(one.nodes.tolist()) for one in found} == {(0, 2)}
    assert found[0].steps[0].to_dense().tolist() == [[0.0, 2.0]]
    both = sampler(matrix, weighted_sampling, [2]).sample(torch.tensor([0]))
    assert both.nodes.tolist() == [0, 2]


def test_the_same_generator_draws_the_same_and_another_something_else():
    matrix = star()
    seeds = torch.tensor([0])

    def series(seed: int) -> list[list[int]]:
        neighbours = sampler(matrix, uniform_sampling, [1], seed)
        return [neighbours.sample(seeds).nodes.tolist() for _ in range(20)]

    assert series(1) == series(1)
    assert series(1) != series(2)


def test_steps_are_relabelled_to_indices_into_nodes():
    """From node 3 one step reaches 0, two steps 1 and 2 as well; the asked node comes first."""
    matrix = star()
    found = sampler(matrix, uniform_sampling, [9, 9]).sample(torch.tensor([3]))

    assert found.nodes.tolist() == [3, 0, 1, 2]
    first, last = found.steps
    assert last.to_dense().tolist() == [[0.0, 3.0]]
    assert first.to_dense().tolist() == [[0.0, 3.0, 0.0, 0.0], [3.0, 0.0, 1.0, 2.0]]


def test_a_node_without_neighbours_keeps_only_itself():
    """Node 4 gets nothing in any step: the mean of its input and two zeros."""
    matrix = star()
    found = sampler(matrix, uniform_sampling, [2, 2]).sample(torch.tensor([4, 0]))
    inputs = torch.tensor([[6.0], [1.0], [1.0], [1.0], [6.0]])

    assert propagate_sampled(found, inputs[found.nodes])[0].tolist() == [2.0]


@pytest.mark.parametrize("sampling_weights", [uniform_sampling, weighted_sampling])
def test_with_all_neighbours_states_and_gradients_are_the_full_graph_s(sampling_weights):
    """Fan-outs of at least every degree: 3 steps from any nodes agree with the whole graph to 1e-6."""
    matrix = star()
    seeds = torch.tensor([3, 4, 0])
    whole = torch.randn(5, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
    drawn = whole.detach().clone().requires_grad_()
    pull = torch.randn(3, 4, generator=torch.Generator().manual_seed(3))

    of_all = propagate(matrix, whole, 3)[seeds]
    found = sampler(matrix, sampling_weights, [3, 3, 3]).sample(seeds)
    of_drawn = propagate_sampled(found, drawn[found.nodes])
    (of_all * pull).sum().backward()
    (of_drawn * pull).sum().backward()

    assert torch.allclose(of_drawn, of_all, atol=1e-6)
    assert torch.allclose(drawn.grad, whole.grad, atol=1e-6)


def test_no_held_out_listen_is_ever_drawn():
    """A new track each day, split by time: each held-out pair is in the whole dataset and in no draw."""
    as_of = date(2026, 3, 1)
    rows = [
        (user, user + day, as_of - timedelta(days=19 - day))
        for user in range(8)
        for day in range(20)
    ]
    dataset = dataset_of(nodes_of(ids("u", 8), ids("t", 27)), listens_on(rows), as_of)
    split = choose_split(
        dataset.listens,
        as_of,
        dataset.available_from,
        cut_of(dataset.listens, as_of),
        SplitSettings(),
        torch.Generator().manual_seed(1),
    )
    assert isinstance(split, Split)
    held_out = split.validation.hidden_pairs
    listened = dataset.full_view().graph.listened
    seen = dataset.train_view(split.validation).graph

    drawn = _drawn_listens(seen)

    hidden = set(zip(held_out.users.tolist(), held_out.tracks.tolist(), strict=True))
    assert hidden
    assert hidden <= set(zip(listened.users.tolist(), listened.tracks.tolist(), strict=True))
    assert drawn
    assert not drawn & hidden


def _drawn_listens(graph: SocialGraph) -> set[tuple[int, int]]:
    """Every user-track edge in 50 draws around all users."""
    n_users, n_tracks, *_ = graph.sizes
    matrix = adjacency(graph, UNIFORM, torch.ones(n_tracks, dtype=torch.bool))
    neighbours = sampler(matrix, uniform_sampling, [3, 3])
    found = set()
    for _ in range(50):
        around = neighbours.sample(torch.arange(n_users))
        for step in around.steps:
            for row, column in step.to_sparse_coo().indices().T.tolist():
                ends = sorted((int(around.nodes[row]), int(around.nodes[column])))
                if ends[0] < n_users <= ends[1]:
                    found.add((ends[0], ends[1] - n_users))
    return found


@pytest.mark.parametrize("cold_start_rate", [0.0, 0.4])
def test_a_sampled_step_of_mm_gnn_has_the_full_graph_s_losses_and_gradients(cold_start_rate):
    """A fan-out above every degree: all heads' losses and all gradients agree to 1e-6."""
    whole, sampled = (
        gradients(fan_out=fan_out, cold_start_rate=cold_start_rate) for fan_out in (0, 100)
    )

    assert whole.keys() == sampled.keys()
    for name, expected in whole.items():
        assert torch.allclose(sampled[name], expected, atol=1e-6), name


def test_a_small_fan_out_learns_from_part_of_the_graph():
    whole, sampled = gradients(fan_out=0), gradients(fan_out=1)

    assert whole.keys() == sampled.keys()
    assert not torch.allclose(sampled["ranking.audio"], whole["ranking.audio"], atol=1e-3)


def test_the_setting_decides_whether_heavy_edges_are_drawn_more_often():
    """With all neighbours there is nothing to draw; with one, other edges come, and another loss."""
    uniform, weighted = (gradients(1, weighted_sampling=heavy) for heavy in (False, True))

    assert not torch.allclose(uniform["ranking.audio"], weighted["ranking.audio"], atol=1e-3)
    all_neighbours = gradients(100, weighted_sampling=True)
    assert torch.allclose(all_neighbours["ranking.audio"], gradients(0)["ranking.audio"], atol=1e-6)


def gradients(
    fan_out: int, *, weighted_sampling: bool = False, cold_start_rate: float = 0.0
) -> dict[str, torch.Tensor]:
    """Losses by name and gradients by parameter, of a batch of 6 listeners and 13 candidates."""
    view = two_taste_view(three_modalities(13, lacking_lyrics=[2, 9]))
    heard = view.graph.listened
    config = MMGNNConfig(
        dim=8,
        fan_out=fan_out,
        weighted_sampling=weighted_sampling,
        listened_power=1.0,
        cold_start_rate=cold_start_rate,
    )
    with deterministic(seed=3, n_threads=1):
        model = MMGNN(config, view)
        generator = torch.Generator().manual_seed(1)
        [batch, *_] = TrainingBatches(heard, 13, 6, 1, 100, generator, CPU)
        losses = model.training_loss(batch)
        torch.stack(list(losses.values())).sum().backward()
    found = {name: loss.detach() for name, loss in losses.items()}
    return found | {name: value.grad for name, value in model.named_parameters()}


def test_impossible_fan_outs_and_sampling_weights_are_refused():
    matrix = star()
    with pytest.raises(ValueError, match=r"fan-outs \(2, 0\), each must be 1 or more"):
        sampler(matrix, uniform_sampling, [2, 0])
    with pytest.raises(ValueError, match="a sampling weight is 0"):
        sampler(matrix, lambda edges: 0 * uniform_sampling(edges), [2])


def test_an_edge_with_an_override_of_zero_is_not_drawn():
    """Node 0 next to 1, 2 and 3, its edge with 3 at 0: 1 and 2 fill the fan-out, for sure."""
    matrix = star()
    override = EdgeOverride(torch.arange(5) == 3, torch.zeros(len(matrix.values())))

    found = [
        sampler(matrix, uniform_sampling, [2], seed).sample(torch.tensor([0]), override)
        for seed in range(20)
    ]

    assert {tuple(one.nodes.tolist()) for one in found} == {(0, 1, 2)}
    assert found[0].steps[0].to_dense().tolist() == [[0.0, 1.0, 2.0]]


def test_a_graph_without_edges_gives_only_the_seed_nodes():
    bare = graph_with(nodes_of(["u"], ["t"]), pairs_of([]))
    matrix = adjacency(bare, UNIFORM, torch.ones(1, dtype=torch.bool))

    found = sampler(matrix, uniform_sampling, [4]).sample(torch.tensor([0, 1]))

    assert found.nodes.tolist() == [0, 1]
    assert not found.steps[0].to_dense().any()
