"""Masks hide whole bands and frames of each spectrogram, while it learns and only then."""

from __future__ import annotations

import pytest
import torch

from training.models.encoders.audio_tower import AudioTower
from training.models.encoders.htcl import SIZES
from training.models.encoders.spectrogram_masks import SpectrogramMasks

_ONES = torch.ones(200, 1_251, 128)


def _runs(hidden: torch.Tensor) -> int:
    """Stretches of True in a vector."""
    padded = torch.cat([torch.tensor([False]), hidden])
    return int((padded[1:] & ~padded[:-1]).sum())


def test_a_mask_hides_a_stretch_of_whole_bands_or_of_whole_frames():
    torch.manual_seed(3)
    seen = SpectrogramMasks(0.16, 0.1)(_ONES) == 1
    bands, frames = ~seen.any(dim=1), ~seen.any(dim=2)

    assert torch.equal(seen, ~(bands[:, None, :] | frames[:, :, None]))
    assert bands.sum(dim=1).max() <= 2 * 20
    assert frames.sum(dim=1).max() <= 2 * 125
    assert max(_runs(one) for one in bands) == 2
    assert max(_runs(one) for one in frames) == 2
    assert len({tuple(one.tolist()) for one in bands}) > 150  # each has masks of its own
    assert bands.float().mean() == pytest.approx(2 * 10 / 128, rel=0.15)
    assert bands.any(dim=0).all()
    assert frames.any(dim=0).float().mean() > 0.99


@pytest.mark.parametrize(("bands", "frames"), [(0.0, 0.0), (0.0, 0.05), (0.05, 0.0)])
def test_a_share_of_zero_hides_nothing(bands, frames):
    torch.manual_seed(3)
    hidden = SpectrogramMasks(bands, frames)(_ONES) == 0
    assert bool(hidden.all(dim=1).any()) == (bands > 0)
    assert bool(hidden.all(dim=2).any()) == (frames > 0)


def test_masks_may_hide_all_of_it():
    torch.manual_seed(3)
    seen = SpectrogramMasks(1.0, 1.0)(torch.ones(500, 3, 2))
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    assert bool((seen == 0).all(dim=(1, 2)).any())


def test_the_tower_masks_while_it_learns_and_not_when_it_encodes():
    torch.manual_seed(3)
    tower = AudioTower(SIZES["tiny"], dropout=0.0, masks=SpectrogramMasks(0.25, 0.1))
    log_mel = torch.randn(4, 1_251, 128)
    with torch.no_grad():
        learned, again, encoded, known = (
            tower.train(is_learning)(log_mel) for is_learning in (True, True, False, False)
        )
    assert not torch.allclose(learned, again)
    assert torch.equal(encoded, known)
