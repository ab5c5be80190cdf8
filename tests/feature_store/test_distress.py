"""Statements of distress are recognised, figures of speech are not, and nothing of them is kept."""

from __future__ import annotations

import logging
from functools import cache

import numpy as np
import pytest

from feature_store.distress import GENTLE_CONTEXT, DistressJudge, is_distress
from feature_store.distress_examples import HIDDEN_DISTRESS, NO_DISTRESS, PLAIN_DISTRESS
from feature_store.distress_phrases import ENGLISH, LanguagePhrases
from feature_store.setting_groups import EncoderSettings
from jobs.encoders import registry
from tests.feature_store.distress_sentences import UNSEEN_DISTRESS, UNSEEN_OTHERS


@pytest.fixture(scope="module")
def judge():
    """By MiniLM, the sentence encoder of the settings."""
    encoders = EncoderSettings()
    encoder = registry.text_encoder(encoders, registry.lyrics_identity(encoders))
    return DistressJudge(cache(encoder.encode))


@pytest.mark.parametrize("sentence", PLAIN_DISTRESS)
def test_distress_said_of_oneself_is_recognised(sentence):
    assert is_distress(sentence)


@pytest.mark.parametrize("sentence", ["", "…", *NO_DISTRESS, *UNSEEN_OTHERS])
def test_figures_of_speech_negations_and_sadness_are_no_distress(sentence):
    assert not is_distress(sentence)


def test_distress_is_recognised_among_other_sentences():
    assert is_distress("It rained all day. I had soup; I want to die! Play some jazz.")
    assert not is_distress("It rained all day. I had soup; I want to dance! Play some jazz.")


def test_no_sentence_is_an_example_twice_and_unseen_ones_are_none():
    known = [*PLAIN_DISTRESS, *HIDDEN_DISTRESS, *NO_DISTRESS]

    assert len(set(known)) == len(known)
    assert not set(known) & {*UNSEEN_DISTRESS, *UNSEEN_OTHERS}


def test_phrases_miss_most_of_what_is_said_indirectly(judge):
    """The limit of phrases, and what the examples add, on sentences that made neither.

    Floors a little below what was found when this was written; a change that lowers them is worse.
    """
    by_phrase = sum(map(is_distress, UNSEEN_DISTRESS))
    by_both = sum(is_distress(one) or judge.is_distress(one) for one in UNSEEN_DISTRESS)
    mistaken = sum(is_distress(one) or judge.is_distress(one) for one in UNSEEN_OTHERS)

    assert 3 <= by_phrase < len(UNSEEN_DISTRESS) / 2
    assert by_both >= 0.8 * len(UNSEEN_DISTRESS)
    assert mistaken <= 0.1 * len(UNSEEN_OTHERS)


def test_the_judge_finds_the_hidden_statements_that_it_learned_from(judge):
    assert sum(map(judge.is_distress, HIDDEN_DISTRESS)) >= 0.9 * len(HIDDEN_DISTRESS)
    assert sum(map(judge.is_distress, NO_DISTRESS)) <= 0.1 * len(NO_DISTRESS)


def test_the_judge_tells_two_kinds_by_any_vectors():
    """Distress lies at (1, 0), everything else at (0, 1); what lies nearer to one is taken for it."""
    known = {*PLAIN_DISTRESS, *HIDDEN_DISTRESS}
    places = {"near": [0.9, 0.1], "far": [0.1, 0.9]}

    judge = DistressJudge(
        lambda text: np.array(places.get(text, [1, 0] if text in known else [0, 1]))
    )

    assert judge.is_distress("near")
    assert not judge.is_distress("far")


def test_another_language_is_another_table():
    """German here is of two phrases; `nie` negates a wish, and the other tables count, too."""
    german = LanguagePhrases(
        statements=("ich will nicht mehr leben",),
        wishes=("ich will (?:nie )?sterben",),
        negations=("nie",),
        harmless=("sterben vor lachen",),
    )
    tables = {"en": ENGLISH, "de": german}

    assert is_distress("Ich will nicht mehr leben.", tables)
    assert is_distress("Ich will sterben", tables)
    assert is_distress("I want to die", tables)
    assert not is_distress("Ich will nie sterben", tables)
    assert not is_distress("Ich will sterben vor Lachen", tables)
    assert not is_distress("Ich will sterben")


def test_nothing_of_a_sentence_is_logged_or_printed(caplog, capsys):
    with caplog.at_level(logging.DEBUG):
        assert is_distress("I want to die, Zanzibar")

    assert caplog.text == ""
    assert capsys.readouterr() == ("", "")


def test_the_gentle_context_is_calm_and_slightly_positive():
    """Above the middle of valence and below that of arousal; not the happiest or calmest cell."""
    assert 0.6 <= GENTLE_CONTEXT.valence_position < 0.8
    assert 0.2 <= GENTLE_CONTEXT.arousal_position < 0.4


def test_the_message_says_what_music_is_and_who_can_be_reached():
    """One line without a number, which would be wrong in another country, and without a diagnosis."""
    message = GENTLE_CONTEXT.message.casefold()

    assert "only music" in message
    assert "local emergency number" in message
    assert "person you trust" in message
    assert "\n" not in message
    assert not any(sign.isdigit() for sign in message)
    assert not any(
        word in message for word in ("suicid", "depress", "you are", "you seem", "illness")
    )


def test_a_long_text_takes_no_long_time_to_be_read():
    """20,000 words end: no expression goes over the text again for each of its words."""
    assert not is_distress("i really really think about the point of no reason " * 2_000)
