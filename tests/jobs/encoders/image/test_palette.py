"""The palette holds the colours of a picture with their shares."""

from __future__ import annotations

import numpy as np

from jobs.encoders.image.colour_space import lab_of
from jobs.encoders.image.palette import palette_of

RED, LIME, BLUE, WHITE, BLACK = (
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0),
)  # fmt: skip


def pixels(*shares):
    """Pixels of each colour, as many as its number says, in a mixed order."""
    listed = [colour for colour, count in shares for _ in range(count)]
    return np.random.default_rng(2).permutation(np.array(listed, np.uint8))


def test_five_plain_colours_are_found_in_the_order_of_their_shares():
    found = palette_of(pixels((RED, 10), (LIME, 40), (BLUE, 25), (WHITE, 20), (BLACK, 5)))

    expected = lab_of(np.array([LIME, BLUE, WHITE, RED, BLACK], np.uint8))
    np.testing.assert_allclose(found.lab, expected, atol=0.006)  # two decimals
    np.testing.assert_allclose(found.weights, [0.40, 0.25, 0.20, 0.10, 0.05])


def test_shades_are_one_colour_when_there_are_more_than_five():
    """Two dark blues differ least, so they share a colour; it has both of their shares."""
    navy, ink = (0, 0, 100), (0, 0, 110)
    found = palette_of(
        pixels((RED, 10), (LIME, 10), (WHITE, 10), ((255, 255, 0), 10), (navy, 30), (ink, 30))
    )

    assert found.weights.tolist() == [0.6, 0.1, 0.1, 0.1, 0.1]
    between = lab_of(np.array([navy, ink], np.uint8)).mean(axis=0)
    np.testing.assert_allclose(found.lab[0], between, atol=0.006)


def test_a_picture_of_two_colours_repeats_its_first_without_weight():
    found = palette_of(pixels((BLUE, 1), (RED, 3)))

    assert found.weights.tolist() == [0.75, 0.25, 0, 0, 0]
    np.testing.assert_array_equal(found.lab[2:], found.lab[[0, 0, 0]])
    assert found.lab[1].tolist() == [32.3, 79.19, -107.86]


def test_a_stray_pixel_is_no_colour_of_its_own():
    """Violet is farther from the five colours than red is from yellow; those would share one."""
    yellow, violet = (255, 255, 0), (200, 0, 255)
    found = palette_of(
        pixels((RED, 100), (LIME, 100), (WHITE, 100), (BLACK, 100), (yellow, 100), (violet, 1))
    )
    np.testing.assert_allclose(found.weights, 0.2, atol=0.003)


def test_colours_that_differ_in_one_channel_are_two():
    found = palette_of(pixels(((0, 8, 0), 2), ((0, 0, 128), 1)))
    np.testing.assert_allclose(found.weights[:2], [2 / 3, 1 / 3])


def test_the_order_of_the_pixels_does_not_count():
    noise = np.random.default_rng(4).integers(0, 256, (4_000, 3), dtype=np.uint8)
    one, other = palette_of(noise), palette_of(noise[::-1])

    np.testing.assert_array_equal(one.lab, other.lab)
    np.testing.assert_array_equal(one.weights, other.weights)
    assert one.weights.sum() == 1
