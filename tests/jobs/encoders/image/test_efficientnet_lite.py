"""EfficientNet-lite0 scales pixels as in training and its features recognise objects."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image

from jobs.encoders.image import efficientnet_lite

# A portrait of an officer in uniform, part of matplotlib (public domain, US Navy).
PORTRAIT = np.asarray(
    Image.open(Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg").convert("RGB")
)
IMAGENET_UNIFORM = 652  # "military uniform"


def plain(*rgb):
    return np.full((40, 40, 3), rgb, dtype=np.uint8)


@pytest.fixture(scope="module")
def encoder():
    return efficientnet_lite.EfficientNetLite0()


def test_pixels_are_scaled_as_in_training(encoder):
    """The first layer's variances are those that training recorded, within a fifth or so.

    Scaled by ImageNet's moments instead, which are four times as wide, they are off by six.
    """
    pixels = torch.from_numpy(efficientnet_lite.input_pixels(PORTRAIT)).unsqueeze(0)
    with torch.inference_mode():
        stem = encoder._network._conv_stem(pixels).var(dim=(0, 2, 3))
    recorded = encoder._network._bn0.running_var
    is_alive = recorded > 1e-3  # some filters of the checkpoint never fire
    assert 0.5 < float((stem / recorded)[is_alive].median()) < 2


def test_a_uniform_is_recognised(encoder):
    """The published classifier names the uniform from the pooled features."""
    features = torch.from_numpy(encoder.encode(PORTRAIT))
    best = encoder._network._fc(features).topk(5).indices.tolist()
    assert IMAGENET_UNIFORM in best


def test_features_have_the_published_size_and_repeat(encoder):
    features = encoder.encode(PORTRAIT)
    assert features.shape == (1280,)
    assert (features == encoder.encode(PORTRAIT)).all()


def test_black_and_white_are_the_ends_of_the_scale():
    """(0 - 127) / 128 and (255 - 127) / 128."""
    black = efficientnet_lite.input_pixels(plain(0, 0, 0))
    assert black.shape == (3, 224, 224)
    np.testing.assert_array_equal(black, -127 / 128)
    np.testing.assert_array_equal(efficientnet_lite.input_pixels(plain(255, 255, 255)), 1.0)


def test_channels_stay_red_green_blue():
    red, green, blue = efficientnet_lite.input_pixels(plain(255, 127, 0))
    assert (red.max(), green.max(), blue.max()) == (1.0, 0.0, -127 / 128)
