"""Descriptors of lyrics, counted by hand."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from jobs.encoders.text import descriptors

VERSE = "The river runs below the hill\nand every evening, standing still, I hear it sing"


def test_lines_and_words_are_counted():
    """Three lines; blank ones and notes are none. 6 + 9 + 2 words, one of them explicit."""
    found = descriptors.describe(f"{VERSE}\n\n  \n♪ ♪\nOh shit!")

    assert (found.line_count, found.word_count) == (3, 17)
    assert found.explicit_ratio == pytest.approx(1 / 17)
    assert found.language == "en"
    assert found.repetition_ratio == 0


def test_a_line_repeats_an_earlier_one_whatever_its_case_and_punctuation():
    """Of five lines the third and the fifth repeat the first."""
    text = "Come home\nIt rains\nCOME HOME!\nHome, come\n(come home)"
    assert descriptors.describe(text).repetition_ratio == pytest.approx(2 / 5)


def test_a_chorus_without_words_does_not_hide_the_language():
    """Its detector looks at each sequence of letters once, however often it comes."""
    chorus = "Doo wop de wop bop shoo be doo\n"  # alone it is taken for Somali, with .94
    found = descriptors.describe(f"{chorus * 60}{VERSE}")

    assert found.language == "en"
    assert (found.line_count, found.repetition_ratio) == (62, pytest.approx(59 / 62))


def test_a_script_without_blanks_has_no_words_to_count():
    found = descriptors.describe("月亮代表我的心\n月亮代表我的心")

    assert (found.language, found.line_count, found.repetition_ratio) == ("zh", 2, 0.5)
    assert (found.word_count, found.explicit_ratio) == (None, None)


def test_a_text_of_one_letter_has_counts_and_nothing_else():
    assert astuple(descriptors.describe("♪ x")) == (None, None, 1, 1, 0.0, None)
