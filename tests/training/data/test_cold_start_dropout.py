"""Cold-start dropout: content encoders learn to rank unheard tracks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training.datasets import (
    CPU,
    graph_with,
    ids,
    modality,
    nodes_of,
    pairs_of,
    three_modalities,
    two_taste_view,
)
from tests.training.fitting import fit
from training.data.batches import TrainingBatch, TrainingBatches, UserBatch
from training.data.content import Modality
from training.data.dataset import DataView
from training.data.graph import RelationWeights
from training.engine.loop import deterministic, eval_mode
from training.engine.loop_config import LoopConfig
from training.layers.graph_encoder import EncoderSettings, GraphEncoder
from training.models.ranking.mm_gnn import MMGNN, ContentInput, MMGNNConfig

N_USERS, N_TRACKS, N_NEW, N_HEARD = 40, 60, 8, 10
RELATIONS = RelationWeights(
    listened=1, follows=1, made_by=1, tagged=1, liked=1, on_album=1, listened_power=0
)
ONE_STEP = EncoderSettings(
    dim=4, n_layers=1, relations=RELATIONS, fan_out=0, weighted_sampling=False
)
ONES, TWOS = (0, 1, 3), (2, 7)  # tracks of two_taste_view: a0, a1, a3; a2, b0


def batch_of_all(n_users: int, n_tracks: int) -> TrainingBatch:
    nothing = torch.zeros(0, dtype=torch.int64)
    return TrainingBatch(torch.arange(n_users), torch.arange(n_tracks), nothing, nothing)


def flags(n_tracks: int, tracks) -> torch.Tensor:
    marked = torch.zeros(n_tracks, dtype=torch.bool)
    marked[list(tracks)] = True
    return marked


def encoder_of(view: DataView, name: str | None) -> GraphEncoder:
    torch.manual_seed(3)
    content = None if name is None else ContentInput(view.content[name], 4)
    return GraphEncoder(ONE_STEP, view.graph, content)


@pytest.mark.parametrize("cold_tracks", [ONES, TWOS])
def test_a_cold_track_is_encoded_as_in_a_graph_without_its_listens(cold_tracks):
    """Heard, liked, of an artist and on an album: only the last two lead to it on its first day."""
    view = two_taste_view(three_modalities(13))
    graph, is_new = view.graph, flags(13, cold_tracks)
    without_listens = replace(
        graph,
        listened=graph.listened.where(~is_new[graph.listened.tracks]),
        liked=graph.liked.where(~is_new[graph.liked.target]),
    )
    all_users = batch_of_all(18, 13)

    _, seen = encoder_of(view, "audio").encode_batch(all_users, is_new)

    _, expected = encoder_of(DataView(without_listens, view.content), "audio").encode_batch(
        all_users, None
    )
    _, as_it_is = encoder_of(view, "audio").encode_batch(all_users, None)
    assert torch.allclose(seen[is_new], expected[is_new], atol=1e-6)
    assert not torch.allclose(seen[is_new], as_it_is[is_new], atol=1e-2)
    assert torch.equal(seen[~is_new], as_it_is[~is_new])


def test_users_get_nothing_from_a_cold_track():
    """Whatever the features of a track on its first day, its listeners' vectors are the same."""
    content = three_modalities(13)
    moved = content["audio"].embedding.clone()
    moved[[0, 7]] += 5
    view = two_taste_view(content)
    one = encoder_of(view, "audio")
    other = encoder_of(view, "audio")
    other.content.features = moved  # and not the means by which all features are standardised
    all_users, is_new = batch_of_all(18, 13), flags(13, [0, 7])

    users, _ = one.encode_batch(all_users, is_new)
    same_users, _ = other.encode_batch(all_users, is_new)
    other_users, _ = other.encode_batch(all_users, None)

    assert torch.equal(users, same_users)
    assert not torch.allclose(users, other_users, atol=1e-2)


def test_an_encoder_of_ids_ignores_cold_tracks():
    """Without content and listeners there would be nothing to learn from."""
    encoder, all_users = encoder_of(two_taste_view(), None), batch_of_all(18, 13)

    seen = encoder.encode_batch(all_users, flags(13, ONES))

    for one, other in zip(seen, encoder.encode_batch(all_users, None), strict=True):
        assert torch.equal(one, other)


