from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from tests.training.datasets import three_modalities, two_taste_view
from training.data.batches import UserBatch
from training.models.ranking.concat_twin import FUSED, ConcatInput, ConcatTwinConfig, concat_twin
from training.models.ranking.mm_gnn import COLLABORATIVE, LINEAR, MMGNN, MMGNNConfig

N_TRACKS = 13
ALL_USERS = UserBatch(torch.arange(18))
CONFIG = ConcatTwinConfig(dim=8)


def made(content) -> MMGNN:
    torch.manual_seed(3)
    return concat_twin(CONFIG, two_taste_view(content)).eval()


def fused(content, dropout: float = 0.0) -> ConcatInput:
    torch.manual_seed(3)
    return ConcatInput(content, 6, dropout)


@pytest.mark.parametrize("changed", ["audio", "lyrics", "cover"])
def test_every_modality_reaches_the_one_content_head(changed):
    """What MM-GNN must not do and its twin must: other features in one modality move the fused head."""
    content = three_modalities(N_TRACKS)
    rolled = replace(content[changed], embedding=content[changed].embedding.roll(1, 0))
    before, after = made(content), made({**content, changed: rolled})
    after.load_state_dict(before.state_dict())

    is_equal = [
        torch.equal(one, two)
        for one, two in zip(
            before.head_scores(ALL_USERS).scores, after.head_scores(ALL_USERS).scores, strict=True
        )
    ]

    assert dict(zip(before.head_names, is_equal, strict=True)) == {
        COLLABORATIVE: True,
        FUSED: False,
        LINEAR: True,
    }


def test_a_missing_modality_is_zeros_and_a_mask():
    """Whatever stands in the row of a track without lyrics, its vector is the same; with lyrics it is not."""
    content = three_modalities(N_TRACKS, lacking_lyrics=[4])
    disturbed = content["lyrics"].embedding.clone()
    disturbed[4] = 99.0
    lyrics = replace(content["lyrics"], embedding=disturbed)
    model = fused(content).eval()
    other = fused({**content, "lyrics": lyrics}).eval()

    assert torch.equal(model()[4], other()[4])
    without_mask = model()
    model.present[4, sorted(content).index("lyrics")] = True
    assert not torch.equal(model()[4], without_mask[4])


def test_features_are_standardised_over_the_tracks_that_have_them():
    """Features of other scale and mean, in one modality of tracks that all have it, give the same vectors."""
    content = three_modalities(N_TRACKS, lacking_lyrics=[4, 7])
    moved = replace(content["lyrics"], embedding=content["lyrics"].embedding * 50 + 7)

    assert torch.allclose(
        fused(content).eval()(), fused({**content, "lyrics": moved}).eval()(), atol=1e-4
    )


def test_modalities_are_dropped_in_training_only():
    """With everything dropped a step sees nothing at all; scoring sees everything, every time."""
    blind = fused(three_modalities(N_TRACKS), dropout=1.0)
    half = fused(three_modalities(N_TRACKS), dropout=0.5)

    assert not blind().any()
    assert not torch.equal(half(), half())
    assert torch.equal(half.eval()(), half.eval()())
    assert torch.equal(half.eval()(), blind.eval()())


def test_the_order_of_modalities_does_not_matter():
    """Columns go by name, so that a model read from a file finds its own."""
    content = three_modalities(N_TRACKS)
    backwards = dict(reversed(content.items()))

    assert torch.equal(fused(content).eval()(), fused(backwards).eval()())


def test_emotion_of_each_modality_counts_where_it_is_known():
    """Squared errors are averaged over the tracks with emotion, modality by modality, and added up."""
    content = three_modalities(N_TRACKS, lacking_lyrics=[4, 7])
    content["cover"] = replace(
        content["cover"], has_emotion=torch.zeros(N_TRACKS, dtype=torch.bool)
    )
    model = fused(content)
    tracks = torch.randn(N_TRACKS, 6, generator=torch.Generator().manual_seed(2))
    predicted = model.predict_emotion(tracks).detach()
    expected = 0.0
    for index, name in ((0, "audio"), (2, "lyrics")):  # audio, cover, lyrics
        has, truth = content[name].has_emotion, content[name].emotion
        gap = predicted[has, 2 * index : 2 * index + 2] - truth[has]
        expected += float(gap.square().mean())

    error = model.emotion_error(tracks, torch.arange(N_TRACKS)).detach()
    assert float(error) == pytest.approx(expected, rel=1e-5)


def test_it_has_as_many_parameters_as_mm_gnn_within_a_few():
    """On a dataset with more nodes than features, as datasets are; here the projections weigh most."""
    view = two_taste_view(three_modalities(N_TRACKS))
    twin, model = concat_twin(CONFIG, view), MMGNN(MMGNNConfig(dim=8), view)

    def n_node_parameters(peers: MMGNN) -> int:
        state = peers.state_dict()
        return sum(state[name].numel() for name in peers.node_tables)

    assert n_node_parameters(twin) == n_node_parameters(model)


def test_without_content_it_is_mm_gnn_without_content():
    view = two_taste_view()
    assert concat_twin(CONFIG, view).head_names == MMGNN(CONFIG, view).head_names


def test_it_has_every_setting_of_mm_gnn():
    names = {field.name for field in fields(ConcatTwinConfig)}
    assert names - {field.name for field in fields(MMGNNConfig)} == {"modality_dropout"}
