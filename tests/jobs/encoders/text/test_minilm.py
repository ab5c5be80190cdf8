"""MiniLM: equal to transformers, windows at line ends, one direction per text."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.failure_reasons import Reason, UnusableContent
from jobs.encoders.text import minilm


@pytest.fixture(scope="module")
def encoder():
    return minilm.MiniLM()


def test_it_equals_transformers(encoder):
    """Expected: transformers 5.23.0's BertModel on its own tokenizer's ids of this text.

    Mean over its last_hidden_state, scaled to length 1; the first four and last three numbers.
    """
    encoded = encoder.encode(
        "Waiting by the river\nfor a light that never came, café closed at nine"
    )
    expected = [
        0.0370223,
        -0.01220761,
        0.02851587,
        0.08259532,
        0.05357134,
        -0.09910485,
        -0.05293653,
    ]
    np.testing.assert_allclose([*encoded[:4], *encoded[-3:]], expected, atol=1e-5)


def test_texts_of_like_meaning_lie_closer(encoder):
    joyful, glad, funeral = (
        encoder.encode(text)
        for text in (
            "We dance and laugh all night",
            "Happy people dancing",
            "They buried him in the rain",
        )
    )
    assert joyful @ glad > joyful @ funeral + 0.2


def test_a_text_means_the_same_whatever_was_read_before(encoder):
    """Bit for bit: feature rows are compared by hash."""
    first = encoder.encode("the same words")
    encoder.encode("other words\n" * 90)
    assert (encoder.encode("the same words") == first).all()


def test_long_lyrics_are_the_mean_of_their_windows(encoder):
    """130 lines of 2 words fill 254 tokens with 127 lines; the last 3 make a window of their own."""
    lines = ["dark night"] * 127 + ["bright day"] * 3
    whole = encoder.encode("\n".join(lines))
    mean = (encoder.encode("\n".join(lines[:127])) + encoder.encode("\n".join(lines[127:]))) / 2
    np.testing.assert_allclose(whole, mean / np.linalg.norm(mean), atol=1e-6)
    assert np.linalg.norm(whole) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("lines", "windows"),
    [
        ([[1, 2], [3], [4, 5]], [[1, 2, 3], [4, 5]]),  # the third line would make five tokens
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),  # a line is not torn for one free place
        ([[1, 2, 3, 4, 5, 6, 7]], [[1, 2, 3], [4, 5, 6], [7]]),  # but a longer one is
        ([[], [1], []], [[1]]),  # an empty line takes no place
    ],
)
def test_whole_lines_are_packed_into_windows(lines, windows):
    """Windows of three tokens."""
    assert minilm.windows_of(lines, 3) == windows


@pytest.mark.parametrize("text", ["", "   \n\n", "♪ ... ♪\n123"])
def test_a_text_without_a_letter_has_a_reason(encoder, text):
    with pytest.raises(UnusableContent) as unusable:
        encoder.encode(text)
    assert unusable.value.reason is Reason.NO_WORDS
