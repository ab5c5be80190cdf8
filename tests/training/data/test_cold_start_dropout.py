"""Tracks that nobody has heard: learned as on their first day, so that content tells what they are worth."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training.worlds import (
    CPU,
    graph_with,
    ids,
    modality,
    nodes_of,
    pairs_of,
    three_modalities,
    two_taste_evidence,
)
from training.data.batches import LearningBatch, LearningBatches, UserBatch
from training.data.content import Modality
from training.data.dataset import Evidence
from training.data.graph import RelationWeights
from training.engine.loop import LoopConfig, deterministic, fit, scoring
from training.layers.graph_encoder import EncoderSettings, GraphEncoder
from training.models.ranking.mm_gnn import MMGNN, ContentInput, MMGNNConfig

N_PEOPLE, N_TRACKS, N_NEW, N_HEARD = 40, 60, 8, 10
RELATIONS = RelationWeights(
    listened=1, follows=1, made_by=1, tagged=1, liked=1, on_album=1, listened_power=0
)
ONE_STEP = EncoderSettings(
    dim=4, n_layers=1, relations=RELATIONS, fan_out=0, fan_out_by_weight=False
)
ONES, TWOS = (0, 1, 3), (2, 7)  # tracks of two_taste_evidence: a0, a1, a3; a2, b0


def batch_of_all(n_people: int, n_tracks: int) -> LearningBatch:
    nothing = torch.zeros(0, dtype=torch.int64)
    return LearningBatch(torch.arange(n_people), torch.arange(n_tracks), nothing, nothing, nothing)


def flags(n_tracks: int, tracks) -> torch.Tensor:
    marked = torch.zeros(n_tracks, dtype=torch.bool)
    marked[list(tracks)] = True
    return marked


def encoder_of(evidence: Evidence, name: str | None) -> GraphEncoder:
    torch.manual_seed(3)
    content = None if name is None else ContentInput(evidence.content[name], 4)
    return GraphEncoder(ONE_STEP, evidence.graph, content)


@pytest.mark.parametrize("newcomers", [ONES, TWOS])
def test_a_newcomer_is_seen_as_in_a_graph_where_nobody_heard_it(newcomers):
    """Heard, liked, of an artist and on an album: only the last two lead to it on its first day."""
    evidence = two_taste_evidence(three_modalities(13))
    graph, is_new = evidence.graph, flags(13, newcomers)
    first_day = replace(
        graph,
        listened=graph.listened.where(~is_new[graph.listened.tracks]),
        liked=graph.liked.where(~is_new[graph.liked.target]),
    )
    everybody = batch_of_all(18, 13)

    _, seen = encoder_of(evidence, "audio").of_batch(everybody, is_new)

    _, expected = encoder_of(Evidence(first_day, evidence.content), "audio").of_batch(
        everybody, None
    )
    _, as_it_is = encoder_of(evidence, "audio").of_batch(everybody, None)
    assert torch.allclose(seen[is_new], expected[is_new], atol=1e-6)
    assert not torch.allclose(seen[is_new], as_it_is[is_new], atol=1e-2)
    assert torch.equal(seen[~is_new], as_it_is[~is_new])


def test_people_hear_nothing_of_a_newcomer():
    """Whatever the features of a track on its first day, its listeners' vectors are the same."""
    content = three_modalities(13)
    moved = content["audio"].embedding.clone()
    moved[[0, 7]] += 5
    evidence = two_taste_evidence(content)
    one = encoder_of(evidence, "audio")
    other = encoder_of(evidence, "audio")
    other.content.features = moved  # and not the means by which all features are standardised
    everybody, is_new = batch_of_all(18, 13), flags(13, [0, 7])

    people, _ = one.of_batch(everybody, is_new)
    same_people, _ = other.of_batch(everybody, is_new)
    other_people, _ = other.of_batch(everybody, None)

    assert torch.equal(people, same_people)
    assert not torch.allclose(people, other_people, atol=1e-2)


def test_an_encoder_of_ids_sees_every_track_as_it_is():
    """Without content and listeners there would be nothing to learn from."""
    encoder, everybody = encoder_of(two_taste_evidence(), None), batch_of_all(18, 13)

    seen = encoder.of_batch(everybody, flags(13, ONES))

    for one, other in zip(seen, encoder.of_batch(everybody, None), strict=True):
        assert torch.equal(one, other)


