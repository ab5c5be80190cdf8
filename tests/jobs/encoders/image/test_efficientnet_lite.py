"""EfficientNet-lite0 scales pixels as in training and its features recognise objects."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch

from jobs.encoders.image import efficientnet_lite

# A portrait of an officer in uniform, part of matplotlib (public domain, US Navy).
PORTRAIT = Path(mpl.get_data_path()) / "sample_data" / "grace_hopper.jpg"
IMAGENET_UNIFORM = 652  # "military uniform"


@pytest.fixture(scope="module")
def encoder():
    return efficientnet_lite.EfficientNetLite0()


def test_pixels_are_scaled_as_in_training(encoder):
    """The first layer's variances are those that training recorded, within a fifth or so.

    Scaled by ImageNet's moments instead, which are four times as wide, they are off by six.
    """
    pixels = torch.from_numpy(efficientnet_lite.input_pixels(PORTRAIT.read_bytes())).unsqueeze(0)
    with torch.inference_mode():
        stem = encoder._network._conv_stem(pixels).var(dim=(0, 2, 3))
    recorded = encoder._network._bn0.running_var
    is_alive = recorded > 1e-3  # some filters of the checkpoint never fire
    assert 0.5 < float((stem / recorded)[is_alive].median()) < 2


def test_a_uniform_is_recognised(encoder):
    """The published classifier names the uniform from the pooled features."""
    features = torch.from_numpy(encoder.encode(PORTRAIT.read_bytes()))
    best = encoder._network._fc(features).topk(5).indices.tolist()
    assert IMAGENET_UNIFORM in best


def test_features_have_the_published_size_and_repeat(encoder):
    content = PORTRAIT.read_bytes()
    features = encoder.encode(content)
    assert features.shape == (1280,)
    assert (features == encoder.encode(content)).all()


def test_black_and_white_are_the_ends_of_the_scale():
    """(0 - 127) / 128 and (255 - 127) / 128."""
    from tests.jobs.features.worlds import plain_cover

    black = efficientnet_lite.input_pixels(plain_cover(0, 0, 0))
    assert black.shape == (3, 224, 224)
    np.testing.assert_array_equal(black, -127 / 128)
    np.testing.assert_array_equal(efficientnet_lite.input_pixels(plain_cover(255, 255, 255)), 1.0)


def test_channels_stay_red_green_blue():
    from tests.jobs.features.worlds import plain_cover

    red, green, blue = efficientnet_lite.input_pixels(plain_cover(255, 127, 0))
    assert (red.max(), green.max(), blue.max()) == (1.0, 0.0, -127 / 128)
