"""Texts labelled with valence and arousal: what the task of text emotion reads, and its parts.

One text is one text_id with a label of the combined perspective. Its part (train, validation, test)
is that of its source where the source has a split; otherwise its content_hash draws it: of the
first eight hexadecimal digits modulo 10, as many tenths go to the test as the settings say, as many
to validation, the rest to train. The same text always draws the same part, on every night.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog
import torch

from feature_store.lake.arrow_io import read_table
from feature_store.tables.core import CORE_EMOTION_TEXTS

if TYPE_CHECKING:
    from datetime import date

    from torch import Tensor

LOG = structlog.get_logger()

DIMENSIONS = ("valence", "arousal")
"""Columns of labels and estimates, in this order everywhere."""
PERSPECTIVES = ("combined", "reader", "writer")
"""Whose labels: the first is what models estimate, the others may help them to learn it."""
TRAIN, VALIDATION, TEST = range(3)

_PART_OF_SOURCE = {"train": TRAIN, "dev": VALIDATION, "test": TEST}
_DIGITS = 8
_TENTHS = 10
_COLUMNS = (
    "text_id",
    "perspective",
    "emotion_text",
    "valence",
    "arousal",
    "source_split",
    "content_hash",
)


@dataclass(frozen=True, slots=True, eq=False)
class EmotionTexts:
    """Labelled texts, in the order of their ids.

    Attributes:
        ids, texts: n of them.
        labels: by perspective and dimension, each in [-1, 1], NaN where there is none; shape
            (n, 3, 2). The combined ones are all there.
        content_hashes: of each text; copies of one text share theirs.
        source_splits: train, dev or test as the source says; None where it says nothing.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    labels: Tensor
    content_hashes: Sequence[str]
    source_splits: Sequence[str | None]

    def __len__(self) -> int:
        """Texts."""
        return len(self.ids)

    @property
    def combined(self) -> Tensor:
        """Labels that models estimate, shape (n, 2)."""
        return self.labels[:, 0]

    @property
    def copies(self) -> Tensor:
        """A number for each text, the same for texts with one content_hash, shape (n,)."""
        numbers: dict[str, int] = {}
        found = [numbers.setdefault(name, len(numbers)) for name in self.content_hashes]
        return torch.tensor(found, dtype=torch.int64)

    def parts(self, held_out_tenths: int) -> Tensor:
        """TRAIN, VALIDATION or TEST of each text, shape (n,).

        Args:
            held_out_tenths: of texts without a source's split, for validation and for the test.
        """
        found = [
            _PART_OF_SOURCE[split] if split else _drawn_part(content_hash, held_out_tenths)
            for split, content_hash in zip(self.source_splits, self.content_hashes, strict=True)
        ]
        return torch.tensor(found, dtype=torch.int64)

    def sha256(self) -> str:
        """Hash of all that training reads."""
        digest = hashlib.sha256()
        for column in (self.ids, self.texts, self.content_hashes, self.source_splits):
            digest.update("\0".join(name or "" for name in column).encode() + b"\1")
        digest.update(self.labels.contiguous().numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class EmotionView:
    """What a model sees: some of the texts.

    Attributes:
        rows: those that it may learn from, shape (n_learned,).
    """

    data: EmotionTexts
    rows: Tensor

    @property
    def texts(self) -> list[str]:
        """The texts that a model may learn from, in the order of `rows`."""
        return [self.data.texts[row] for row in self.rows.tolist()]

    @property
    def labels(self) -> Tensor:
        """Their labels, shape (n_learned, 3, 2)."""
        return self.data.labels[self.rows]

    @property
    def combined(self) -> Tensor:
        """Their labels of the combined perspective, shape (n_learned, 2)."""
        return self.data.combined[self.rows]


@dataclass(frozen=True, slots=True, eq=False)
class EmotionHoldout:
    """Texts that a model is evaluated on, and what a view before them lacks.

    Attributes:
        rows: texts to evaluate on, shape (n_held_out,).
        copies: a number for each of them, the same for equal contents, shape (n_held_out,).
        hidden_mask: texts that no model before the holdout learns from: of this holdout and of a
            later one, and their copies; shape (n,) bool.
        variance: of the labels of the whole holdout, by dimension, shape (2,); halves keep it.
    """

    rows: Tensor
    copies: Tensor
    hidden_mask: Tensor
    variance: Tensor

    def halves(self, generator: torch.Generator) -> tuple[EmotionHoldout, EmotionHoldout]:
        """Half of the contents, drawn at random, and the others."""
        contents = self.copies.unique()
        order = torch.randperm(len(contents), generator=generator)
        in_first = torch.isin(self.copies, contents[order[: len(contents) // 2]])
        first, second = (
            replace(self, rows=self.rows[mask], copies=self.copies[mask])
            for mask in (in_first, ~in_first)
        )
        return first, second


def hold_out(data: EmotionTexts, held_out_tenths: int) -> tuple[EmotionHoldout, EmotionHoldout]:
    """The holdouts of validation and of the test.

    A text whose content the test has as well is in the test alone; one whose content validation or
    the test has teaches no model that is evaluated there. Both are counted in the log.
    """
    part, copies = data.parts(held_out_tenths), data.copies
    in_test = torch.isin(copies, copies[part == TEST])
    in_validation = torch.isin(copies, copies[part == VALIDATION]) & ~in_test
    left_out = (part == TRAIN) & (in_test | in_validation)
    LOG.info(
        "held out",
        table=CORE_EMOTION_TEXTS.name,
        train=int((part == TRAIN).sum()) - int(left_out.sum()),
        validation=int(((part == VALIDATION) & ~in_test).sum()),
        test=int((part == TEST).sum()),
        copies_left_out_of_train=int(left_out.sum()),
        copies_left_out_of_validation=int(((part == VALIDATION) & in_test).sum()),
    )
    return (
        _holdout(data, (part == VALIDATION) & ~in_test, in_test | in_validation),
        _holdout(data, part == TEST, in_test),
    )


def read_emotion_texts(lake: str, as_of: date) -> EmotionTexts:
    """The labelled texts as of a day.

    Texts without a label of the combined perspective are left out, and counted in the log.
    """
    rows = read_table(lake, CORE_EMOTION_TEXTS, as_of=as_of, columns=list(_COLUMNS)).to_pylist()
    by_perspective: dict[str, dict[str, dict[str, object]]] = {name: {} for name in PERSPECTIVES}
    for row in rows:
        by_perspective[row["perspective"]][row["text_id"]] = row
    combined = by_perspective[PERSPECTIVES[0]]
    ids = sorted(combined)
    if lacking := {row["text_id"] for row in rows} - combined.keys():
        LOG.warning(
            "texts without a combined label teach nothing",
            table=CORE_EMOTION_TEXTS.name,
            texts=len(lacking),
        )
    nothing = dict.fromkeys(DIMENSIONS, float("nan"))
    labels = [
        [
            [by_perspective[perspective].get(name, nothing)[one] for one in DIMENSIONS]
            for perspective in PERSPECTIVES
        ]
        for name in ids
    ]
    return EmotionTexts(
        ids=ids,
        texts=[str(combined[name]["emotion_text"]) for name in ids],
        labels=torch.tensor(labels, dtype=torch.float64).view(-1, 3, 2).float(),
        content_hashes=[str(combined[name]["content_hash"]) for name in ids],
        source_splits=[_text_or_none(combined[name]["source_split"]) for name in ids],
    )


def _holdout(data: EmotionTexts, relevant: Tensor, hidden_mask: Tensor) -> EmotionHoldout:
    rows = relevant.nonzero().squeeze(1)
    labels = data.combined[rows].double()
    variance = labels.var(dim=0, correction=0) if len(rows) else torch.zeros(2).double()
    return EmotionHoldout(rows, data.copies[rows], hidden_mask, variance)


def _drawn_part(content_hash: str, held_out_tenths: int) -> int:
    """The part of a text whose source has no split; see the module."""
    tenth = int(content_hash[:_DIGITS], 16) % _TENTHS
    if tenth < held_out_tenths:
        return TEST
    return VALIDATION if tenth < 2 * held_out_tenths else TRAIN


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
