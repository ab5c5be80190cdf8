"""Lab of known colours, and back."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.image.colour_space import lab_of, rgb_of


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        # http://www.brucelindbloom.com, sRGB and D65, without adaptation
        ((255, 0, 0), (53.2408, 80.0925, 67.2032)),
        ((0, 255, 0), (87.7347, -86.1827, 83.1793)),
        ((0, 0, 255), (32.2970, 79.1875, -107.8602)),
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        # 1 / 255 / 12.92 is Y = .000304, and 903.3 Y is L*
        ((1, 1, 1), (0.2742, 0, 0)),
    ],
)
def test_lab_is_the_published_one(rgb, lab):
    np.testing.assert_allclose(lab_of(np.array(rgb, np.uint8)), lab, atol=0.01)


def test_every_colour_comes_back():
    """5,000 random ones; a colour that sRGB lacks is clipped to its border."""
    colours = np.random.default_rng(3).integers(0, 256, (50, 100, 3), dtype=np.uint8)

    np.testing.assert_array_equal(rgb_of(lab_of(colours)), colours)
    assert rgb_of(np.array([50.0, 200.0, 0.0])).tolist()[0] == 255