def test_each_step_draws_another_share_of_all_tracks():
    """A fifth of 5,000 tracks, give or take five standard deviations; two steps draw other ones."""
    n_tracks = 5_000
    nodes = nodes_of(["u0"], ids("t", n_tracks))
    view = DataView(graph_with(nodes, pairs_of([(0, 0)])), {"audio": modality(n_tracks, 2, 1)})
    model = MMGNN(MMGNNConfig(dim=2, cold_start_rate=0.2), view)
    drawn = []
    keep = model.heads["audio"].encode_batch

    def spied(batch, cold_tracks):
        drawn.append(cold_tracks)
        return keep(batch, cold_tracks)

    model.heads["audio"].encode_batch = spied
    for _ in range(2):
        model.training_loss(batch_of_all(1, 10))

    shares = [float(one.float().mean()) for one in drawn]
    assert shares == pytest.approx([0.2, 0.2], abs=5 * (0.2 * 0.8 / n_tracks) ** 0.5)
    assert not torch.equal(*drawn)


def test_scoring_uses_no_cold_start_dropout():
    """Scores come from the graph as it is: the same, whatever the rate."""
    view = two_taste_view(three_modalities(13))
    all_users = UserBatch(torch.arange(18))
    scores = []
    for rate in (0.0, 0.9):
        torch.manual_seed(3)
        model = MMGNN(MMGNNConfig(dim=8, cold_start_rate=rate), view)
        with eval_mode(model):
            scores.append(model.score(all_users))

    assert torch.equal(*scores)


def two_tastes_with_new_tracks(seed: int) -> DataView:
    """Of 60 tracks every other one is of the other taste, and the last eight are new; audio tells the taste.

    Each of 40 listeners has heard 10 of the 26 tracks of their taste that are not new.
    """
    generator = torch.Generator().manual_seed(seed)
    heard = []
    for user in range(N_USERS):
        of_taste = torch.arange(user % 2, N_TRACKS - N_NEW, 2)
        order = torch.randperm(len(of_taste), generator=generator)
        heard += [(user, track) for track in of_taste[order[:N_HEARD]].tolist()]
    nodes = nodes_of(ids("u", N_USERS), ids("t", N_TRACKS))
    embedding = torch.randn(N_TRACKS, 6, generator=generator) / 2
    embedding[:, 0] += 1 - 2.0 * (torch.arange(N_TRACKS) % 2)
    audio = Modality(
        "drawn",
        embedding,
        torch.ones(N_TRACKS, dtype=torch.bool),
        torch.zeros(N_TRACKS, 2),
        torch.zeros(N_TRACKS, dtype=torch.bool),
    )
    return DataView(graph_with(nodes, pairs_of(heard)), {"audio": audio})


def mean_positions(cold_start_rate: float) -> dict[str, float]:
    """Mean position in the list, from 0, of three kinds of tracks among the 50 that a listener has not heard."""
    view = two_tastes_with_new_tracks(seed=1)
    config = MMGNNConfig(dim=8, cold_start_rate=cold_start_rate)
    with deterministic(seed=3, n_threads=1):
        model = MMGNN(config, view)
        generator = torch.Generator().manual_seed(1)
        batches = TrainingBatches(view.graph.listened, N_TRACKS, 512, 4, 8_000, generator, CPU)
        fit(model, batches, LoopConfig(), n_epochs=20)
        with eval_mode(model):
            scores = model.score(UserBatch(torch.arange(N_USERS)))
    heard = view.graph.listen_matrix().to_dense() > 0
    position = scores.masked_fill(heard, -torch.inf).argsort(dim=1, descending=True).argsort(dim=1)
    is_own = torch.arange(N_USERS)[:, None] % 2 == torch.arange(N_TRACKS) % 2
    is_new = torch.arange(N_TRACKS) >= N_TRACKS - N_NEW
    kinds = {"known": is_own & ~is_new & ~heard, "new": is_own & is_new, "other taste": ~is_own}
    return {kind: float(position[tracks].float().mean()) for kind, tracks in kinds.items()}


def test_new_tracks_of_one_s_taste_stand_among_the_known_ones():
    """By chance both would have position 9.5 of 20; without dropout, new ones are the last four of them."""
    without, with_dropout = (mean_positions(cold_start_rate=rate) for rate in (0.0, 0.2))

    assert without["new"] > without["known"] + 9
    assert with_dropout["new"] < with_dropout["known"] + 3
    for positions in (without, with_dropout):
        assert positions["other taste"] > 30
