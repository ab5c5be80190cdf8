"""Sentences with planted valence and arousal, for a text model to learn.

Half of the sentences are neutral. In the others words carry emotion, "not" turns it round, words of
degree weaken or strengthen it, and of two clauses the one behind "but" counts more. So a sum over
words explains a part, and a model that reads words together explains more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.sources.sample_world.emotion_texts.vocabulary import (
    ACTIONS,
    ADJECTIVES,
    AFTER_BUT,
    DEGREES,
    EVENTS,
    MANNERS,
    NEGATED_AROUSAL,
    NEGATION,
    PEOPLE,
    TIMES,
    Phrase,
)

P_NEUTRAL = 0.5
P_BUT = 0.2
P_NOT = 0.25
P_PLAIN_DEGREE = 0.4

VALENCE_STRENGTH = 0.435
AROUSAL_STRENGTH = 0.268
"""What a rater feels of a word's emotion; they give planted values EmoBank's reliable spread."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text, and the valence and arousal that it was given, each in [-1, 1]."""

    text: str
    valence: float
    arousal: float


def write_sentence(rng: np.random.Generator) -> Sentence:
    """Draw one sentence."""
    if rng.random() < P_NEUTRAL:
        return _sentence(_neutral_clause(rng))
    clause = _emotional_clause(rng)
    if rng.random() < P_BUT:
        first = _neutral_clause(rng) if rng.random() < P_NEUTRAL else _emotional_clause(rng)
        clause = _contrast(first, clause)
    return _sentence(clause)


def _sentence(clause: Phrase) -> Sentence:
    return Sentence(
        f"{clause.text[0].upper()}{clause.text[1:]}.",
        VALENCE_STRENGTH * clause.valence,
        AROUSAL_STRENGTH * clause.arousal,
    )


def _contrast(first: Phrase, second: Phrase) -> Phrase:
    """Two clauses with "but" between them."""
    return Phrase(
        f"{first.text}, but {second.text}",
        (1 - AFTER_BUT) * first.valence + AFTER_BUT * second.valence,
        (1 - AFTER_BUT) * first.arousal + AFTER_BUT * second.arousal,
    )


def _neutral_clause(rng: np.random.Generator) -> Phrase:
    return Phrase(f"{_one(rng, PEOPLE)} {_one(rng, ACTIONS)} {_one(rng, TIMES)}", 0.0, 0.0)


def _emotional_clause(rng: np.random.Generator) -> Phrase:
    make = (_state, _event, _manner)[rng.integers(3)]
    return make(rng, is_negated=rng.random() < P_NOT)


def _state(rng: np.random.Generator, *, is_negated: bool) -> Phrase:
    """Somebody was, or was not, an adjective of some degree."""
    adjective = ADJECTIVES[rng.integers(len(ADJECTIVES))]
    is_plain = is_negated or rng.random() < P_PLAIN_DEGREE
    degree, factor = DEGREES[0 if is_plain else 1 + rng.integers(len(DEGREES) - 1)]
    verb = "was not" if is_negated else "was"
    text = f"{_one(rng, PEOPLE)} {verb} {degree}{adjective.text} {_one(rng, TIMES)}"
    return _clause(text, adjective, factor, is_negated=is_negated)


def _event(rng: np.random.Generator, *, is_negated: bool) -> Phrase:
    """There was, or was never, an event."""
    event = EVENTS[rng.integers(len(EVENTS))]
    verb = "was never" if is_negated else "was"
    return _clause(f"there {verb} {event.text} {_one(rng, TIMES)}", event, is_negated=is_negated)


def _manner(rng: np.random.Generator, *, is_negated: bool) -> Phrase:
    """Somebody did, or hardly did, something that shows a feeling."""
    manner = MANNERS[rng.integers(len(MANNERS))]
    verb = f"hardly {manner.text}" if is_negated else manner.text
    text = f"{_one(rng, PEOPLE)} {verb} {_one(rng, TIMES)}"
    return _clause(text, manner, is_negated=is_negated)


def _clause(text: str, word: Phrase, factor: float = 1.0, *, is_negated: bool) -> Phrase:
    of_valence, of_arousal = (NEGATION, NEGATED_AROUSAL) if is_negated else (factor, factor)
    return Phrase(text, of_valence * word.valence, of_arousal * word.arousal)


def _one(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[rng.integers(len(choices))]
