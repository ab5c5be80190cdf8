"""The judgement of attributes: a value on the side of the truth is right, null is counted apart."""

from __future__ import annotations

import pytest

from jobs.features.steps.semantic_probes import PROBES
from tests.benchmarks.attributes import TRUTHS, VOICE, Judged, flat_figures, judge, table_rows

SILENT = dict.fromkeys(PROBES)


def test_a_value_is_right_on_the_side_of_the_truth():
    """The middle counts as present."""
    assert Judged("a", VOICE, is_present=True, value=0.5).is_right
    assert not Judged("a", VOICE, is_present=True, value=0.49).is_right
    assert Judged("a", VOICE, is_present=False, value=0.49).is_right
    assert not Judged("a", VOICE, is_present=False, value=0.5).is_right
    assert not Judged("a", VOICE, is_present=False, value=None).is_right


def test_figures_count_what_is_known():
    """Two voices, of which one is found; one absence, told rightly; one null."""
    judged = [
        Judged("a", VOICE, is_present=True, value=0.9),
        Judged("b", VOICE, is_present=True, value=0.1),
        Judged("c", VOICE, is_present=False, value=0.1),
        Judged("d", VOICE, is_present=True, value=None),
    ]

    assert flat_figures(judged) == {
        "attributes_right": 2,
        "attributes_judged": 3,
        "attributes_null": 1,
        "present_right": 1,
        "present_judged": 2,
        "always_absent_right": 1,
        f"{VOICE}.right": 2,
        f"{VOICE}.judged": 3,
    }


def test_every_truth_is_about_a_probe():
    assert {name for truths in TRUTHS.values() for name in truths} <= PROBES.keys()
    assert len(TRUTHS) == 14


def test_a_truth_is_judged_by_the_recording_whose_name_begins_so():
    values = {f"{start}-x.ogg": SILENT for start in TRUTHS}
    [fishin] = [name for name in values if name.startswith("Karissa")]
    values[fishin] = SILENT | {VOICE: 0.75}

    judged = judge(values)

    assert [each for each in judged if each.value is not None] == [
        Judged(fishin, VOICE, is_present=True, value=0.75)
    ]
    [row] = [row for row in table_rows(values, judged) if row[0] == fishin[:32]]
    assert row[1 + list(PROBES).index(VOICE)] == "0.75 ✓"
    assert row.count("null") == len(PROBES) - 1
    assert table_rows(values, judged)[-1] == ["right", "1 of 1", *["0 of 0"] * (len(PROBES) - 1)]


def test_a_missing_recording_is_named():
    with pytest.raises(ValueError, match=r"no recording is called 147793__setuniman"):
        judge({})