def test_the_rate_is_a_share_of_all_tracks_drawn_anew_in_each_step():
    """A fifth of 5,000 tracks, give or take five standard deviations; two steps draw other ones."""
    n_tracks = 5_000
    nodes = nodes_of(["u0"], ids("t", n_tracks))
    evidence = Evidence(graph_with(nodes, pairs_of([(0, 0)])), {"audio": modality(n_tracks, 2, 1)})
    model = MMGNN(MMGNNConfig(dim=2, newcomer_rate=0.2), evidence)
    drawn = []
    keep = model.heads["audio"].of_batch

    def spied(batch, newcomers):
        drawn.append(newcomers)
        return keep(batch, newcomers)

    model.heads["audio"].of_batch = spied
    for _ in range(2):
        model.training_loss(batch_of_all(1, 10))

    shares = [float(one.float().mean()) for one in drawn]
    assert shares == pytest.approx([0.2, 0.2], abs=5 * (0.2 * 0.8 / n_tracks) ** 0.5)
    assert not torch.equal(*drawn)


def test_nobody_is_a_newcomer_when_lists_are_made():
    """Scores come from the graph as it is: the same, whatever the rate at which tracks are learned as new."""
    evidence = two_taste_evidence(three_modalities(13))
    everybody = UserBatch(torch.arange(18))
    scores = []
    for rate in (0.0, 0.9):
        torch.manual_seed(3)
        model = MMGNN(MMGNNConfig(dim=8, newcomer_rate=rate), evidence)
        with scoring(model):
            scores.append(model.score(everybody))

    assert torch.equal(*scores)


def two_tastes_with_news(seed: int) -> Evidence:
    """Of 60 tracks every other one is of the other taste, and the last eight are new; audio tells the taste.

    Each of 40 people has heard 10 of the 26 tracks of their taste that are not new.
    """
    generator = torch.Generator().manual_seed(seed)
    heard = []
    for person in range(N_PEOPLE):
        of_taste = torch.arange(person % 2, N_TRACKS - N_NEW, 2)
        order = torch.randperm(len(of_taste), generator=generator)
        heard += [(person, track) for track in of_taste[order[:N_HEARD]].tolist()]
    nodes = nodes_of(ids("u", N_PEOPLE), ids("t", N_TRACKS))
    embedding = torch.randn(N_TRACKS, 6, generator=generator) / 2
    embedding[:, 0] += 1 - 2.0 * (torch.arange(N_TRACKS) % 2)
    audio = Modality(
        "drawn",
        embedding,
        torch.ones(N_TRACKS, dtype=torch.bool),
        torch.zeros(N_TRACKS, 2),
        torch.zeros(N_TRACKS, dtype=torch.bool),
    )
    return Evidence(graph_with(nodes, pairs_of(heard)), {"audio": audio})


def mean_places(newcomer_rate: float) -> dict[str, float]:
    """Mean place, from 0, of three kinds of tracks among the 50 that a person has not heard."""
    evidence = two_tastes_with_news(seed=1)
    config = MMGNNConfig(dim=8, newcomer_rate=newcomer_rate)
    with deterministic(seed=3, n_threads=1):
        model = MMGNN(config, evidence)
        generator = torch.Generator().manual_seed(1)
        batches = LearningBatches(
            evidence.graph.listened, N_TRACKS, 512, 4, 8_000, 2_000, generator, CPU
        )
        fit(model, batches, LoopConfig(), n_epochs=20)
        with scoring(model):
            scores = model.score(UserBatch(torch.arange(N_PEOPLE)))
    heard = evidence.graph.listen_matrix().to_dense() > 0
    place = scores.masked_fill(heard, -torch.inf).argsort(dim=1, descending=True).argsort(dim=1)
    is_own = torch.arange(N_PEOPLE)[:, None] % 2 == torch.arange(N_TRACKS) % 2
    is_new = torch.arange(N_TRACKS) >= N_TRACKS - N_NEW
    kinds = {"known": is_own & ~is_new & ~heard, "new": is_own & is_new, "other taste": ~is_own}
    return {kind: float(place[tracks].float().mean()) for kind, tracks in kinds.items()}


def test_new_tracks_of_one_s_taste_stand_among_the_known_ones():
    """By chance both would have place 9.5 of 20; never learned, new ones are the last four of them."""
    unlearned, learned = mean_places(newcomer_rate=0.0), mean_places(newcomer_rate=0.2)

    assert unlearned["new"] > unlearned["known"] + 9
    assert learned["new"] < learned["known"] + 3
    for places in (unlearned, learned):
        assert places["other taste"] > 30
