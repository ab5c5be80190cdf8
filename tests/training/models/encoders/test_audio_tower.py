"""The audio tower has the published shapes and size."""

from __future__ import annotations

import pytest
import torch

from training.data.spectrograms import N_FRAMES, N_MELS
from training.models.encoders.audio_tower import PAPER, AudioTower, band_statistics
from training.models.encoders.htcl import SIZES


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(1)
    return AudioTower(SIZES["tiny"]).eval()


def test_time_steps_are_halved_three_times(tiny):
    """1,251 frames: 624, 311 and 155 steps; the class token comes first."""
    steps, lengths = torch.randn(2, N_MELS, N_FRAMES), []
    for convolution in tiny.convolutions:
        steps = convolution(steps)
        lengths.append(steps.shape[2])

    assert lengths == [624, 311, 155]
    assert tiny.tokens(torch.randn(2, N_FRAMES, N_MELS)).shape == (2, 156, 64)
    assert tiny(torch.randn(2, N_FRAMES, N_MELS)).shape == (2, 64)


def test_the_vector_is_the_mean_of_all_tokens(tiny):
    log_mel = torch.randn(1, N_FRAMES, N_MELS)
    tokens = tiny.layers(tiny.tokens(log_mel))
    torch.testing.assert_close(tiny(log_mel), tokens.mean(dim=1))


def test_the_published_size_has_about_88_million_parameters():
    """Counted by hand, part by part, from the sizes of the public code."""
    with torch.device("meta"):
        tower = AudioTower(PAPER)
    convolutions = 512 * (128 * 5 + 512 * 3 + 512 * 3) + 3 * 2 * 512
    into_width = 2 * 512 + 512 * 768 + 768
    positions = 768 * (768 // 16) * 31 + 31 + 768 + 2 * 768
    attention = 4 * (768 * 768 + 768)
    feed_forward = 768 * 3_072 + 3_072 + 3_072 * 768 + 768
    layers = 12 * (attention + feed_forward + 2 * 2 * 768)

    n_parameters = sum(parameter.numel() for parameter in tower.parameters())

    assert n_parameters == convolutions + into_width + positions + 2 * 768 + 768 + layers
    assert n_parameters == 88_500_511


def test_frames_of_another_place_give_another_vector(tiny):
    """Positions are told by what is around a token, and by padding at the ends."""
    log_mel = torch.zeros(2, N_FRAMES, N_MELS)
    log_mel[0, 100:110] = log_mel[1, 900:910] = 1.0
    early, late = tiny(log_mel)
    assert (early - late).abs().max() > 1e-5


def test_layers_that_are_computed_again_give_the_same_gradient():
    gradients = []
    for recomputes in (False, True):
        torch.manual_seed(1)
        tower = AudioTower(SIZES["tiny"], recomputes_layers=recomputes)
        torch.manual_seed(2)  # of dropout
        tower(torch.randn(2, N_FRAMES, N_MELS)).square().sum().backward()
        gradients.append([parameter.grad for parameter in tower.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_bands_are_standardised_by_the_frames_that_sound():
    """Values 1 and 3 in turn: each clip's own standardisation makes -1 and 1 of them, padding counts for nothing."""
    clips = torch.full((2, N_FRAMES, N_MELS), -0.5)  # padding
    clips[:, :4] = torch.tensor([1.0, 3.0]).repeat(2)[None, :, None]
    clips[1] = 10 * clips[1] + 7  # another level and scale
    mean, deviation = band_statistics(clips.split(1))
    assert mean.abs().max() < 1e-6
    assert (deviation - 1).abs().max() < 1e-6

    clips[:, :4, 7] += torch.tensor([0.0, 0.0, 8.0, 8.0])
    mean, deviation = band_statistics(clips[:1].split(1))
    of_clip = clips[0, :4].std(correction=0)
    expected = clips[0, :4, 7].std(correction=0) / of_clip
    assert float(deviation[7]) == pytest.approx(float(expected), rel=1e-5)
    assert float(mean[7]) > 1
    assert float(mean[0]) < 0


def test_bands_without_a_difference_keep_their_scale():
    silence = torch.zeros(1, N_FRAMES, N_MELS)
    for clips in ([silence], []):
        mean, deviation = band_statistics(clips)
        assert bool((mean == 0).all() & (deviation == 1).all())


def test_a_tower_sees_neither_the_level_nor_the_scale_of_a_clip_and_of_a_band():
    torch.manual_seed(3)
    clips = torch.randn(4, N_FRAMES, N_MELS)
    level, scale = torch.randn(N_MELS), torch.rand(N_MELS) + 0.5
    of_clips, of_others = AudioTower(SIZES["tiny"]).eval(), AudioTower(SIZES["tiny"]).eval()
    of_others.load_state_dict(of_clips.state_dict())
    others = clips * scale + level
    of_clips.learn_bands([clips])
    of_others.learn_bands([others])
    torch.testing.assert_close(of_others(others), of_clips(clips), rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(of_clips(5 * clips - 2), of_clips(clips), rtol=1e-3, atol=1e-3)
    assert set(of_clips.state_dict()) >= {"band_mean", "band_deviation", "n_frames"}


def test_a_preview_and_the_beginning_of_its_whole_track_have_one_vector():
    """Padded or not, a clip is first standardised over 120 s; the tower undoes it."""
    torch.manual_seed(3)
    level_db = 10 * torch.randn(1, N_FRAMES, N_MELS)
    preview = level_db.clone()
    preview[:, 300:] = level_db.min()
    tower = AudioTower(SIZES["tiny"]).eval()
    tower.limit_frames(300)
    tower.learn_bands([level_db[:, :300]])
    vectors = []
    for clip in (level_db, preview):
        standardised = (clip - clip.mean()) / clip.std()
        vectors.append(tower(standardised[:, :300]))
    torch.testing.assert_close(*vectors, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("longest", "frames_read"),
    [(0, 64), (63, 64), (64, 64), (65, 96), (313, 320), (1_250, 1_251), (1_251, 1_251)],
)
def test_padding_that_all_recordings_have_is_not_read(longest, frames_read):
    tower = AudioTower(SIZES["tiny"]).eval()
    assert tower.frames_read == N_FRAMES
    tower.limit_frames(longest)
    assert tower.frames_read == frames_read
    assert tower(torch.randn(3, tower.frames_read, N_MELS)).shape == (3, 64)
