"""core_emotion_texts: one label for each text and perspective, with the day of each change."""

from __future__ import annotations

from feature_store.tables.core import CORE_EMOTION_TEXTS
from feature_store.tables.raw import RAW_EMOTION_TEXTS
from jobs.core import emotion_texts
from tests.jobs.core.frames import FEB_28, FEB_29, MAR_1, frame, rows_of

LABEL = "text_id perspective emotion_text valence arousal rater_count source_split"
NO_SHA256 = "38178a20b470cfd18299fb1593dd4ba706f1a83321dac051d01086efd8b7a96f"
"""What `printf No. | sha256sum` prints."""


def raw(spark, *rows):
    return frame(spark, RAW_EMOTION_TEXTS, f"{LABEL} arrival_date", *rows)


def test_a_text_counts_once_for_each_perspective(spark, night):
    """Of two labels of a day the last received counts; the reader's and the writer's both do."""
    found = emotion_texts.build(
        raw(
            spark,
            ("s", "reader", "No.", -0.5, 0.1, 5, "train", FEB_28),
            ("s", "reader", "No.", -0.4, 0.1, 5, "train", FEB_28),
            ("s", "writer", "No.", -0.5, 0.1, None, None, FEB_28),
        ),
        frame(spark, CORE_EMOTION_TEXTS, "text_id"),
        night=night,
    )

    assert found.columns == CORE_EMOTION_TEXTS.column_names
    assert rows_of(found, f"{LABEL} content_hash known_from_date") == [
        ("s", "reader", "No.", -0.4, 0.1, 5, "train", NO_SHA256, FEB_28),
        ("s", "writer", "No.", -0.5, 0.1, None, None, NO_SHA256, FEB_28),
    ]


def test_only_a_change_of_text_or_label_adds_a_row(spark, night):
    """The same corpus again changes nothing; a corrected label and a corrected text each do."""
    first = raw(
        spark,
        ("a", "combined", "No.", -0.5, 0.1, None, "train", FEB_28),
        ("b", "combined", "Yes.", 0.5, 0.1, None, "test", FEB_28),
        ("c", "combined", "Soo.", 0.0, 0.1, None, "dev", FEB_28),
    )
    previous = emotion_texts.build(first, frame(spark, CORE_EMOTION_TEXTS, "text_id"), night=night)
    again = raw(
        spark,
        ("a", "combined", "No.", -0.5, 0.1, None, "train", FEB_29),
        ("b", "combined", "Yes.", 0.6, 0.1, None, "test", FEB_29),
        ("b", "combined", "Yes.", 0.6, 0.1, None, "test", MAR_1),
        ("c", "combined", "So.", 0.0, 0.1, None, "dev", MAR_1),
    )

    found = emotion_texts.build(again, previous, night=night)

    assert rows_of(found, "text_id emotion_text valence known_from_date") == [
        ("b", "Yes.", 0.6, FEB_29),
        ("c", "So.", 0.0, MAR_1),
    ]
