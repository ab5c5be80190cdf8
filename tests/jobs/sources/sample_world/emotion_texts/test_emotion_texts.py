"""Labelled sentences can be learned from their words, not perfectly, and have EmoBank's spread."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from feature_store.tables.raw import PERSPECTIVES
from jobs.sources.sample_world.emotion_texts.ratings import N_RATERS, make_labelled_texts
from jobs.sources.sample_world.emotion_texts.sentences import (
    AROUSAL_STRENGTH,
    VALENCE_STRENGTH,
    _clause,
    _contrast,
    _sentence,
)
from jobs.sources.sample_world.emotion_texts.vocabulary import Phrase
from jobs.sources.sample_world.options import SampleWorld

N_TEXTS = 4_000
HAPPY = Phrase("happy", 0.8, 0.5)


@pytest.fixture(scope="module")
def labelled():
    return make_labelled_texts(SampleWorld(n_emotion_texts=N_TEXTS))


@pytest.fixture(scope="module")
def planted(labelled):
    """Valence and arousal of each sentence, shape (N_TEXTS, 2)."""
    return np.array([(text.sentence.valence, text.sentence.arousal) for text in labelled])


def labels(labelled, perspective):
    rows = [row for text in labelled for row in text.rows if row.perspective == perspective]
    return np.array([(row.valence, row.arousal) for row in rows])


def test_no_model_can_explain_more_of_the_labels_than_of_emobank(labelled, planted):
    """Squared correlation of planted values and labels: EmoBank's reliability, .71 and .52."""
    found = [
        np.corrcoef(planted[:, axis], labels(labelled, "combined")[:, axis])[0, 1] ** 2
        for axis in (0, 1)
    ]

    assert found == pytest.approx([0.71, 0.52], abs=0.03)


def test_labels_lie_around_the_middle_as_those_of_emobank(labelled):
    """EmoBank's standard deviations are .349 and .260 on its scale; .67 lie within .25 of 3 there."""
    combined = labels(labelled, "combined")

    assert combined.std(axis=0) == pytest.approx([0.349 / 2, 0.260 / 2], abs=0.01)
    assert combined.mean(axis=0) == pytest.approx([0, 0], abs=0.03)
    assert 0.5 < (np.abs(combined[:, 0]) <= 0.125).mean() < 0.75
    assert 0 < (np.abs(combined[:, 0]) > 0.5).mean() < 0.02


def test_a_sum_over_words_explains_a_part_of_what_was_planted(labelled, planted):
    """Least squares on counts of words: "not", words of degree and "but" leave something to learn."""
    counts = word_counts([text.sentence.text for text in labelled])
    fitted, held_out = slice(0, 3_000), slice(3_000, None)
    penalty = np.eye(counts.shape[1])
    inverse = np.linalg.inv(counts[fitted].T @ counts[fitted] + penalty)
    weights = inverse @ counts[fitted].T @ planted[fitted]

    errors = planted[held_out] - counts[held_out] @ weights
    explained = 1 - errors.var(axis=0) / planted[held_out].var(axis=0)

    assert 0.3 < explained[0] < 0.7
    assert 0.6 < explained[1] < 0.95


def word_counts(texts):
    """How often each word is in each text, shape (n_texts, n_words)."""
    words = [re.findall(r"[a-z]+", text.lower()) for text in texts]
    column = {word: at for at, word in enumerate(sorted(set().union(*words)))}
    counts = np.zeros((len(texts), len(column)))
    for row, found in enumerate(words):
        np.add.at(counts[row], [column[word] for word in found], 1)
    return counts


def test_not_happy_is_sadder_than_neutral_and_less_so_than_happy_is_happy():
    """Plain .8 and .5; "not" leaves -.5 of valence and .3 of arousal; "very" is 1.4 as strong."""
    plain = _sentence(_clause("she was happy", HAPPY, is_negated=False))
    negated = _sentence(_clause("she was not happy", HAPPY, is_negated=True))
    very = _sentence(_clause("she was very happy", HAPPY, 1.4, is_negated=False))

    assert plain.text == "She was happy."
    assert (plain.valence, plain.arousal) == pytest.approx(
        (0.8 * VALENCE_STRENGTH, 0.5 * AROUSAL_STRENGTH)
    )
    assert (negated.valence, negated.arousal) == pytest.approx(
        (-0.4 * VALENCE_STRENGTH, 0.15 * AROUSAL_STRENGTH)
    )
    assert very.valence == pytest.approx(1.12 * VALENCE_STRENGTH)


def test_of_two_clauses_the_one_behind_but_counts_more():
    """.3 of the first clause and .7 of the second."""
    both = _contrast(HAPPY, Phrase("a crash", -0.6, 0.9))

    assert both.text == "happy, but a crash"
    assert (both.valence, both.arousal) == pytest.approx((0.24 - 0.42, 0.15 + 0.63))


def test_each_text_has_a_row_for_each_perspective(labelled):
    """Reader and writer have a spread and a count of raters; the combined row is their mean."""
    for text in labelled[:200]:
        combined, reader, writer = text.rows
        assert tuple(sorted(row.perspective for row in text.rows)) == tuple(sorted(PERSPECTIVES))
        assert {row.text_id for row in text.rows} == {combined.text_id}
        assert combined.valence == pytest.approx((reader.valence + writer.valence) / 2, abs=1e-6)
        assert reader.rater_count == writer.rater_count == N_RATERS
        assert combined.rater_count is combined.valence_rating_sd is None
        for row in text.rows:
            assert -1 <= row.valence <= 1
            assert -1 <= row.arousal <= 1
            assert 0 <= (row.valence_rating_sd or 0) <= 1


def test_readers_labels_are_spread_wider_than_writers(labelled):
    """EmoBank's standard deviations of valence are .427 and .343 on its scale."""
    spread = {name: labels(labelled, name)[:, 0].std() for name in ("reader", "writer")}

    assert spread["reader"] > 1.05 * spread["writer"]


def test_eight_of_ten_texts_train(labelled):
    splits = Counter(text.rows[0].source_split for text in labelled)

    assert splits == {"train": 3_200, "dev": 400, "test": 400}


def test_more_texts_leave_the_first_ones_as_they_are(labelled):
    assert make_labelled_texts(SampleWorld(n_emotion_texts=20)) == labelled[:20]
