"""Recognises statements of distress in a sentence; says which music to offer in its place.

A person who writes that she wants to die must not be taken for one who likes sad songs. For such a
sentence the caller takes GENTLE_CONTEXT in place of what a model reads in it, and shows its
message. It is no diagnosis, and nothing of the sentence may be logged or stored, not even that it
was recognised: this module keeps nothing and logs nothing.

`is_distress` looks for phrases (distress_phrases.py) by which people say of themselves that they
want to die or to harm themselves, do not want to live, or have nothing to live for. Figures of
speech (`I could die laughing`) and negations (`I don't want to die`) are no distress.
`DistressJudge` also finds what no phrase covers, by the nearness of a sentence's vector to those of
examples (distress_examples.py); it is wrong more often, in both directions. A caller that has a
sentence encoder asks both. In doubt a sentence counts as distress: calm music costs little.

Limits: English alone, so far. Hints, quotations of lyrics, misspellings, irony and what is said of
somebody else are often missed or mistaken. Silence of this module does not mean that a person is
well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feature_store.distress_examples import HIDDEN_DISTRESS, NO_DISTRESS, PLAIN_DISTRESS
from feature_store.distress_phrases import PHRASES, LanguagePhrases

_END_OF_SENTENCE = re.compile(r"[.!?;:…\n]+")
_APOSTROPHES = re.compile("['’‘´`]")
_NOT_A_WORD = re.compile(r"[^\w]+")

_SHRINKAGE = 3.0  # of the judge's weights; 1 to 10 gave like errors on examples that were left out

Vector = NDArray[np.floating[Any]]
"""Of a sentence, shape (dim,)."""


@dataclass(frozen=True, slots=True)
class GentleContext:
    """What a caller offers to a person in distress.

    Attributes:
        valence_position, arousal_position: on the mood plane, each in [0, 1].
        message: one line for the person; it names no phone number, because those differ by country.
    """

    valence_position: float
    arousal_position: float
    message: str


GENTLE_CONTEXT = GentleContext(
    valence_position=0.65,
    arousal_position=0.25,
    message="This is only music; it cannot help as a person can. You do not have to be alone with "
    "this: people can be reached, by a local emergency number or by a person you trust.",
)
"""Calm and slightly positive: cell 3 of valence and cell 1 of arousal, each 0 to 4."""


def is_distress(sentence: str, phrases: Mapping[str, LanguagePhrases] = PHRASES) -> bool:
    """Whether somebody says in a sentence, or in several, that he or she is in distress.

    Args:
        sentence: as written; it may be empty.
        phrases: by language code. The phrases of every language are looked for, because a short
            sentence does not tell its language.
    """
    plain = _without_accents(_APOSTROPHES.sub("", sentence.casefold()))
    pieces = [" ".join(_NOT_A_WORD.split(one)).strip() for one in _END_OF_SENTENCE.split(plain)]
    return any(_says_it(piece, of_it) for piece in pieces for of_it in phrases.values())


class DistressJudge:
    """Judges sentences by their nearness to examples of distress and of everything else.

    A ridge regression on the vectors of the examples; each of the two kinds has half of the weight.

    Args:
        encode: the vector of a sentence, of unit length; it must not store or log the sentence.
    """

    def __init__(self, encode: Callable[[str], Vector]) -> None:
        self._encode = encode
        distress = [encode(text) for text in (*PLAIN_DISTRESS, *HIDDEN_DISTRESS)]
        others = [encode(text) for text in NO_DISTRESS]
        vectors = _with_constant(np.stack([*distress, *others]))  # (examples, dim + 1)
        signs = np.repeat([1.0, -1.0], [len(distress), len(others)])
        shares = np.repeat([1 / len(distress), 1 / len(others)], [len(distress), len(others)])
        weighted = vectors * (shares * len(signs) / 2)[:, None]
        shrinkage = _SHRINKAGE * np.eye(vectors.shape[1])
        shrinkage[-1, -1] = 0.0  # not of the constant
        self._weights = np.linalg.solve(weighted.T @ vectors + shrinkage, weighted.T @ signs)

    def is_distress(self, sentence: str) -> bool:
        """Whether the sentence is nearer to distress than to anything else."""
        vector = _with_constant(self._encode(sentence)[None])[0]
        return bool(vector @ self._weights > 0)


def _with_constant(vectors: Vector) -> NDArray[np.float64]:
    """Vectors (n, dim) with a last column of ones."""
    return np.column_stack([vectors.astype(np.float64), np.ones(len(vectors))])


def _says_it(words: str, phrases: LanguagePhrases) -> bool:
    meant = _pattern(phrases.harmless).sub(" ", words) if phrases.harmless else words
    if _pattern(phrases.statements).search(meant):
        return True
    wishes = _pattern(phrases.wishes).finditer(meant) if phrases.wishes else ()
    return any(not _is_negated(meant[: wish.end()], phrases) for wish in wishes)


def _is_negated(up_to_wish: str, phrases: LanguagePhrases) -> bool:
    """Whether a negation stands between the last subject and the end of the wish."""
    said = _pattern(phrases.subjects).split(up_to_wish)[-1] if phrases.subjects else up_to_wish
    kept = _pattern(phrases.no_negations).sub(" ", said) if phrases.no_negations else said
    return bool(phrases.negations and _pattern(phrases.negations).search(kept))


def _without_accents(text: str) -> str:
    return "".join(
        sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)
    )


@cache
def _pattern(alternatives: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b")
