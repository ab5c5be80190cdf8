"""Descriptors of drawn pictures, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from jobs.encoders.image import descriptors


def plain(*rgb, size=(8, 8)):
    return np.full((*size, 3), rgb, dtype=np.uint8)


def side_by_side(left, right):
    return np.concatenate([left, right], axis=1)


def test_a_plain_picture_has_one_colour_and_no_edge():
    """Red: L* is 53.24, the HSV saturation 1, the hue 0."""
    found = descriptors.measure(plain(255, 0, 0))

    assert found.palette_lab.reshape(5, 3)[0].tolist() == pytest.approx([53.24, 80.09, 67.2])
    assert found.palette_weights.tolist() == [1, 0, 0, 0, 0]
    assert found.brightness == 0.5324
    assert (found.saturation, found.edge_density_ratio, found.dominant_hue_deg) == (1, 0, 0)


def test_brightness_is_the_mean_lightness():
    """White is 100, black 0; one part of four is white."""
    picture = side_by_side(plain(0, 0, 0, size=(8, 6)), plain(255, 255, 255, size=(8, 2)))
    assert descriptors.measure(picture).brightness == 0.25


def test_saturation_is_weighted_by_value():
    """Red (chroma 255 of 255) beside nearly black red (2 of 2) and white (0 of 255): 257 / 512.

    The unweighted mean is 2 / 3.
    """
    picture = np.array([[(255, 0, 0), (2, 0, 0), (255, 255, 255)]], np.uint8)
    assert descriptors.measure(picture).saturation == pytest.approx(257 / 512, abs=1e-4)


def test_an_edge_is_two_pixels_wide():
    """One step from black to white in 16 columns: the columns on both sides of it, 2 of 16."""
    picture = side_by_side(plain(0, 0, 0), plain(255, 255, 255))

    assert descriptors.measure(picture).edge_density_ratio == 2 / 16
    assert descriptors.measure(picture.transpose(1, 0, 2)).edge_density_ratio == 2 / 16


@pytest.mark.parametrize(("grey", "share"), [(119, 2 / 16), (105, 0.0)])
def test_a_step_of_a_tenth_of_the_lightness_is_an_edge(grey, share):
    """Beside grey 90 (L* 38.2) stand 119 (L* 50.0), which is 12 lighter, and 105 (L* 44.4)."""
    picture = side_by_side(plain(90, 90, 90), plain(grey, grey, grey))
    assert descriptors.measure(picture).edge_density_ratio == share


def test_a_large_picture_has_the_edges_of_its_smaller_copy():
    """Squares of 100 pixels in 1,600 are squares of 16 in 256."""
    squares = np.indices((16, 16)).sum(axis=0) % 2 * 255
    large = np.repeat(squares.repeat(100, 0).repeat(100, 1)[..., None], 3, axis=2).astype(np.uint8)
    small = np.asarray(Image.fromarray(large).resize((256, 256), Image.Resampling.NEAREST))

    found = descriptors.measure(large).edge_density_ratio
    assert found == descriptors.measure(small).edge_density_ratio
    assert 0.2 < found < 0.3  # 2 of 16 columns and 2 of 16 rows: 1 - (14 / 16) ** 2 = .234


@pytest.mark.parametrize(
    ("rgb", "hue_deg"),
    [((255, 255, 0), 60), ((0, 255, 0), 120), ((0, 255, 255), 180), ((0, 0, 255), 240),
     ((255, 0, 255), 300), ((200, 100, 100), 0)],
)  # fmt: skip
def test_the_hue_of_a_plain_picture_is_that_of_hsv(rgb, hue_deg):
    assert descriptors.measure(plain(*rgb)).dominant_hue_deg == pytest.approx(hue_deg)


def test_the_dominant_hue_is_that_of_the_larger_part():
    """Five columns blue, three red: blue, not the violet between."""
    picture = side_by_side(plain(0, 0, 255, size=(8, 5)), plain(255, 0, 0, size=(8, 3)))
    assert descriptors.measure(picture).dominant_hue_deg == 240


def test_hues_on_both_sides_of_red_have_their_mean_at_red():
    """(255, 0, 42) has 350.1 degrees and (255, 42, 0) 9.9: their mean is 0, not 180."""
    picture = side_by_side(plain(255, 0, 42), plain(255, 42, 0))
    found = descriptors.measure(picture).dominant_hue_deg
    assert min(found, 360 - found) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("rgb", [(0, 0, 0), (255, 255, 255), (120, 121, 119)])
def test_a_grey_picture_has_no_hue(rgb):
    assert descriptors.measure(plain(*rgb)).dominant_hue_deg is None


def test_a_picture_of_one_pixel_has_descriptors():
    found = descriptors.measure(plain(0, 0, 255, size=(1, 1)))
    assert (found.edge_density_ratio, found.dominant_hue_deg) == (0, 240)
