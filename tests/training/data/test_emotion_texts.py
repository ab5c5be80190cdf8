"""Labelled texts: what is read, and which part each of them is in."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest
import torch

from feature_store.lake.arrow_io import append
from feature_store.lake.storage import sha256_of
from feature_store.tables.core import CORE_EMOTION_TEXTS
from tests.support.log_capture import captured_log
from training.data.emotion_texts import (
    TEST,
    TRAIN,
    VALIDATION,
    EmotionTexts,
    hold_out,
    read_emotion_texts,
)

MARCH_1 = date(2026, 3, 1)
LOGGER = "training.data.emotion_texts.LOG"


def texts_of(*rows):
    """Texts by content and the source's split; labels are 0, .1, .2, ..."""
    labels = torch.full((len(rows), 3, 2), torch.nan)
    labels[:, 0] = torch.arange(len(rows))[:, None] / 10
    return EmotionTexts(
        ids=[f"s{number}" for number in range(len(rows))],
        texts=[content for content, _ in rows],
        labels=labels,
        content_hashes=[sha256_of(content.encode()) for content, _ in rows],
        source_splits=[split for _, split in rows],
    )


def row(name, perspective, valence, arousal, day=MARCH_1, text=None, split=None):
    text = text or f"text {name}"
    return {
        "text_id": name, "perspective": perspective, "emotion_text": text, "valence": valence,
        "arousal": arousal, "source_split": split, "content_hash": sha256_of(text.encode()),
        "known_from_date": day,
    }  # fmt: skip


def write(lake, *rows):
    append(
        lake, CORE_EMOTION_TEXTS, pa.Table.from_pylist(list(rows), CORE_EMOTION_TEXTS.arrow_schema)
    )


def test_each_text_has_its_labels_by_perspective(settings, monkeypatch):
    """B has no label of a reader, and a's newest combined one counts; c, which only a writer rated, is left out and counted."""
    write(
        settings.lake,
        row("b", "combined", 0.5, 0.25, split="dev"),
        row("b", "writer", 0.75, -0.5),
        row("a", "combined", -0.5, 0.0, day=MARCH_1 - timedelta(days=1)),
        row("a", "combined", -0.25, 0.125),
        row("a", "reader", -1.0, 1.0),
        row("c", "writer", 0.0, 0.0),
        row("d", "combined", 0.0, 0.0, day=MARCH_1 + timedelta(days=1)),
    )

    events = captured_log(monkeypatch, LOGGER)
    data = read_emotion_texts(settings.lake, MARCH_1)

    nan = float("nan")
    expected = [
        [[-0.25, 0.125], [-1.0, 1.0], [nan, nan]],
        [[0.5, 0.25], [nan, nan], [0.75, -0.5]],
    ]
    assert (data.ids, data.texts) == (["a", "b"], ["text a", "text b"])
    assert data.source_splits == [None, "dev"]
    torch.testing.assert_close(data.labels, torch.tensor(expected), equal_nan=True)
    torch.testing.assert_close(data.combined, torch.tensor([[-0.25, 0.125], [0.5, 0.25]]))
    assert [(one["log_level"], one["texts"]) for one in events] == [("warning", 1)]


def test_an_empty_table_has_no_text(settings):
    write(settings.lake)

    data = read_emotion_texts(settings.lake, MARCH_1)

    assert len(data) == 0
    assert data.labels.shape == (0, 3, 2)
    assert [len(part.rows) for part in hold_out(data, 1)] == [0, 0]


def test_the_source_s_split_counts():
    data = texts_of(("x", "train"), ("y", "dev"), ("z", "test"))

    assert data.parts(1).tolist() == [TRAIN, VALIDATION, TEST]


def test_a_text_without_a_split_is_drawn_by_its_content():
    """SHA-256 of "0" begins with 5feceb66, which is 1609362278: 8 modulo 10.

    "3": 4e074085, 1309098117; "10": 4a44dc15, 1246026773; "2": d4735e3a, 3564330554; "1": 6b86b273,
    1803989619. With four tenths 0 to 3 are the test, and 4 to 7 validation.
    """
    contents = ["0", "3", "10", "2", "1"]
    data = texts_of(*((one, None) for one in contents))

    assert data.parts(1).tolist() == [TRAIN] * 5
    assert data.parts(4).tolist() == [TRAIN, VALIDATION, TEST, VALIDATION, TRAIN]


def test_copies_of_a_text_are_in_one_part_alone(monkeypatch):
    """Copies of what is held out are left out of what comes before it, and said so in the log."""
    data = texts_of(
        ("in all", "train"), ("in all", "dev"), ("in all", "test"),
        ("in two", "train"), ("in two", "dev"),
        ("alone", "train"), ("alone too", "dev"), ("alone again", "test"),
    )  # fmt: skip

    events = captured_log(monkeypatch, LOGGER)
    validation, test = hold_out(data, 1)

    assert validation.rows.tolist() == [4, 6]
    assert test.rows.tolist() == [2, 7]
    assert validation.hidden_mask.tolist() == [True, True, True, True, True, False, True, True]
    assert test.hidden_mask.tolist() == [True, True, True, False, False, False, False, True]
    [said] = events
    assert (said["train"], said["validation"], said["test"]) == (1, 2, 2)
    assert said["copies_left_out_of_train"] == 2
    assert said["copies_left_out_of_validation"] == 1
    # Labels .4 and .6: mean .5, squares of .1.
    assert validation.variance.tolist() == pytest.approx([0.01, 0.01])


def test_halves_keep_copies_and_the_variance_of_the_whole():
    data = texts_of(*[(f"text {number // 2}", "dev") for number in range(12)], ("z", "test"))
    validation, _ = hold_out(data, 1)

    first, second = validation.halves(torch.Generator().manual_seed(1))

    assert sorted([*first.rows.tolist(), *second.rows.tolist()]) == list(range(12))
    assert len(first.rows) == len(second.rows) == 6
    assert not {row // 2 for row in first.rows.tolist()} & {
        row // 2 for row in second.rows.tolist()
    }
    assert first.variance.tolist() == second.variance.tolist() == validation.variance.tolist()


def test_the_hash_follows_labels_texts_and_splits():
    data = texts_of(("x", "train"), ("y", None))
    others = [
        texts_of(("x", "train"), ("y", "dev")),
        texts_of(("x", "train"), ("z", None)),
        texts_of(("x", "train")),
    ]

    assert data.sha256() == texts_of(("x", "train"), ("y", None)).sha256()
    assert len({data.sha256(), *(one.sha256() for one in others)}) == 4
