"""MiniLM equals transformers and packs lines into windows."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.failure_reasons import ContentFailure, FailureReason
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


def test_texts_of_similar_meaning_are_closer(encoder):
    joyful, glad, funeral = (
        encoder.encode(text)
        for text in (
            "We dance and laugh all night",
            "Happy people dancing",
            "They buried him in the rain",
        )
    )
    assert joyful @ glad > joyful @ funeral + 0.2


def test_an_embedding_does_not_depend_on_earlier_texts(encoder):
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
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),  # a line is not split to fill a window
        (
            [[1, 2, 3, 4, 5, 6, 7]],
            [[1, 2, 3], [4, 5, 6], [7]],
        ),  # but a line longer than a window is
        ([[], [1], []], [[1]]),  # an empty line takes no token
    ],
)
def test_whole_lines_are_packed_into_windows(lines, windows):
    """Windows of three tokens."""
    assert minilm.pack_windows(lines, 3) == windows


@pytest.mark.parametrize("text", ["", "   \n\n", "♪ ... ♪\n123"])
def test_a_text_without_a_letter_fails_with_a_reason(encoder, text):
    with pytest.raises(ContentFailure) as raised:
        encoder.encode(text)
    assert raised.value.reason is FailureReason.NO_WORDS
