"""MM-GNN does not fuse modalities: proofs on small datasets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training.datasets import CPU, three_modalities, two_taste_view
from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.layers.ensemble import HeadScores, ensemble_scores
from training.layers.losses import mutual_divergence
from training.models.ranking.mm_gnn import MMGNN, MMGNNConfig

N_TRACKS = 13
ALL_USERS = UserBatch(torch.arange(18))


def made(content, seed=3) -> MMGNN:
    torch.manual_seed(seed)
    return MMGNN(MMGNNConfig(dim=8), two_taste_view(content))


@pytest.mark.parametrize("changed", ["audio", "lyrics", "cover"])
def test_a_modality_s_raw_input_reaches_no_other_head(changed):
    """At fixed weights, other features and other emotions in one modality leave every other head bit-equal."""
    content = three_modalities(N_TRACKS)
    other = replace(
        content[changed],
        embedding=content[changed].embedding.roll(1, 0),
        emotion=-content[changed].emotion,
    )
    before = made(content)
    after = made({**content, changed: other})
    after.load_state_dict(before.state_dict())

    scores = zip(
        before.head_names,
        before.head_scores(ALL_USERS).scores,
        after.head_scores(ALL_USERS).scores,
        strict=True,
    )
    is_equal = {name: torch.equal(one, two) for name, one, two in scores}

    assert is_equal == {name: name != changed for name in before.head_names}


@pytest.mark.parametrize("head", ["audio", "lyrics", "cover", "collaborative"])
def test_a_head_s_score_has_no_slope_in_another_modality(head):
    """The gradient of one head's scores is zero, or absent, in every other modality's features."""
    model = made(three_modalities(N_TRACKS))
    features = {}
    for name in ("audio", "lyrics", "cover"):
        leaf = model.heads[name].content.features.clone().requires_grad_()
        model.heads[name].content.features = leaf
        features[name] = leaf

    scores = model.head_scores(ALL_USERS).scores[model.head_names.index(head)]
    (scores * torch.arange(N_TRACKS)).sum().backward()

    has_slope = {
        name: leaf.grad is not None and bool(leaf.grad.any()) for name, leaf in features.items()
    }
    assert has_slope == {name: name == head for name in features}


def test_the_teacher_gets_no_gradient():
    """The divergence pulls the student and leaves the teacher's scores without gradient."""
    student = torch.tensor([[1.0, 2.0, 4.0]], requires_grad=True)
    teacher = torch.tensor([[3.0, 1.0, 0.5]], requires_grad=True)

    mutual_divergence(student, teacher, torch.tensor([True, True, True]), 1.0).backward()

    assert teacher.grad is None
    assert student.grad.abs().sum() > 0.1


def test_mutual_learning_reaches_every_encoder_and_no_other_through_it():
    """Each student's divergence moves that student's own parameters and no others."""
    model = made(three_modalities(N_TRACKS))
    batch = TrainingBatch(
        torch.arange(18),
        torch.arange(N_TRACKS),
        torch.tensor([0]),
        torch.tensor([0]),
    )

    model.training_loss(batch)["mutual.audio"].backward()

    moved = {
        name.split(".")[1]
        for name, value in model.named_parameters()
        if value.grad is not None and bool(value.grad.any())
    }
    assert moved == {"audio"}


def test_the_lyrics_head_does_not_cover_a_track_without_lyrics():
    """The head of a missing modality does not cover the track, and its scores have no influence on the ensemble."""
    model = made(three_modalities(N_TRACKS, lacking_lyrics=[4]))
    heads = model.head_scores(ALL_USERS)
    lyrics = model.head_names.index("lyrics")
    disturbed = heads.scores.clone()
    disturbed[lyrics, :, 4] = 99.0

    assert not heads.coverage_mask[lyrics, :, 4].any()
    assert heads.coverage_mask[lyrics, :, 3].all()
    weights = torch.ones(len(model.head_names))
    assert torch.equal(
        ensemble_scores(HeadScores(disturbed, heads.coverage_mask), weights),
        ensemble_scores(heads, weights),
    )


def test_only_content_heads_cover_an_unheard_track():
    """The collaborative and linear heads do not cover an unheard track, its modalities do."""
    view = two_taste_view(three_modalities(N_TRACKS))
    heard = view.graph.listened
    unheard = replace(view.graph, listened=heard.where(heard.tracks != 9))
    torch.manual_seed(3)
    model = MMGNN(MMGNNConfig(dim=8), DataView(unheard, view.content))

    coverage_mask = model.head_scores(UserBatch(torch.tensor([0]))).coverage_mask[:, 0, 9]

    assert dict(zip(model.head_names, coverage_mask.tolist(), strict=True)) == {
        "collaborative": False,
        "audio": True,
        "lyrics": True,
        "cover": True,
        "linear": False,
    }


def test_emotion_belongs_to_audio_and_lyrics_where_they_have_it():
    """A cover without valence and arousal has no emotion loss; audio and lyrics have one each."""
    content = three_modalities(N_TRACKS)
    content["cover"] = replace(
        content["cover"], has_emotion=torch.zeros(N_TRACKS, dtype=torch.bool)
    )
    batch = TrainingBatch(
        torch.arange(18),
        torch.arange(N_TRACKS),
        torch.tensor([0]),
        torch.tensor([0]),
    )

    losses = made(content).training_loss(batch)

    assert {name for name in losses if name.startswith("emotion")} == {
        "emotion.audio",
        "emotion.lyrics",
    }


def test_emotion_is_told_of_the_tracks_given_where_they_have_it():
    """Of tracks 3, 5 and 2, the first without lyrics: the mean squared gap of the other two's emotion."""
    content = made(three_modalities(N_TRACKS, lacking_lyrics=[3])).heads["lyrics"].content
    vectors = torch.randn(3, 8, generator=torch.Generator().manual_seed(5))
    gap = content.predict_emotion(vectors)[1:] - content.emotion[[5, 2]]

    error = content.emotion_error(vectors, torch.tensor([3, 5, 2]))

    assert float(error.detach()) == pytest.approx(float(gap.square().mean().detach()))
    assert content.emotion_error(vectors[:1], torch.tensor([3])) == 0


def test_the_heads_live_on_one_device():
    """Moving the model moves what is not saved with it, too."""
    assert made(three_modalities(N_TRACKS)).to(CPU).heads["audio"].adjacency.device == CPU
